"""Accounts in bulk: what is written is what opening them one by one would have written."""

from __future__ import annotations

import asyncio
import csv
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from postgres_server import PostgresServer

from authsvc.cli import main
from authsvc.errors import ConfigError
from authsvc.importing.accounts import NewAccount, NewCard, Template, generated, read
from authsvc.importing.mould import ImportRefusedError, Mould, Named, decisions, rows_by_rules
from authsvc.importing.run import Import, Maker, Progress, packed
from authsvc.ledger.bulk import BulkLedger, BulkTakenError
from authsvc.ledger.journal import ZERO_HASH, VaultEntry
from authsvc.ledger.postgres_bulk import PostgresBulk
from authsvc.ledger.postgres_records import PostgresRecords
from authsvc.ledger.reconcile import reconcile
from authsvc.ledger.sqlite import SqliteLedger
from authsvc.ledger.sqlite_bulk import SqliteBulk
from authsvc.ledger.sqlite_file import lock
from authsvc.ledger.sqlite_reader import open_reader
from authsvc.model import Account, AccountId, CardId, Head, UnixMs
from authsvc.products import load_products
from authsvc.rules.evolve import evolve
from authsvc.security.hsm import SoftHsm
from authsvc.security.keys import load_keys
from authsvc.security.mint import Mint
from authsvc.security.vault import Vault
from loadtest import accounts as of_load
from loadtest import mix
from loadtest.__main__ import DEMO_MIX, Target, run
from loadtest.engine import HOST, PrivateEngine
from loadtest.generator import Plan
from loadtest.messages import zone_key
from loadtest.traffic import payers_of

ROOT = Path(__file__).parents[2]
PRODUCTS = load_products(ROOT / "config/products", ROOT / "config/response_codes")
KEYS = load_keys(ROOT / "config/keys/demo.toml")
NOON = UnixMs(1_781_517_600_000)  # 2026-06-15 12:00 in Warsaw
CREDIT = NewAccount("one", "credit-business", 500_000, 12_345, "Jan 100% \"Żółw\" \\ <last0>",
                    (NewCard("1234", "4180390000000017", "2911"), NewCard("4321", cash=0, active=False)))  # fmt: skip
PREPAID = NewAccount("two", "prepaid-sgb", load=777, cards=(NewCard("1111"),))
BARE = NewAccount("three", "prepaid-bps")
ALL = (CREDIT, PREPAID, BARE)

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning:psec")


async def nothing(_: object) -> None: ...


VAULT = Vault(KEYS, nothing, nothing)


def maker(name: str = "set") -> Maker:
    return Maker(PRODUCTS, Mint(KEYS, SoftHsm(KEYS), VAULT), NOON, name)


class AtOnce(Executor):
    """In this process: the other one is tried through the command line."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as an executor does
            done.set_exception(error)
        return done


def imported(ledger: BulkLedger, accounts: Iterable[NewAccount], name: str = "set") -> Progress:
    making = maker(name)
    progress = list(Import(ledger, AtOnce(), lambda data, before: packed(making, data, before)).run(accounts))
    return progress[-1] if progress else Progress()


def named(new: NewAccount) -> Named:
    """Some names."""
    account = AccountId("acc-0123456789abcdef0123")
    cards = tuple(
        VaultEntry(b"h%d" % place, account, CardId(f"card-{place:020}"), "0017", b"sealed")
        for place in range(len(new.cards))
    )
    return Named(account, cards, ("7777",) * len(cards), ("3006",) * len(cards))


def tables(path: Path) -> dict[str, list[Any]]:
    """Everything in the ledger but the sealed PANs, which are sealed anew each time."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as opened:
        journal = "account, seq, at, kind, key, rrn, stan, decision, hash"
        return {
            "head": list(opened.execute("SELECT * FROM head ORDER BY account")),
            "journal": list(opened.execute(f"SELECT {journal} FROM journal ORDER BY account, seq")),
            "entries": list(opened.execute("SELECT * FROM entries ORDER BY account, seq, leg")),
            "vault": list(opened.execute("SELECT pan_hash, account, card, last4 FROM vault ORDER BY pan_hash")),
            "holds": list(opened.execute("SELECT * FROM holds")),
        }


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteBulk]:
    made = SqliteBulk(tmp_path / "ledger.sqlite")
    yield made
    made.close()


