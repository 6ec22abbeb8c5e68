"""Every message that was given, in the order of time, each answer with its request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from authsvc.codec.answers import RESPONSES
from authsvc.codec.describe import Description, describe
from authsvc.codec.dialects import DIALECTS, Fields, MessageError
from authsvc.codec.framing import Framing
from authsvc.codec.pan import PanDisplay
from authsvc.reading.conversations import Conversation, SourceError
from authsvc.reading.cutting import Cut, cut
from authsvc.reading.sources import Given, readings_of
from authsvc.reading.spoken import SURE_ENOUGH, Spoken, spoken_in

SAME = ("7", "37", "41", "42")
"""Besides the STAN, what an answer says as its request did, where both say it."""


class Frame(Struct, frozen=True):
    """`number`: from 1; `header`: bytes of length and TPDU in front of the message; `problem`: of the frame, "" when it is
    whole; `answers`: number of the request that it answers, 0 when none is here; `answered_by`: the way back; `seconds`:
    between the two, None where a time is missing."""

    number: int
    spoken: Spoken
    description: Description
    at: float | None = None
    sender: str = ""
    receiver: str = ""
    header: int = 0
    problem: str = ""
    answers: int = 0
    answered_by: int = 0
    seconds: float | None = None

    @property
    def is_whole(self) -> bool:
        """Nothing is wrong with it."""
        return not self.problem and self.description.broken is None


class Told(Struct, frozen=True):
    """`notes`: what has to be known besides: a guess, packets lost, streams left out."""

    frames: tuple[Frame, ...]
    notes: tuple[str, ...] = ()


def read(data: bytes, dialects: Sequence[str], framings: Sequence[Framing], pan: PanDisplay) -> Told:
    """Everything in `data`, described. `dialects`, `framings`: those that it can be in; one of each is no guess.

    Raises SourceError when there is no message in it.
    """
    best: tuple[float, Given, list[Spoken | None]] | None = None
    for given in readings_of(data):
        spoken = [spoken_in(each, dialects, framings) for each in given.conversations]
        score = max((each.score for each in spoken if each), default=0.0)
        if score and (best is None or score > best[0]):
            best = score, given, spoken
    if best is None:
        raise SourceError("message", _nothing(dialects))
    _, given, spoken = best
    guessed = len(dialects) > 1 or len(framings) > 1
    notes, frames = list(given.notes), []
    for conversation, found in zip(given.conversations, spoken, strict=True):
        if found is None or (guessed and not conversation.whole and found.score < SURE_ENOUGH):
            notes.append(f"{_link(conversation)} is left out: it is no ISO 8583 that we know")
            continue
        if guessed:
            notes.append(f"guessed{_of(conversation)}: {found.words}")
        frames += _paired(_frames(conversation, replace(found, guessed=guessed), pan))
    return Told(tuple(_numbered(frames)), tuple(notes))


def _nothing(dialects: Sequence[str]) -> str:
    if len(dialects) == 1:
        return f"no message of dialect {dialects[0]} begins here"
    return "no message of any dialect begins here"


def _link(conversation: Conversation) -> str:
    flow = conversation.flows[0]
    return f"{flow.sender} and {flow.receiver}"


def _of(conversation: Conversation) -> str:
    return f" for {_link(conversation)}" if conversation.flows[0].sender and not conversation.whole else ""


class _Read(Struct):
    """A frame before it has its number, and what pairs it. `order`: as of the piece with its last byte."""

    frame: Frame
    fields: Fields
    order: int
    answers: _Read | None = None
    answered_by: _Read | None = None
    number: int = 0


def _frames(conversation: Conversation, spoken: Spoken, pan: PanDisplay) -> list[_Read]:
    """Of both directions, as they came."""
    found = [
        _read(each, spoken, flow.sender, flow.receiver, pan)
        for flow in conversation.flows
        for each in cut(flow.pieces, spoken.framing)
    ]
    return sorted(found, key=attrgetter("order"))


def _read(one: Cut, spoken: Spoken, sender: str, receiver: str, pan: PanDisplay) -> _Read:
    dialect = DIALECTS[spoken.dialect]
    try:
        fields = dialect.decode(one.payload)
    except MessageError as error:
        fields = error.fields
    description = describe(one.payload, dialect, pan)
    frame = Frame(0, spoken, description, one.last.at, sender, receiver, one.header, one.problem)
    return _Read(frame, fields, one.last.order)


def _paired(found: list[_Read]) -> list[_Read]:
    """Each response with the last request before it that it can answer, in the other direction."""
    open_requests: list[_Read] = []
    for each in found:
        mti = each.fields.get("t", "")
        if mti in RESPONSES:
            open_requests.append(each)
            continue
        request = next((asked for asked in reversed(open_requests) if _is_answer(each, asked)), None)
        if request is not None:
            each.answers, request.answered_by = request, each
            open_requests.remove(request)
    return found


def _is_answer(answer: _Read, request: _Read) -> bool:
    said, asked = answer.fields, request.fields
    return (
        said.get("t") == RESPONSES[asked["t"]]
        and (answer.frame.sender != request.frame.sender or not answer.frame.sender)
        and said.get("11") == asked.get("11")
        and all(said[field] == asked[field] for field in SAME if field in said and field in asked)
    )


def _numbered(found: list[_Read]) -> Iterable[Frame]:
    found.sort(key=attrgetter("order"))
    for number, each in enumerate(found, 1):
        each.number = number
    for each in found:
        yield replace(
            each.frame,
            number=each.number,
            answers=each.answers.number if each.answers else 0,
            answered_by=each.answered_by.number if each.answered_by else 0,
            seconds=_between(each.answers, each) if each.answers else _between(each, each.answered_by),
        )


def _between(request: _Read, answer: _Read | None) -> float | None:
    if answer is None or request.frame.at is None or answer.frame.at is None:
        return None
    return answer.frame.at - request.frame.at
