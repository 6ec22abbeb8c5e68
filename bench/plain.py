"""The floor: how such a host is usually written. pyiso8583, redis-py, sqlite3 with a commit for each message, psec for the PIN,
in an asyncio server whose handlers call all of them as they come. Nothing in it is slow on purpose.

It decides far less than the engine does: the PIN, a day limit and the funds; it keeps each message and its answer, durable
(`synchronous=FULL`) before it answers, and answers a repeat by what it answered first. `python -m bench.plain` prints its
port and the process id of its Valkey, and runs until it is terminated.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
import tempfile
from pathlib import Path

import iso8583
import psec
import redis
from iso8583.specs import default_ascii

from authsvc.state.embedded import EmbeddedValkey
from loadtest.messages import zone_key

ZONE = zone_key(Path(__file__).parents[1] / "config/keys/demo.toml")
PIN = "1234"
"""Of every card: nobody keeps PINs, but it takes the same time as a PVV and needs no list of cards."""
LIMIT = 1_000_000_00
ECHOED = ("2", "3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49")
SCHEMA = "CREATE TABLE journal (key TEXT PRIMARY KEY, message TEXT NOT NULL, answer TEXT NOT NULL)"


class Host:
    """One message at a time, as the event loop hands them over."""

    def __init__(self, folder: Path, url: str) -> None:
        self._database = sqlite3.connect(folder / "plain.sqlite")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(SCHEMA)
        self._redis = redis.Redis.from_url(url)

    def answer(self, payload: bytes) -> bytes:
        message, _ = iso8583.decode(payload, default_ascii)
        key = message["t"][:3] + message["2"] + message["7"] + message["11"]
        known = self._database.execute("SELECT answer FROM journal WHERE key = ?", (key,)).fetchone()
        if known is None:
            fields = self._decide(message)
            kept = json.dumps({name: value for name, value in message.items() if name not in ("2", "52")})
            with self._database:
                self._database.execute("INSERT INTO journal VALUES (?, ?, ?)", (key, kept, json.dumps(fields)))
        else:
            fields = json.loads(known[0])
        return bytes(iso8583.encode(fields, default_ascii)[0])

    def _decide(self, message: dict[str, str]) -> dict[str, str]:
        fields = {name: message[name] for name in ECHOED if name in message}
        fields["t"] = f"{message['t'][:2]}{int(message['t'][2]) + 1}0"
        fields["39"] = self._code(message)
        if fields["39"] == "00":
            fields["38"] = message["11"]
        return fields

    def _code(self, message: dict[str, str]) -> str:
        account, amount = f"account:{message['2']}", int(message["4"])
        if message["t"] != "0100":
            self._redis.hincrby(account, "held", -amount)
            return "00"
        if "52" in message and not self._right_pin(message):
            self._redis.hincrby(account, "tries", 1)
            return "55"
        kept = self._redis.hgetall(account)
        if int(kept.get(b"held", 0)) + amount > LIMIT or int(kept.get(b"today", 0)) + amount > LIMIT:
            return "51"
        with self._redis.pipeline() as both:
            both.hincrby(account, "held", amount)
            both.hincrby(account, "today", amount)
            both.execute()
        return "00"

    def _right_pin(self, message: dict[str, str]) -> bool:
        clear = psec.des.decrypt_tdes_ecb(ZONE, bytes.fromhex(message["52"]))
        return psec.pinblock.decode_pinblock_iso_0(clear, message["2"]) == PIN


async def serve(host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            size = int.from_bytes(await reader.readexactly(2), "big")
            answer = host.answer(await reader.readexactly(size))
            writer.write(len(answer).to_bytes(2, "big") + answer)
            await writer.drain()
    writer.close()


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="plain-") as name:
        folder = Path(name)
        valkey = EmbeddedValkey(folder)
        await valkey.start()
        host = Host(folder, valkey.url)
        server = await asyncio.start_server(lambda reader, writer: serve(host, reader, writer), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], (folder / "valkey" / "valkey.pid").read_text().strip(), flush=True)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        await ended.wait()
        server.close()
        await valkey.stop()


if __name__ == "__main__":
    asyncio.run(main())
