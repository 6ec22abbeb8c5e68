"""Accounts and cards of a running engine, made through its control API, and the messages that terminals send of them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from e2e_process import EngineProcess
from e2e_wire import Fields, Wire, pin_block, tells_apart

WARSAW = ZoneInfo("Europe/Warsaw")
NOON = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)  # 12:00 in Warsaw, a Monday
BINS = {"credit-business": "418039"}
PREPAID_BIN = "557529"
CANARY_PINS = ("7391", "6283", "9172")
"""Searched for in everything that is written (`e2e_canaries`)."""
_numbers = count(random.randrange(10**11))


PINS = ("1234", "0000", "4321", "7391", "9876", "9999")
"""The right PIN of every card here, and the wrong ones that tests try."""


def next_number() -> int:
    """For STAN and RRN, one that looks like no PIN searched for. Of any thread: a generator refuses when two ask at once."""
    while True:
        number = next(_numbers)
        if not any(pin in f"{number:012}" for pin in CANARY_PINS):
            return number


def luhn_number(first: str, length: int = 16) -> str:
    """A random PAN that begins with `first`."""
    digits = first + "".join(random.choices("0123456789", k=length - 1 - len(first)))
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(digits))]
    return digits + str(-sum(value - 9 * (value > 9) for value in doubled) % 10)


class Api:
    """The control API; what is not asked as another role is asked as the operator."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=20, verify=False)  # no CA files to read: 30 ms

    def ask(
        self, method: str, path: str, body: object = None, *, role: str | None = "operator", key: str = ""
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer demo-{role}"} if role else {}
        if key:
            headers["idempotency-key"] = key
        return self._http.request(method, path, json=body, headers=headers)

    def get(self, path: str) -> Any:
        return self._good("GET", path)

    def post(self, path: str, body: object = None) -> Any:
        return self._good("POST", path, body)

    def put(self, path: str, body: object) -> Any:
        return self._good("PUT", path, body)

    def _good(self, method: str, path: str, body: object = None) -> Any:
        answer = self.ask(method, path, body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def raw(self, method: str, path: str, content: bytes, token: str) -> httpx.Response:
        return self._http.request(method, path, content=content, headers={"authorization": f"Bearer {token}"})

    def close(self) -> None:
        self._http.close()


class Bank:
    """What a bank does with its engine. `now` is the simulated clock, set at the beginning and by `set_clock`."""

    def __init__(self, engine: EngineProcess) -> None:
        self.engine = engine
        self.api = Api(engine.url)
        self.wire = Wire(engine.port)
        self.set_clock(NOON)

    def set_clock(self, now: datetime) -> None:
        self.now = now
        self.api.post("/v1/clock", {"now": now.isoformat()})

    def set_warsaw(self, *moment: int) -> None:
        """`moment`: year, month, day, hour, minute … as a clock on a wall in Warsaw shows them."""
        self.set_clock(datetime(*moment, tzinfo=WARSAW).astimezone(UTC))  # type: ignore[arg-type,misc]

    def advance(self, **how: float) -> None:
        self.set_clock(self.now + timedelta(**how))

    def next_day(self) -> None:
        """The same time on a Warsaw clock, a day later."""
        self.set_clock((self.now.astimezone(WARSAW) + timedelta(days=1)).astimezone(UTC))

    def account(self, product: str, load: int = 0, **more: object) -> str:
        if product == "credit-business":
            more.setdefault("credit_limit", 2_000_000)
        account: str = self.api.post("/v1/accounts", {"product": product, **more})["account"]
        if load:
            self.api.post(f"/v1/accounts/{account}/loads", {"amount": load, "reference": "opening"})
        return account

    def card(
        self, product: str, account: str, *, active: bool = True, pan: str = "", expiry: str = "2812", **more: object
    ) -> Plastic:
        while not pan:
            number = luhn_number(BINS.get(product, PREPAID_BIN))
            pan = number if tells_apart(number, *PINS) else ""
        body = {"pan": pan, "expiry": expiry, "pin": "1234", **more}
        card = self.api.post(f"/v1/accounts/{account}/cards", body)["card"]
        if active:
            self.api.post(f"/v1/cards/{card}/activate")
        return Plastic(self, account, card, pan, expiry)

    def issue(self, product: str, load: int = 1_000_000, **more: object) -> Plastic:
        """An account of its own with one card, active, everything switched on that the product can switch on."""
        more.setdefault("limits", OPEN_LIMITS[product])
        return self.card(product, self.account(product, 0 if product == "credit-business" else load), **more)  # type: ignore[arg-type]

    def decisions(self, **criteria: str) -> list[Any]:
        found: list[Any] = self.api.get("/v1/decisions?" + "&".join(f"{k}={v}" for k, v in criteria.items()))
        return found

    def decision(self, message: Fields) -> Any:
        """The decision on a message, by its RRN; there is one."""
        (found,) = self.decisions(rrn=message["37"].strip())
        return found

    def close(self) -> None:
        self.wire.close()
        self.api.close()


OPEN_LIMITS: Mapping[str, Mapping[str, int]] = {
    "credit-business": {"cash": 200_000, "cashless": 1_000_000, "internet": 500_000},
    "prepaid-bps": {"cash": 500_000, "cashless": 500_000, "internet": 500_000},
    "prepaid-sgb": {"cash": 150_000, "cashless": 300_000, "internet": 300_000},
    "prepaid-sgb-minor": {"cash": 10_000, "cashless": 10_000, "internet": 10_000},
}
"""Grosze a day; rulebook section 1 and 5, with the internet switched on where a bank begins with it off."""


class Plastic:
    """A card, as its user has it: number, expiry and PIN 1234. The methods return DE39."""

    def __init__(self, bank: Bank, account: str, card: str, pan: str, expiry: str) -> None:
        self.bank = bank
        self.account = account
        self.card = card
        self.pan = pan
        self.expiry = expiry
        self.sent: Fields = {}
        """The last message."""

    def message(self, amount: int = 10_00, **changes: str | None) -> Fields:
        """A chip purchase in a Warsaw shop; `f22="071"` changes DE22, `f14=None` leaves DE14 out; `pin` makes DE52."""
        number = next_number()
        local = self.bank.now.astimezone(WARSAW)
        fields: dict[str, str | None] = {
            "t": "0100", "2": self.pan, "3": "000000", "4": f"{amount:012}", "7": f"{self.bank.now:%m%d%H%M%S}",
            "11": f"{number % 10**6:06}", "12": f"{local:%H%M%S}", "13": f"{local:%m%d}", "14": self.expiry, "18": "5411",
            "19": "616", "22": "051", "25": "00", "32": "423456", "37": f"{number % 10**12:012}", "41": "POS00042",
            "42": "SHOP00000000042", "43": "ZIELENIAK              WARSZAWA       PL", "49": "985",
        }  # fmt: skip
        pin = changes.pop("pin", None)
        if pin is not None:
            fields["52"] = pin_block(pin, self.pan)
        fields |= {name.removeprefix("f"): value for name, value in changes.items()}
        return {name: value for name, value in fields.items() if value is not None}

    def ask(self, amount: int = 10_00, **changes: str | None) -> Fields:
        """The whole answer."""
        self.sent = self.message(amount, **changes)
        return self.bank.wire.ask(self.sent)

    def pay(self, amount: int = 10_00, **changes: str | None) -> str:
        """Chip in a shop, no PIN."""
        return self.ask(amount, **changes)["39"]

    def pay_with_pin(self, amount: int = 10_00, pin: str = "1234", **changes: str | None) -> str:
        return self.pay(amount, pin=pin, **changes)

    def tap(self, amount: int = 10_00, **changes: str | None) -> str:
        """Contactless."""
        return self.pay(amount, f22="071", **changes)

    def order(self, amount: int = 10_00, **changes: str | None) -> str:
        """An e-commerce purchase, not authenticated."""
        return self.pay(amount, **{"f22": "812", "f25": "59", "f48": "4203210", **changes})

    def draw_cash(self, amount: int = 100_00, pin: str | None = "1234", **changes: str | None) -> str:
        """From an ATM."""
        return self.pay(amount, **{"f3": "010000", "f18": "6011", "f25": "02", "pin": pin, **changes})

    def reversal(self, of: Fields, becomes: int | None = None, t: str = "0400", **changes: str | None) -> Fields:
        """The message that reverses `of`; `becomes`: DE95, what the amount is to become."""
        fields = self.message(int(of["4"]), **changes)
        fields |= {name: of[name] for name in ("37", "41", "42", "32", "3", "18", "22") if name in of}
        fields |= {"t": t, "90": f"0100{of['11']}{of['7']}{of['32']:0>11}{'0' * 11}"}
        if becomes is not None:
            fields["95"] = f"{becomes:012}{'0' * 30}"
        return fields

    def reverse(self, of: Fields, becomes: int | None = None, t: str = "0400") -> str:
        self.sent = self.reversal(of, becomes, t)
        return self.bank.wire.ask(self.sent)["39"]

    def reason(self) -> str | None:
        """Why the last message was refused; None when it was not."""
        reason: str | None = self.bank.decision(self.sent)["reason"]
        return reason

    def money(self) -> tuple[int, int]:
        """Held and available on the account, grosze."""
        view = self.bank.api.get(f"/v1/accounts/{self.account}")
        return view["held"], view["available"]

    @property
    def held(self) -> int:
        return self.money()[0]

    def view(self) -> Any:
        return self.bank.api.get(f"/v1/cards/{self.card}")

    def change(self, method: str, tail: str, body: object = None, **how: Any) -> httpx.Response:
        """A command on the card: `change("POST", "block", {…})`."""
        return self.bank.api.ask(method, f"/v1/cards/{self.card}/{tail}", body, **how)
