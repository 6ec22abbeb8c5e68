"""What the engine adds to its parts: a scrape that never hangs where the ledger does."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from engine_parts import settings
from tls_files import Authority, client_context

from authsvc import engine
from authsvc.ledger.sqlite import SqliteLedger
from authsvc.model import Actor

ANNA = Actor("anna.1", "operator")


def holds_in(scrape: bytes) -> str:
    return next(line.split()[1] for line in scrape.decode().splitlines() if line.startswith("authsvc_holds_open "))


async def test_a_scrape_with_and_without_the_ledger(tmp_path: Path) -> None:
    """The number while the ledger answers; once it is closed no number, and all the other metrics all the same."""
    running = engine.build(settings(tmp_path, seed_demo="false"))
    await running.start()
    assert holds_in(await running.scrape()) == "0.0"
    await running.stop()
    without = await running.scrape()
    assert holds_in(without) == "NaN"
    assert b"authsvc_decisions_total{" in without


async def test_a_scrape_does_not_wait_for_a_ledger_that_hangs(tmp_path: Path) -> None:
    """A disk may take minutes, and the reading thread with it; Prometheus gives up after ten seconds."""
    running = engine.build(settings(tmp_path, seed_demo="false"))
    await running.start()
    answers = threading.Event()
    assert isinstance(running.ledger, SqliteLedger)
    running.ledger._reading.submit(answers.wait)
    assert holds_in(await running.scrape()) == "NaN"
    answers.set()
    assert holds_in(await running.scrape()) == "0.0"
    await running.stop()


async def shown_by(running: engine.Engine, authority: Path) -> str:
    """The name in the certificate of the control API, to somebody who connects now."""
    port = running.ports["control"]
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(authority))
    subject = dict(pair for part in writer.get_extra_info("peercert")["subject"] for pair in part)
    writer.close()
    return str(subject["commonName"])


async def test_a_certificate_of_the_control_api_that_is_renewed(tmp_path: Path) -> None:
    """A reload, asked for by an operator or by a signal, shows the new one to the next connection. A key that is of another
    certificate, and a file that is none, change nothing and are named."""
    authority = Authority(tmp_path, "ours")
    cert, key = authority.sign("control", "first", "127.0.0.1", days=30)
    running = engine.build(
        settings(tmp_path / "data", seed_demo="false", **{"control.tls.cert": cert, "control.tls.key": key})
    )
    await running.start()
    try:
        assert await shown_by(running, authority.file) == "first"
        authority.sign("control", "second", "127.0.0.1", days=90)
        assert await running.reload(ANNA) == ""
        assert await shown_by(running, authority.file) == "second"
        assert expiry_in(await running.scrape()) > time.time() + 80 * 86_400
        right = key.read_bytes()
        for wrong in (authority.sign("other", "other")[1].read_bytes(), b"no key"):
            key.write_bytes(wrong)
            assert f"control.tls: {cert}, {key}: " in await running.reload(ANNA)
            assert await shown_by(running, authority.file) == "second"
        key.write_bytes(right)
        authority.sign("control", "third", "127.0.0.1")
        running.request_reload()
        assert await shown_by(running, authority.file) == "third"
    finally:
        await running.stop()


def expiry_in(scrape: bytes) -> float:
    name = 'authsvc_certificate_expires_seconds{listener="control"}'
    return next(float(line.split()[1]) for line in scrape.decode().splitlines() if line.startswith(name))
