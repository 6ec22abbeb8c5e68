"""Fields to meaning: what an acquirer says, what we take it for, and what it must say."""

from __future__ import annotations

import pytest
from codec_messages import ASCII, CARD, PAN, ClearChecks, NoChecks, purchase, reversal
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec.dialects import Fields
from authsvc.codec.translate import ENTRIES, SAME_IN_A_REPEAT, Received, fingerprint, pan_of, to_request
from authsvc.errors import PeerError
from authsvc.model import Authorization, Entry, Kind, Minor, Origin, Original, Pin, Presentment, Reversal

CANARY = "4929123412341233"
SAID = set(map(str, range(2, 129))) - {"65", "93", "96"}
TRACK = "4111111111111111=28122010000000000000"


def authorization(fields: Fields) -> Authorization:
    request = to_request(fields, CARD, NoChecks()).request
    assert isinstance(request, Authorization)
    return request


def test_a_purchase() -> None:
    """Everything the rules need, and neither PAN nor anything else that must not be kept."""
    assert authorization(purchase()) == Authorization(
        account=CARD.account,
        card=CARD.card,
        origin=Origin("0100", "0615100000", "000001", "123456", "TERM0001", "MERCHANT0000001", "000000000001"),
        fingerprint=fingerprint(purchase()),
        kind=Kind.PURCHASE,
        amount=Minor(1000),
        currency="985",
        entry=Entry.CHIP,
        condition="00",
        mcc="5411",
        country="616",
        expiry="2812",
        pin=Pin.ABSENT,
    )
    assert PAN not in repr(to_request(purchase(), CARD, NoChecks()))


def test_a_purchase_that_says_no_more_than_it_must() -> None:
    """What is absent is empty, and the condition is the normal one."""
    bare = {field: value for field, value in purchase().items() if field in ("t", "2", "3", "4", "7", "11", "22", "49")}
    request = authorization(bare)
    assert request.origin == Origin("0100", "0615100000", "000001")
    assert (request.condition, request.mcc, request.country, request.expiry) == ("00", "", "", "")
    assert request.unsupported == ""


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, Kind.PURCHASE),
        ({"f3": "010000"}, Kind.CASH),
        ({"f3": "090000"}, Kind.CASHBACK),
        ({"f3": "110000"}, Kind.QUASI_CASH),
        ({"f3": "200000"}, Kind.REFUND),
        ({"f3": "210000"}, Kind.DEPOSIT),
        ({"f3": "300000"}, Kind.BALANCE_INQUIRY),
        ({"f3": "312000", "f4": "0" * 12}, Kind.BALANCE_INQUIRY),
        ({"f3": "400000"}, Kind.TRANSFER),
        ({"f3": "920000", "f4": "0" * 12}, Kind.PIN_CHANGE),
        ({"f25": "06"}, Kind.PRE_AUTHORIZATION),
        ({"f4": "0" * 12}, Kind.VERIFICATION),
        ({"f25": "51"}, Kind.VERIFICATION),
        ({"f3": "010000", "f4": "0" * 12}, Kind.CASH),
        ({"f48": "6315ABCDEFGHIJKLMNO"}, Kind.PURCHASE),
        ({"f48": "6315ABCDEFGHIJKLMNO", "f25": "06"}, Kind.PRE_AUTHORIZATION),
        ({"f54": "0040985D000000005000"}, Kind.CASHBACK),
        ({"f54": "0002985C000000005000"}, Kind.PURCHASE),
        ({"f90": "0100000001" + "0615100000" + "0" * 22}, Kind.INCREMENTAL),
        ({"f48": "2202016315ABCDEFGHIJKLMNO"}, Kind.PURCHASE),
        ({"f48": "2202036315ABCDEFGHIJKLMNO"}, Kind.PURCHASE),
    ],
)
def test_kind(changes: dict[str, str], kind: Kind) -> None:
    """DE3 says it, and for a purchase DE4, DE25, DE48.63 and DE90 say it better."""
    request = authorization(purchase(**changes))
    assert (request.kind, request.unsupported) == (kind, "")


@pytest.mark.parametrize(
    ("changes", "link"),
    [
        ({}, ""),
        ({"f48": "6315ABCDEFGHIJKLMNO"}, "ABCDEFGHIJKLMNO"),
        ({"f48": "2202016315ABCDEFGHIJKLMNO"}, ""),  # merchant-initiated: a payment of its own
        ({"f48": "2202036315ABCDEFGHIJKLMNO"}, ""),  # recurring
    ],
)
def test_the_link_of_payments(changes: dict[str, str], link: str) -> None:
    """DE48.63 ties an incremental authorization to its original; whether there is one, the rules find out."""
    assert authorization(purchase(**changes)).link == link