async def one_by_one(path: Path, accounts: Iterable[NewAccount]) -> None:
    """The way of every command: decided, evolved, appended to the ledger."""
    ledger, making, before = SqliteLedger(path), maker(), 0
    await ledger.open()
    for new in accounts:
        product = PRODUCTS[new.product]
        cards = making._cards(new, product, before)
        before += len(cards)
        names, waiting = making._named(new, cards), []
        vaults = {entry.card: entry for entry in names.cards}
        head = Head(Account(id=names.account), ZERO_HASH)
        for decision, after in decisions(new, names, product, NOON):
            vault = vaults.pop(getattr(decision.request, "card", CardId("")), None)
            head, durable = ledger.append(head, decision, after, vault)
            waiting.append(durable)
        await asyncio.gather(*waiting)
    await ledger.close()


def test_the_ledger_is_the_same_as_if_they_had_been_opened_one_by_one(ledger: SqliteBulk, tmp_path: Path) -> None:
    """Journal, hashes, heads, entries and vault, row for row; and nothing that reconcile would find."""
    assert imported(ledger, ALL) == Progress(written=3)
    slow = tmp_path / "slow" / "ledger.sqlite"
    asyncio.run(one_by_one(slow, ALL))
    fast = tables(tmp_path / "ledger.sqlite")
    assert fast == tables(slow)
    assert [len(fast[name]) for name in ("head", "journal", "entries", "vault")] == [3, 5 + 3 + 1, 2, 3]
    reader = open_reader(tmp_path / "ledger.sqlite")
    assert list(reconcile(reader, evolve, None)) == []


