"""TLS of a listener: its own certificate, the certificate authority of its peers, and which of their names may have a link.

TLS 1.2 and 1.3, forward secrecy, no resumption: a link lasts for days, and a resumed one would not show its certificate again.
See docs/decisions/0028-tls.md.
"""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from authsvc.config import TlsConfig
from authsvc.errors import ConfigError

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all good."""


def context_of(tls: TlsConfig, key: str) -> ssl.SSLContext | None:
    """What a listener's links are made with; None when it says nothing of TLS. `key`: of its settings, as
    "listeners.bank.tls". Raises ConfigError naming setting and file."""
    if not tls.cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    _check_readable(f"{key}.cert", tls.cert)
    _check_readable(f"{key}.key", tls.key)
    try:
        context.load_cert_chain(tls.cert, tls.key, password=lambda: b"")  # else OpenSSL would ask the terminal
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        problem = (
            f"is not the key of {tls.cert}" if mismatch else f"it and {tls.cert} are no key and certificate in PEM"
        )
        raise ConfigError(f"{key}.key: {tls.key}: {problem}") from None
    if tls.client_ca:
        _demand_certificates(context, tls.client_ca, f"{key}.client_ca")
    return context


def _demand_certificates(context: ssl.SSLContext, file: str, key: str) -> None:
    _check_readable(key, file)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError:
        raise ConfigError(f"{key}: {file}: has no certificate in PEM") from None
    context.verify_mode = ssl.CERT_REQUIRED


def _check_readable(key: str, file: str) -> None:
    try:
        Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"{key}: {file}: {error.strerror}") from error


def expires(tls: TlsConfig, key: str) -> datetime.datetime:
    """When the listener's certificate does. Raises ConfigError."""
    try:
        return x509.load_pem_x509_certificate(Path(tls.cert).read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise ConfigError(f"{key}.cert: {tls.cert}: is no certificate in PEM") from error


def names_of(certificate: Mapping[str, Any]) -> set[str]:
    """The names in a peer's certificate, as `ssl` gives it: alternative names of any kind, and common names of its subject."""
    names = {value for _kind, value in certificate.get("subjectAltName", ())}
    parts: Iterable[Any] = certificate.get("subject", ())
    return names | {value for part in parts for name, value in part if name == "commonName"}


def is_certificate_problem(error: ssl.SSLError) -> bool:
    """Whether a handshake failed on the peer's certificate: none, not of our authority, expired."""
    return isinstance(error, ssl.SSLCertVerificationError) or error.reason in _NO_CERTIFICATE


_NO_CERTIFICATE = ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "CERTIFICATE_VERIFY_FAILED")