def test_what_an_advice_brings_of_the_answer_given_elsewhere() -> None:
    request = authorization(purchase(t="0120", f38="A1B2C3", f39="00"))
    assert (request.is_advice, request.code, request.response) == (True, "A1B2C3", "00")


def test_cashback_and_partial_approval_are_read() -> None:
    """DE54 with amount type 40, among others; DE48.61."""
    amounts = "0002985C0000000050000040985D000000020000"
    request = authorization(purchase(f3="090000", f54=amounts, f48="61011"))
    assert (request.kind, request.cash, request.takes_part) == (Kind.CASHBACK, 200_00, True)


@pytest.mark.parametrize(
    ("amounts", "problem"),
    [
        ("0040985D00000002000", "at character 0: expected a group of 20"),
        ("0040985D00000002000X", "at character 8: expected an amount of 12"),
    ],
)
def test_wrong_amounts_are_refused_by_name(amounts: str, problem: str) -> None:
    error = refusal(purchase(f54=amounts), NoChecks())
    assert error is not None
    assert error.field == "DE54"
    assert problem in error.problem


def test_a_presentment() -> None:
    """An 0220 is a claim: what it names, how much, and that no other will come."""
    named = f"0100000001{'0615100000'}00000012345{'0' * 11}"
    received = to_request(purchase(t="0220", f38="123456", f90=named), CARD, NoChecks()).request
    assert isinstance(received, Presentment)
    assert (received.kind, received.code, received.final) == (Kind.PURCHASE, "123456", True)
    assert received.original == Original("0100", "000001", "0615100000", "12345")
    by_rrn = to_request(purchase(t="0221"), CARD, NoChecks()).request
    assert isinstance(by_rrn, Presentment)
    assert by_rrn.original == Original(rrn=purchase()["37"].strip())


@pytest.mark.parametrize("mti", ["0220", "0221"])
def test_a_presentment_of_nothing_known(mti: str) -> None:
    """Money is not posted on a guess."""
    error = refusal(purchase(t=mti, f3="550000"), NoChecks())
    assert error is not None
    assert error.field == "DE3"


@pytest.mark.parametrize(
    ("changes", "unsupported"),
    [
        ({"t": "0101"}, ""),
        ({"t": "0120"}, ""),
        ({"t": "0201"}, ""),
        ({"f3": "550000"}, "DE3"),
        ({"f22": "000"}, "DE22"),
        ({"f22": "951"}, "DE22"),
        ({"f49": "978"}, ""),
        ({"f51": "985"}, ""),
        ({"f51": "978"}, ""),
        ({"f55": "9F0206000000001000"}, ""),
        ({"f55": ""}, ""),
        ({"t": "0200", "f3": "550000", "f55": "9F0206000000001000"}, "DE3"),
    ],
)
def test_what_we_do_not_decide_is_said(changes: dict[str, str], unsupported: str) -> None:
    """It becomes a request all the same: refused with its reason, remembered, answered."""
    assert authorization(purchase(**changes)).unsupported == unsupported


@pytest.mark.parametrize(("proof", "cavv", "number"), [("A" * 28, "M", 1), ("B" * 28, "N", 0)])
def test_a_proof_of_3ds_becomes_its_verdict(proof: str, cavv: str, number: int) -> None:
    """DE48.42, .43 and .22 are read; the proof itself goes no further."""
    received = to_request(purchase(f48=f"42032124328{proof}220203"), CARD, ClearChecks())
    request = received.request
    assert isinstance(request, Authorization)
    assert (request.level, request.flag, request.cavv, request.proof) == ("212", "03", cavv, number)
    assert proof not in repr(received)


@pytest.mark.parametrize(
    ("mode", "entry"),
    [(mode, ENTRIES[mode]) for mode in ("01", "02", "05", "07", "10", "80", "81", "90", "91")] + [("99", Entry.MANUAL)],
)
def test_entry(mode: str, entry: Entry) -> None:
    """The first two digits of DE22; one nobody knows is taken for the weakest, and refused."""
    assert authorization(purchase(f22=mode + "1")).entry is entry
    assert ENTRIES["02"] is Entry.STRIPE


@pytest.mark.parametrize(
    ("fields", "pan"),
    [
        (purchase(), PAN),
        (purchase(f35="5555555555554444=2812"), PAN),
        (purchase(f2=None, f35=TRACK), PAN),
        (purchase(f2=None, f35="5555555555554444D2812"), "5555555555554444"),
    ],
)
def test_pan(fields: Fields, pan: str) -> None:
    """DE2, else what stands before the separator of track 2."""
    assert pan_of(fields) == pan


