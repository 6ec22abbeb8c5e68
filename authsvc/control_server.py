"""The control API's HTTP server inside the engine's event loop, and the sockets it and the listeners stand on."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from authsvc.config import ControlTls
from authsvc.errors import ConfigError


class ControlServer(uvicorn.Server):
    """uvicorn inside our event loop: our signals, our socket."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def begin(self, listening: socket.socket) -> int:
        """Listen on a bound socket and serve; returns the port. Raises OSError when it cannot listen."""
        self._serving = asyncio.create_task(self.serve(sockets=[listening]))
        while not self.started:
            await asyncio.sleep(0.005)
        return int(listening.getsockname()[1])

    def renew(self, tls: ControlTls) -> None:
        """Show the certificate that is in the file now, from now on. Raises ConfigError, and the one before stays."""
        check_tls(tls)  # apart: a key that does not fit would leave half of it in the context that is in use
        if self.config.ssl is not None:
            self.config.ssl.load_cert_chain(tls.cert, tls.key)

    async def end(self) -> None:
        self.should_exit = True
        await self._serving


def bound_socket(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A TCP socket on that port, not listening yet. `shared`: others of ours have it too, and the kernel deals the connections.
    Raises OSError."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made


@contextmanager
def naming(key: str, host: str, port: int) -> Iterator[None]:
    """A port that cannot be opened is a ConfigError with its key."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{key}: cannot listen on {host}:{port}: {error.strerror}") from error


def check_tls(tls: ControlTls) -> None:
    """Whether certificate and key can be read and belong together. Raises ConfigError."""
    if not tls.cert:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            tls.cert,
            tls.key,
            password=lambda: b"",  # else OpenSSL would ask the terminal
        )
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"control.tls: {tls.cert}, {tls.key}: {error.strerror or error}") from error
