"""The floor: what one would write first. Prints its port, runs until it is terminated.

asyncio streams, pyiso8583, redis-py and sqlite3, each called where it is needed: a message is decoded, its account read from
Redis, one limit and the funds are checked, the decision is committed to SQLite (WAL, `synchronous=FULL`), the account is
written back, the answer is encoded. Right as far as it goes: repeats get their first answer, reversals give back. What it
leaves out would only make it slower: PIN, SCA and most rules, concurrent writers, a crash between SQLite and Redis.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import iso8583
import redis
from iso8583.specs import default_ascii

from authsvc.state.embedded import EmbeddedValkey

FUNDS = 100_000_000
LIMIT = 100_000_000
ECHOED = ("2", "3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49")
SCHEMA = """
CREATE TABLE decisions (key TEXT PRIMARY KEY, account TEXT NOT NULL, rrn TEXT NOT NULL, amount INTEGER NOT NULL,
    answer BLOB NOT NULL);
CREATE INDEX decisions_rrn ON decisions (rrn)"""


class Host:
    """One message at a time: every call in it blocks."""

    def __init__(self, folder: Path, url: str) -> None:
        self._redis = redis.Redis.from_url(url)
        self._database = sqlite3.connect(folder / "plain.sqlite", isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.executescript(SCHEMA)
        self._code = 0

    def handle(self, payload: bytes) -> bytes:
        message, _ = iso8583.decode(payload, default_ascii)
        mti = message["t"]
        key = "".join((mti[:3], *(message.get(field, "") for field in ("7", "11", "32", "41", "42"))))
        if mti[3] == "1":
            row = self._database.execute("SELECT answer FROM decisions WHERE key = ?", (key,)).fetchone()
            if row is not None:
                return bytes(row[0])
        name = "account:" + hashlib.sha256(message["2"].encode()).hexdigest()
        account = json.loads(self._redis.get(name) or f'{{"funds": {FUNDS}, "used": 0}}')
        code = self._decide(message, account)
        answer = self._answer(message, code)
        self._database.execute(
            "INSERT INTO decisions VALUES (?, ?, ?, ?, ?)", (key, name, message["37"], int(message["4"]), answer)
        )
        self._redis.set(name, json.dumps(account))
        return answer

    def _decide(self, message: dict[str, str], account: dict[str, int]) -> str:
        """DE39; `account` is as it is afterwards."""
        amount, kind = int(message["4"]), message["t"][1]
        if kind == "4":
            row = self._database.execute("SELECT amount FROM decisions WHERE rrn = ?", (message["37"],)).fetchone()
            if row is None:
                return "25"
            amount = -int(row[0])
        elif kind == "2":
            return "00"  # a presentment: held before, posted now
        elif message["t"][2] == "0" and account["used"] + amount > LIMIT:
            return "61"
        elif message["t"][2] == "0" and account["funds"] < amount:
            return "51"
        account["funds"] -= amount
        account["used"] += amount
        return "00"

    def _answer(self, message: dict[str, str], code: str) -> bytes:
        mti = message["t"]
        answer = {field: message[field] for field in ECHOED if field in message}
        answer |= {"t": f"{mti[:2]}{int(mti[2]) + 1}0", "39": code}
        if code == "00" and mti[1] == "1":
            self._code = (self._code + 1) % 1_000_000
            answer["38"] = f"{self._code:06}"
        return bytes(iso8583.encode(answer, default_ascii)[0])

    async def link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                answer = self.handle(await reader.readexactly(size))
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main(folder: Path) -> None:
    valkey = EmbeddedValkey(folder)
    await valkey.start()
    host = Host(folder, valkey.url)
    server = await asyncio.start_server(host.link, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended: Any = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await valkey.stop()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory(prefix="plain-") as made:
            asyncio.run(main(Path(made)))