@pytest.mark.parametrize(
    ("changes", "expiry"),
    [
        ({"f35": TRACK}, "2812"),
        ({"f14": None, "f35": TRACK}, "2812"),
        ({"f14": "2901", "f35": TRACK}, "2901"),
        ({"f14": None, "f35": "4111111111111111=="}, ""),
        ({"f14": None, "f35": "4111111111111111D"}, ""),
        ({"f14": None}, ""),
    ],
)
def test_expiry(changes: dict[str, str | None], expiry: str) -> None:
    """As presented: DE14, else the track; none where the track has none."""
    assert authorization(purchase(**changes)).expiry == expiry


@pytest.mark.parametrize("mti", ["0100", "0101", "0120", "0200", "0220", "0400", "0401", "0420", "0421"])
def test_what_is_mandatory(mti: str) -> None:
    """Without it the message is refused by the field's name; without anything else it is not."""
    message = (reversal if mti[1] == "4" else purchase)(t=mti)
    mandatory = {"2", "3", "4", "7", "11"} | ({"90"} if mti[1] == "4" else {"49"} if mti == "0220" else {"22", "49"})
    missed = {field for field in message if field != "t" and refusal(without(message, field, "37"), NoChecks())}
    assert missed == mandatory
    for field in mandatory:
        error = refusal(without(message, field, "37"), NoChecks())
        assert error is not None
        assert error.field == f"DE{field}"
        assert mti in error.problem


def without(message: Fields, *fields: str) -> Fields:
    return {field: value for field, value in message.items() if field not in fields}


def refusal(message: Fields, checks: NoChecks | ClearChecks) -> PeerError | None:
    try:
        to_request(message, CARD, checks)
    except PeerError as error:
        return error
    return None


@pytest.mark.parametrize("mti", ["0110", "0300", "0410", "0500", "0600", "0800"])
def test_what_no_acquirer_sends_to_an_issuer(mti: str) -> None:
    """Responses, and messages of other kinds, are no requests."""
    error = refusal(purchase(t=mti), NoChecks())
    assert error is not None
    assert error.field == "MTI"


def test_a_reversal() -> None:
    """DE90 names the original; nothing says what it becomes, so all of it goes."""
    assert to_request(reversal(), CARD, NoChecks()) == Received(
        Reversal(
            account=CARD.account,
            card=CARD.card,
            origin=Origin("0400", "0615100000", "000002", "123456", "TERM0001", "MERCHANT0000001", "000000000001"),
            fingerprint=fingerprint(reversal()),
            original=Original("0100", "000001", "0615100000", "123456"),
            amount=Minor(1000),
            currency="985",
        )
    )


@pytest.mark.parametrize(
    ("changes", "original"),
    [
        ({"f90": None}, Original(rrn="000000000001")),
        ({"f90": "0" * 42}, Original(rrn="000000000001")),
        ({"f90": None, "f37": "  ABC       "}, Original(rrn="ABC")),
        ({"f37": None}, Original("0100", "000001", "0615100000", "123456")),
        ({"f90": "0200" + "000007" + "1231235959" + "0" * 22}, Original("0200", "000007", "1231235959", "")),
    ],
)
def test_how_a_reversal_names_its_original(changes: dict[str, str | None], original: Original) -> None:
    """DE90 when it says one, else the RRN."""
    request = to_request(reversal(**changes), CARD, NoChecks()).request
    assert isinstance(request, Reversal)
    assert request.original == original


@pytest.mark.parametrize("blank", ["            ", None])
def test_a_reversal_that_names_nothing(blank: str | None) -> None:
    """Neither DE90 nor an RRN: there is nothing to look for."""
    error = refusal(reversal(f90=None, f37=blank), NoChecks())
    assert error is not None
    assert error.field == "DE90"


@pytest.mark.parametrize(
    ("data", "becomes"),
    [(None, None), ("000000000400" + "0" * 30, 400), ("0" * 42, 0), ("000000000999" + " " * 30, 999)],
)
def test_what_a_partial_reversal_makes_of_it(data: str | None, becomes: int | None) -> None:
    """The first twelve digits of DE95 are the amount it is to become."""
    request = to_request(reversal(f95=data), CARD, NoChecks()).request
    assert isinstance(request, Reversal)
    assert request.becomes == becomes


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({"f32": "00123456"}, ("123456", "TERM0001", "MERCHANT0000001", "000000000001")),
        ({"f41": " T1     ", "f42": "M1             ", "f37": "7           "}, ("123456", "T1", "M1", "7")),
        ({"f32": "000", "f41": " " * 8, "f42": " " * 15, "f37": " " * 12}, ("", "", "", "")),
    ],
)
def test_origin(raw: dict[str, str], named: tuple[str, str, str, str]) -> None:
    """Padding is no part of a name, so the same sender padding otherwise is the same sender."""
    origin = authorization(purchase(**raw)).origin
    assert (origin.acquirer, origin.terminal, origin.merchant, origin.rrn) == named


