"""Which dialect in which framing: as somebody said, or the pair in which most of the messages are right.

Only for people: a listener's dialect is named in its settings, nothing is guessed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice, product

from msgspec import Struct

from authsvc.codec.answers import RESPONSES
from authsvc.codec.dialects import DIALECTS, Dialect
from authsvc.codec.framing import FRAMINGS, Framing
from authsvc.reading.conversations import Conversation, Flow
from authsvc.reading.cutting import Cut, cut

NONE = "none"
LOOKED_AT = 20
"""Frames of each direction that a guess looks at."""
TPDU_IDS = (0x60, 0x6F)
"""First byte of a TPDU: 60, of transactions, and its kin."""
SURE_ENOUGH = 0.3
"""Least score, of at most 1, of a stream that nobody said is ISO 8583."""


class Spoken(Struct, frozen=True):
    """`framing`: of width 0 where there is no header; `score`: 1 when every message looked at is right; `guessed`."""

    dialect: str
    framing: Framing
    score: float = 1.0
    guessed: bool = False

    @property
    def words(self) -> str:
        """As the settings of a listener say it."""
        return f"dialect {self.dialect}, framing {framing_words(self.framing)}"


def framing_words(framing: Framing) -> str:
    """ "2b inclusive", "none tpdu"."""
    name = f"{framing.width}{'a' if framing.ascii else 'b'}" if framing.width else NONE
    return " ".join([name, *(word for word in ("inclusive", "tpdu", "vap") if getattr(framing, word))])


def every_framing(name: str | None = None, flags: Sequence[str] = ()) -> list[Framing]:
    """Those that are meant: by name ("none" for no header) with exactly these flags of a listener; without a name, all.

    The wide ones come first: read in four bytes, a length in two is wrong; read in two, one in four is a keep-alive and right.
    """
    names = sorted(FRAMINGS, key=lambda each: -FRAMINGS[each].width) if name is None else [name] if name != NONE else []
    switches = list(product((False, True), repeat=3))
    found = [Framing(0, tpdu=tpdu) for tpdu in (False, True)] if name in (None, NONE) else []
    for each, (vap, inclusive, tpdu) in product(names, switches):
        row = FRAMINGS[each]
        found.append(Framing(row.width, row.ascii, inclusive=inclusive, tpdu=tpdu, vap=vap))
    if name is None and not flags:
        return found
    return [
        each for each in found if all(getattr(each, flag) is (flag in flags) for flag in ("inclusive", "tpdu", "vap"))
    ]


def spoken_in(conversation: Conversation, dialects: Iterable[str], framings: Iterable[Framing]) -> Spoken | None:
    """The best pair of these; None when a message of no dialect begins anywhere. Of equals, the first."""
    choices = [
        Spoken(dialect, framing, score)
        for framing in framings
        if framing.width or conversation.whole
        for dialect, score in _scores(conversation, framing, list(dialects))
    ]
    return max(choices, key=lambda each: each.score, default=None)


def _scores(conversation: Conversation, framing: Framing, dialects: list[str]) -> list[tuple[str, float]]:
    if framing.tpdu and not all(_has_tpdu(flow, framing) for flow in conversation.flows):
        return []
    cuts = [each for flow in conversation.flows for each in islice(cut(flow.pieces, framing), LOOKED_AT)]
    scores = [(name, _score(cuts, DIALECTS[name])) for name in dialects] if cuts else []
    return [(name, score) for name, score in scores if score > 0]


def _has_tpdu(flow: Flow, framing: Framing) -> bool:
    """Whether what may be a TPDU begins like one: without it, any five bytes could be skipped to a better message."""
    data = b"".join(piece.data for piece in flow.pieces[:2])
    return TPDU_IDS[0] <= data[framing.header] <= TPDU_IDS[1] if len(data) > framing.header else False


def _score(cuts: list[Cut], dialect: Dialect) -> float:
    return sum(_fit(each, dialect) for each in cuts) / len(cuts)


def _fit(one: Cut, dialect: Dialect) -> float:
    """1 for a message that is right; below it, the more of its bytes are in fields that are right the more; below 0 where none
    begins. A message type that nobody uses counts for half."""
    if not one.payload:
        return 0.0
    if not dialect.begins_at(one.payload, 0):
        return -1.0
    found = dialect.dissect(one.payload)
    mti = found.values["t"]
    usual = 1.0 if mti in RESPONSES or mti in RESPONSES.values() else 0.5
    whole = 0.9 if one.problem else 1.0
    if found.error is None:
        return usual * whole
    # A message whose fields all end where they should is more likely what it seems than one that stops in the middle.
    begun = 0.5 if found.error.position < 0 else 0.05
    right = sum(last - first for field, (first, _, last) in found.spans.items() if field in found.sound | {"bitmap"})
    return usual * whole * (begun + 0.4 * right / len(one.payload))
