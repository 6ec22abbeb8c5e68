"""Network management, 0800: sign-on, sign-off, echo, key change. No account, no decision: the link alone is concerned."""

from __future__ import annotations

from authsvc.codec.answers import to_refusal
from authsvc.codec.dialects import Fields
from authsvc.errors import PeerError

SIGN_ON, SIGN_OFF, KEY_CHANGE, ECHO = "001", "002", "161", "301"
DONE, NOT_SUPPORTED = "00", "12"


def is_network_management(mti: str) -> bool:
    """Whether this message is for `answer_network` rather than for an account."""
    return mti in ("0800", "0801", "0820", "0821")


def is_key_change(fields: Fields) -> bool:
    return fields.get("70") == KEY_CHANGE


def key_block_of(fields: Fields) -> str:
    """The key block (DE110) of a key change. Raises PeerError("DE110", …) when it is absent."""
    if "110" not in fields:
        raise PeerError("DE110", "mandatory in a key change and absent")
    return fields["110"]


def answer_network(fields: Fields, signed_on: bool, key_change: str = NOT_SUPPORTED) -> tuple[Fields, bool]:
    """The answer to an 0800, and whether the link is signed on after it. `key_change`: DE39 of a key change (161).

    A code of DE70 that we do not know is answered 12. Raises PeerError("DE70", …) when there is none, PeerError("MTI", …)
    on another kind of message.
    """
    if not is_network_management(fields["t"]):
        raise PeerError("MTI", "is no network management request")
    code = fields.get("70")
    if code is None:
        raise PeerError("DE70", f"mandatory in {fields['t']} and absent")
    done = key_change if code == KEY_CHANGE else DONE if code in (SIGN_ON, SIGN_OFF, ECHO) else NOT_SUPPORTED
    answer = to_refusal(fields, done)
    assert answer is not None, "every network management request has a response"
    if code == SIGN_ON:
        signed_on = True
    elif code == SIGN_OFF:
        signed_on = False
    return answer, signed_on
