"""Packets for tests, written by dpkt: what a capture of a link looks like, with everything that can go wrong on the way."""

from __future__ import annotations

import socket
from io import BytesIO
from typing import NamedTuple

import dpkt

SYN = dpkt.tcp.TH_SYN
FIRST = 2**32 - 5
"""Sequence number of the SYN: close to where the numbers begin anew."""


class Sent(NamedTuple):
    """A segment. `at`: seconds; `place`: of its first byte in its stream; `back`: from the issuer; `port`: the acquirer's."""

    at: float
    place: int
    data: bytes
    back: bool = False
    flags: int = dpkt.tcp.TH_ACK
    port: int = 40_000


def opened(at: float = 0.0, *, back: bool = False, port: int = 40_000) -> Sent:
    return Sent(at, -1, b"", back, SYN, port)


def packet(sent: Sent) -> bytes:
    """Ethernet, IPv4, TCP."""
    ports = (8583, sent.port) if sent.back else (sent.port, 8583)
    hosts = ("10.0.0.2", "10.0.0.1") if sent.back else ("10.0.0.1", "10.0.0.2")
    tcp = dpkt.tcp.TCP(
        sport=ports[0], dport=ports[1], seq=(FIRST + 1 + sent.place) % 2**32, flags=sent.flags, data=sent.data
    )
    ip = dpkt.ip.IP(src=socket.inet_aton(hosts[0]), dst=socket.inet_aton(hosts[1]), p=dpkt.ip.IP_PROTO_TCP, data=tcp)
    ip.len = len(ip)
    return bytes(dpkt.ethernet.Ethernet(src=b"\2" * 6, dst=b"\4" * 6, data=ip))


def capture(*sent: Sent) -> bytes:
    file = BytesIO()
    writer = dpkt.pcap.Writer(file)
    for each in sent:
        writer.writepkt(packet(each), ts=1_795_255_200 + each.at)
    return file.getvalue()