def test_what_is_sealed_opens_beside_its_card(ledger: SqliteBulk, tmp_path: Path) -> None:
    """The PAN that was given, or the one that was made in the product's BIN."""
    imported(ledger, ALL)
    with closing(apsw.Connection(str(tmp_path / "ledger.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)) as opened:
        pans = [
            VAULT.open_sealed(blob, CardId(card)) for blob, card in opened.execute("SELECT sealed_pan, card FROM vault")
        ]
    assert "4180390000000017" in pans
    assert sorted(pan[:6] for pan in pans) == ["418039", "418039", "557529"]


_amounts = st.none() | st.integers(0, 100_000)
_cards = st.builds(
    NewCard, pin=st.just("1234"), cash=_amounts, cashless=_amounts, internet=_amounts, active=st.booleans()
)  # fmt: skip


@given(
    st.builds(
        NewAccount, key=st.just("k"), product=st.sampled_from(["credit-business", "prepaid-bps"]), load=st.integers(0, 10**9),
        holder=st.text(max_size=10), cards=st.lists(_cards, max_size=1).map(tuple),
    )
)  # fmt: skip
def test_what_a_mould_makes_is_what_the_rules_make(new: NewAccount) -> None:
    """Whatever the name of a holder, the amount paid in and the limits are, byte for byte."""
    product = PRODUCTS[new.product]
    by_rules = rows_by_rules(new, named(new), product, NOON)
    assert Mould(new, product, NOON).rows(new, named(new)) == by_rules


def test_an_import_that_was_stopped_is_begun_again(ledger: SqliteBulk) -> None:
    """What is there is left alone; a set of another name is another set."""
    like = Template("credit-business", credit_limit=1_000)
    ledger.most_accounts = 4
    making = maker()
    half = Import(ledger, AtOnce(), lambda data, before: packed(making, data, before)).run(generated(like, 10))
    assert next(half) == Progress(written=4)
    half.close()
    assert imported(ledger, generated(like, 10)) == Progress(written=6, found=4)
    assert imported(ledger, generated(like, 12)) == Progress(written=2, found=10)
    assert imported(ledger, generated(like, 3), name="another") == Progress(written=3)


def test_a_chunk_with_a_taken_pan_is_not_written(ledger: SqliteBulk, tmp_path: Path) -> None:
    """All of it or nothing, and the message says which accounts."""
    imported(ledger, [CREDIT])
    with pytest.raises(BulkTakenError, match=r"accounts 'one' to 'two': a PAN leads to another card"):
        imported(ledger, [CREDIT, PREPAID], name="again")
    assert len(tables(tmp_path / "ledger.sqlite")["head"]) == 1


@pytest.mark.parametrize(
    ("new", "then"),
    [
        (NewAccount("k", "prepaid-x"), "account 'k': product: there is no product 'prepaid-x'"),
        (
            NewAccount("k", "prepaid-bps", cards=(NewCard("1234", expiry="2001"),)),
            "account 'k': expiry: is in the past",
        ),
        (
            NewAccount("k", "prepaid-bps", cards=(NewCard("1234", individual_limit=1),)),
            "account 'k': individual_limit: only",
        ),
        (NewAccount("k", "prepaid-bps", credit_limit=1), "account 'k': OpenAccount refused: NOT_ALLOWED"),
        (
            NewAccount("k", "prepaid-bps", cards=(NewCard("1234"),) * 2),
            "account 'k': IssueCard refused: TOO_MANY_CARDS",
        ),
        (
            NewAccount("k", "prepaid-bps", cards=(NewCard("1234", cash=10**9),)),
            "account 'k': IssueCard refused: ABOVE_CEILING",
        ),
    ],
)
def test_what_is_not_allowed_is_refused_with_its_key(ledger: SqliteBulk, new: NewAccount, then: str) -> None:
    """By the same rules as one by one."""
    with pytest.raises((ConfigError, ImportRefusedError), match=then):
        imported(ledger, [BARE, new])


def test_a_key_may_come_once(ledger: SqliteBulk) -> None:
    with pytest.raises(ConfigError, match="'three' to 'three': a key comes twice"):
        imported(ledger, [BARE, BARE])


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize("name", ["some.csv", "some.jsonl"])
def test_both_kinds_of_file_say_the_same(tmp_path: Path, name: str) -> None:
    """A card a row of CSV, an account a line of JSON."""
    path = tmp_path / name
    path.write_text(
        "key,product,credit_limit,load,pin,pan,cash,active\n"
        "a,credit-business,1000,5,1234,4180390000000017,0,true\na,credit-business,1000,5,4321,,,false\nb,prepaid-bps,,,,,,\n"
        if name.endswith("csv")
        else '{"key": "a", "product": "credit-business", "credit_limit": 1000, "load": 5, "cards": ['
        '{"pin": "1234", "pan": "4180390000000017", "cash": 0}, {"pin": "4321", "active": false}]}\n\n'
        '{"key": "b", "product": "prepaid-bps"}\n'
    )
    cards = (NewCard("1234", "4180390000000017", cash=0), NewCard("4321", active=False))
    assert list(read(path)) == [NewAccount("a", "credit-business", 1000, 5, "", cards), NewAccount("b", "prepaid-bps")]


@pytest.mark.parametrize(
    ("name", "text", "then"),
    [
        ("a.csv", "key,product,colour\n", r"a.csv: line 1: columns are key, .*, not \['colour'\]"),
        ("a.csv", "key,product,load\na,b,-1\n", r"a.csv: line 2: .*`\$.load`"),
        ("a.csv", "key,product,load\na,b,x\n", r"a.csv: line 2: .*`\$.load`"),
        ("a.csv", "key,product,pin,pan\na,b,1234,4180390000000018\n", "a.csv: line 2: pan: the last digit is not its check"),
        ("a.csv", "key,product,pin\na,b,12\n", r"a.csv: line 2: .*`\$.cards\[0\].pin`"),
        ("a.jsonl", '{"key": "a"}\n', "a.jsonl: line 1: .*`product`"),
        ("a.jsonl", '{"key": "a", "product": "b", "cards": [{"pin": 1234}]}\n', r"a.jsonl: line 1: .*cards\[.*\].pin"),
        ("a.jsonl", "\nnonsense 4180390000000017\n", "a.jsonl: line 2: is not a JSON object$"),
        ("a.jsonl", None, "a.jsonl: .*No such file"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_refused_with_its_field_and_without_its_values(
    tmp_path: Path, name: str, text: str | None, then: str
) -> None:
    """A line of such a file holds PANs and PINs: no message repeats one."""
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=then) as raised:
        list(read(path))
    assert "418039" not in str(raised.value)


# ---------------------------------------------------------------------- PostgreSQL


def test_postgresql_gets_the_same_by_copy(postgres: PostgresServer, tmp_path: Path, ledger: SqliteBulk) -> None:
    """Same journal, same hashes; transactions small enough for their positions; and it can be begun again."""
    url = postgres.database()
    many = [*ALL, *generated(Template("credit-business", credit_limit=1_000), 1_000)]
    with closing(PostgresBulk(url)) as bulk:
        bulk.most_accounts = 900
        assert imported(bulk, many) == Progress(written=1_003)
        assert imported(bulk, many) == Progress(found=1_003)
    imported(ledger, many)
    with closing(PostgresRecords(url)) as records:
        for account, seq, hashed, state in tables(tmp_path / "ledger.sqlite")["head"]:
            head = records.head_record(account)
            assert head is not None
            assert (head.seq, head.hash, head.state) == (seq, hashed, state.encode())
        assert list(reconcile(records, evolve, None)) == []


# ---------------------------------------------------------------------- the command line


def command(tmp_path: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["account", "import", *words, "--set", f"data_dir={tmp_path / 'data'}"])


def test_an_imported_card_pays(tmp_path: Path) -> None:
    """Imported by the command line, then the engine is started on it: every answer is the one that a new card must get, and
    the books agree with the journal; replay decides the same again."""
    of_mix = mix.load(DEMO_MIX)
    cards_file, limits = tmp_path / "cards.csv", of_mix.accounts.limits
    money = ["--credit-limit", str(of_mix.accounts.credit_limit)]
    for name in ("cash", "cashless", "internet"):
        money += [f"--{name}", str(getattr(limits, name))]
    done = command(tmp_path, "--generate", "80", *money, "--cards-out", str(cards_file))
    assert done.exit_code == 0, done.output
    assert "80 accounts: 80 written, 0 were there" in done.output
    assert stat.S_IMODE(cards_file.stat().st_mode) == 0o600
    assert len(list(csv.DictReader(cards_file.open()))) == 80
    zone, cards = zone_key(ROOT / "config/keys/demo.toml"), of_load.read(cards_file, 80)
    payers = payers_of(cards, zone, of_load.fresh(of_mix.accounts, cards))
    with PrivateEngine(data_dir=tmp_path / "data", clock="system") as engine:
        plan = Plan(links=2, seconds=30.0, most=600, under_way=8)
        result = asyncio.run(run(Target(HOST, engine.iso_port, zone), plan, of_mix, payers))
        assert (result.answered, result.wrong, result.unchecked) == (600, 0, 0), result.examples
    where = ["--set", f"data_dir={tmp_path / 'data'}"]
    agreed = CliRunner().invoke(main, ["reconcile", *where])
    assert "80 accounts, 0 differences" in agreed.output
    same = CliRunner().invoke(main, ["replay", *where, "--products", "config/products"])
    assert same.exit_code == 0, same.output


def test_an_engine_that_runs_on_it_stops_the_import(tmp_path: Path) -> None:
    """SQLite has one writer."""
    (tmp_path / "data").mkdir()
    held = lock(tmp_path / "data")
    refused = command(tmp_path, "--generate", "1")
    assert refused.exit_code == 2
    assert "another engine uses this data_dir" in refused.output
    assert held


@pytest.mark.parametrize(
    ("words", "then"),
    [
        ([], "either FILE or --generate N"),
        (["x.csv", "--generate", "1"], "either FILE or --generate N"),
        (["--generate", "1", "--pin", "12"], "--pin: a PIN is four digits"),
        (["none.csv"], "none.csv: "),
        (["--generate", "1", "--cards-out", "/none/cards.csv"], "--cards-out: /none/cards.csv: No such file"),
    ],
)
def test_wrong_use_is_exit_code_2(tmp_path: Path, words: list[str], then: str) -> None:
    refused = command(tmp_path, *words)
    assert refused.exit_code == 2
    assert then in refused.output
