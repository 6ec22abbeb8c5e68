"""What a supervisor is told (systemd's sd_notify): a datagram to the socket that it named. Three lines, so no library."""

from __future__ import annotations

import socket


def tell(address: str, state: str) -> None:
    """`address`: as in NOTIFY_SOCKET, "" when nobody listens; "@" begins an abstract name. `state`: as "READY=1".

    Source: sd_notify(3). Raises OSError.
    """
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
        to.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        to.sendall(state.encode())