def test_a_repeat_has_the_fingerprint_of_its_original() -> None:
    """The repeat digit differs, and what is encrypted or signed anew."""
    first = fingerprint(purchase(f52="0" * 16, f48="9203123"))
    assert fingerprint(purchase(t="0101", f52="F" * 16, f55="9F02", f35=TRACK, f64="A" * 16)) == first
    assert len(first) == 16


@pytest.mark.parametrize("field", SAME_IN_A_REPEAT)
def test_other_content_has_another_fingerprint(field: str) -> None:
    """Changed, added or left out: it is not the same message."""
    seen = {fingerprint(purchase(**{f"f{field}": value})) for value in ("0" * 12, "1" * 12, None)}
    assert len(seen) == 3


@given(st.sampled_from(SAME_IN_A_REPEAT), st.sampled_from(SAME_IN_A_REPEAT))
def test_a_value_in_another_field_has_another_fingerprint(one: str, other: str) -> None:
    """Fields do not run into each other."""
    prints = {fingerprint({"t": "0100", one: "1"}), fingerprint({"t": "0100", other: "1"})}
    assert len(prints) == (1 if one == other else 2)


def test_an_authorization_and_a_reversal_never_share_a_fingerprint() -> None:
    """Nor a request and an advice."""
    assert len({fingerprint(purchase(t=mti)) for mti in ("0100", "0120", "0200", "0400", "0420")}) == 5


def test_a_pin_block_becomes_its_pvv_and_is_not_shown() -> None:
    """What the PIN is compared by comes out, and nobody sees it by accident."""
    received = to_request(purchase(f52="1234000000000000"), CARD, ClearChecks())
    assert received.offered_pvv == "1234"
    assert "1234," not in repr(received).replace(" ", "")
    assert "offered_pvv=***" in repr(received)
    assert ("offered_pvv", "***") in received.__rich_repr__()


def test_a_block_that_is_no_pin_block_of_this_card_is_a_format_error() -> None:
    """Wrong key, wrong PAN or noise: not a wrong PIN, so it costs no try; and it is not repeated in the error."""
    error = refusal(purchase(f52="CAFEBABECAFEBABE"), ClearChecks())
    assert error is not None
    assert error.field == "DE52"
    assert "CAFE" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize(("cvv2", "result"), [("123", "M"), ("124", "N")])
def test_cvv2(cvv2: str, result: str) -> None:
    """Checked here, because it may go no further; what goes on is whether it matched."""
    received = to_request(purchase(f48=f"4203210{'92'}03{cvv2}"), CARD, ClearChecks())
    assert isinstance(received.request, Authorization)
    assert received.request.cvv2 == result


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"f48": "920312x"}, "DE48"),
        ({"f48": "92041234"}, "DE48"),
        ({"f48": "92"}, "DE48"),
        ({"f48": "9203123", "f14": None}, "DE14"),
    ],
)
def test_a_cvv2_that_cannot_be_checked(changes: dict[str, str | None], field: str) -> None:
    """It is refused by the field that is wrong, without the CVV2."""
    error = refusal(purchase(**changes), ClearChecks())
    assert error is not None
    assert error.field == field
    assert "12" not in error.problem


@given(st.dictionaries(st.sampled_from(sorted(SAID)), st.just(CANARY)))
def test_a_decoded_message_is_understood_or_refused_and_nothing_else(extra: Fields) -> None:
    """Whatever decodes, translates, or names a field, without the card number that stands everywhere in it."""
    message = {**purchase(), **{field: value[: ASCII.spec[field]["max_len"]] for field, value in extra.items()}}
    try:
        said = repr(to_request(ASCII.decode(ASCII.encode(message)), CARD, ClearChecks()))
    except PeerError as error:
        said = f"{error!s}{error!r}"
    assert CANARY not in said


@pytest.mark.parametrize(
    ("field", "value"), [("37", "422222222222"), ("42", "A422222222222 Z"), ("48", "6312422222222222")]
)
def test_a_short_card_number_in_what_the_journal_keeps_is_refused(field: str, value: str) -> None:
    """One of 12 digits has room in an RRN; the field is named, the number is not."""
    error = refusal(purchase(f2="422222222222", **{f"f{field}": value}), NoChecks())
    assert error is not None
    assert str(error) == f"DE{field}: holds the card number"
    assert refusal(purchase(f2="422222222222"), NoChecks()) is None


def test_a_level_too_long_for_any_network_is_refused() -> None:
    """DE48.42 goes into the journal; a card number has no room in it."""
    error = refusal(purchase(f48=f"4216{PAN}"), NoChecks())
    assert str(error) == "DE48: at character 4: expected at most 7 characters, found 16"
