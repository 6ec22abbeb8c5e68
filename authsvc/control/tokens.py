"""Which token is whose, as of now: those of the settings, and those of the token file, read anew when it has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from authsvc import config
from authsvc.control import token_file
from authsvc.control.roles import Role, Token
from authsvc.errors import ConfigError
from authsvc.logs import get_logger
from authsvc.model import UnixMs

log = get_logger(__name__)


class _Seen(Struct, frozen=True):
    """How the file looked when it was read; it is replaced as a whole, so any of these differs after a change."""

    inode: int
    changed_ns: int
    size: int


class Tokens:
    """`configured`: of the settings, by name, good for ever; `path`: the token file, None without; `now`: real time.

    Raises ConfigError when the file is wrong. One that goes wrong later changes nothing and is logged.
    """

    def __init__(self, configured: Mapping[str, config.Token], path: Path | None, now: Callable[[], UnixMs]) -> None:
        self._configured = {token.sha256: Token(name, Role(token.role)) for name, token in configured.items()}
        self._path = path
        self._now = now
        self._seen = self._look()
        self._kept = self._read() if path else {}

    def find(self, text: str) -> Token | None:
        """Whose it is, None when it is nobody's (any more)."""
        hashed = token_file.token_hash(text)
        if (configured := self._configured.get(hashed)) is not None:
            return configured
        self._refresh()
        kept = self._kept.get(hashed)
        return Token(kept.id, Role(kept.role)) if kept is not None and kept.is_good(self._now()) else None

    def _refresh(self) -> None:
        """A look at the file's name costs a call some microseconds; so a change holds for the very next one."""
        seen = self._look()
        if seen == self._seen or self._path is None:
            return
        self._seen = seen
        try:
            self._kept = self._read()
        except ConfigError as error:
            log.error("token file refused, the tokens read before stay good", problem=str(error))

    def _look(self) -> _Seen | None:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return None if found is None else _Seen(found.st_ino, found.st_mtime_ns, found.st_size)

    def _read(self) -> dict[str, token_file.Kept]:
        assert self._path is not None
        return {kept.sha256: kept for kept in token_file.read(self._path)}
