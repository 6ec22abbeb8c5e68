"""Many cards: a file that is imported at once, and that load reads its cards from."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from loadtest import __main__ as load
from loadtest import accounts
from loadtest.accounts import CardsError
from loadtest.engine import ROOT, PrivateEngine, free_ports

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning:psec")
AUTHSVC = str(Path(sys.executable).with_name("authsvc"))


class _Filled(PrivateEngine):
    """On a folder that was filled before."""

    def __init__(self, folder: Path) -> None:
        super().__init__("system", (f"data_dir={folder}",))


def test_many_cards_are_written_imported_and_used(tmp_path: Path) -> None:
    """The three commands one behind the other; every answer is the one that a card which nobody has used must get."""
    cards, data = tmp_path / "cards.jsonl", tmp_path / "data"
    written = CliRunner().invoke(load.main, ["--write-cards", str(cards), "--accounts", "200"])
    assert written.exit_code == 0, written.output
    assert stat.S_IMODE(cards.stat().st_mode) == 0o600
    words = [AUTHSVC, "account", "import", str(cards), "--pins", "--set", f"data_dir={data}"]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    with _Filled(data) as engine:
        where = ["--iso", f"127.0.0.1:{engine.iso_port}", "--cards", str(cards), "--accounts", "200", "--every", "0"]
        used = CliRunner().invoke(load.main, [*where, "--fresh", "--closed", "8", "--most", "600"])
        assert used.exit_code == 0, used.output
        assert "sent 600, answered 600" in used.output
        assert "wrong 0, links lost 0, unchecked 0" in used.output
        unknown = CliRunner().invoke(load.main, [*where, "--closed", "1", "--most", "50"])
        assert unknown.exit_code == 0, unknown.output  # what is not known is told, and no fault of the host
        assert "unchecked 0" not in unknown.output


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("", "has no cards"),
        ('{"pan": "4180390000000017"}', "line 1: .*`cards`"),
        ('{"cards": [{"pan": "4180390000000017", "expiry": "2912"}]}', "line 1: .*`pin`"),
        ('{"cards": [{"pan": "418039000000001x", "expiry": "2912", "pin": "1234"}]}', r"line 1: .*`\$.cards\[0\].pan`"),
        ("4180390000000017", "line 1: Expected `object`"),
        ("card 4180390000000017", "line 1: is no JSON object"),
        (None, "No such file"),
    ],
)
def test_a_wrong_file_is_refused_without_its_values(tmp_path: Path, text: str | None, then: str) -> None:
    """File and line, and no card number."""
    path = tmp_path / "cards.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CardsError, match=then) as raised:
        accounts.read(path, 10)
    assert "418039" not in str(raised.value)


def test_load_on_a_host_that_nobody_knows(tmp_path: Path) -> None:
    """`--expect none`: a bare echo will do; nothing is asked of a control API."""
    cards, report = tmp_path / "cards.jsonl", tmp_path / "deep" / "report"
    CliRunner().invoke(load.main, ["--write-cards", str(cards), "--accounts", "50"])
    (port,) = free_ports(1)
    echo = "import socketserver as s\nclass E(s.BaseRequestHandler):\n def handle(self):\n  while d := self.request.recv(65536): self.request.sendall(d)\n"  # noqa: E501
    serve = f"s.ThreadingTCPServer.allow_reuse_address = True\ns.ThreadingTCPServer(('127.0.0.1', {port}), E).serve_forever()"
    with subprocess.Popen([sys.executable, "-c", echo + serve]) as process:
        try:
            done = _when_it_listens(
                ["--iso", f"127.0.0.1:{port}", "--expect", "none", "--cards", str(cards), "--api", "http://127.0.0.1:1",
                 "--rate", "500", "--to", "1000", "--seconds", "1", "--every", "0", "--report", str(report)]
            )  # fmt: skip
        finally:
            process.terminate()
    assert done.exit_code == 0, done.output
    assert "garbled 0, wrong 0" in done.output
    assert report.with_suffix(".json").exists()
    assert "<svg" in report.with_suffix(".html").read_text()


def _when_it_listens(words: list[str]) -> object:
    for _ in range(50):
        done = CliRunner().invoke(load.main, words)
        if "Connect" not in done.output:
            break
    return done
