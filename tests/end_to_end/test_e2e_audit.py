"""A person with a token of their own, over TLS, and the trail they leave: the real program from the command line."""

from __future__ import annotations

import datetime
import json
import ssl
from pathlib import Path

import httpx
import pytest
from conftest import Start
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from e2e_process import run
from test_e2e_cli import run as run_here


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authsvc test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "control.pem", tmp_path / "control.key"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


def test_tokens_tls_and_the_trail(start: Start, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    """Anna gets a token and opens an account; it is rotated while the engine runs; the trail knows both. A token that has
    ended is refused, counted and logged; its text stands nowhere."""
    cert, key = certificate
    tokens = tmp_path / "tokens.json"
    engine = start(f"control.token_file={tokens}", f"control.tls.cert={cert}", f"control.tls.key={key}", clock="system")
    url = f"https://localhost:{engine.control_port}"

    def new_token() -> str:
        made = run_here("token", "new", "anna", "--role", "branch", "--json", *engine.settings)
        return str(json.loads(made.stdout)["text"])

    def ask(token: str, *words: str) -> tuple[int, str]:
        done = run_here(words[0], "--url", url, "--token", token, "--ca", str(cert), *words[1:])
        return done.exit_code, done.output

    first = new_token()
    assert ask(first, "account", "open", "prepaid-bps")[0] == 0
    second = new_token()
    assert ask(first, "account", "open", "prepaid-bps")[0] == ask(second, "account", "open", "prepaid-bps")[0] == 0
    assert json.loads(run_here("token", "revoke", "anna.1", "--json", *engine.settings).output)["token"] == "anna.1"
    refused = ask(first, "account", "open", "prepaid-bps")
    assert (refused[0], "401" in refused[1]) == (1, True)
    code, said = ask("demo-auditor", "audit", "--json", "--who", "anna")
    assert code == 0
    assert [entry["token"] for entry in json.loads(said)] == ["anna.1", "anna.1", "anna.2"]
    assert "open_account" in ask("demo-auditor", "audit", "--since", "5m")[1]
    assert ask(second, "audit")[0] == 1
    metrics = httpx.get(f"{url}/metrics", verify=ssl.create_default_context(cafile=str(cert)), trust_env=False).text
    assert 'authsvc_control_refused_total{cause="unknown_token",role=""} 1.0' in metrics
    assert 'authsvc_control_refused_total{cause="role_too_weak",role="branch"} 1.0' in metrics
    assert (
        '"cause":"role_too_weak","token_id":"anna.2","role":"branch","method":"GET","route":"/v1/audit"'
        in engine.said()
    )
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{engine.control_port}/healthz", trust_env=False)
    engine.stop()
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"anna.2" in written
    assert first.encode() not in written
    assert second.encode() not in written


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["control.tls.cert=README.md", "control.tls.key=README.md"], "control.tls: README.md"),
        (["control.tls.cert=README.md"], "control.tls: cert and key are needed both"),
        (["control.token_file=README.md"], "control.token_file: README.md"),
    ],
)
def test_what_is_wrong_is_found_before_a_start(tmp_path: Path, settings: list[str], named: str) -> None:
    words = [word for setting in (*settings, f"data_dir={tmp_path}") for word in ("--set", setting)]
    done = run("check-config", "--config", "config/demo.toml", *words)
    assert (done.returncode, named in done.stderr) == (1, True), done.stderr
