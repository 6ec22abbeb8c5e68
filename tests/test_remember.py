"""What compiled code remembers of attributes and globals is what it would find by looking, whatever has happened meanwhile."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import weakref
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.native import build, remember

SOURCE = """
from typing import Any

LIMIT = 3

def name_of(thing: Any) -> Any:
    return thing.name

def all_of(thing: Any, names: list[str]) -> list[Any]:
    return [getattr(thing, name) for name in names]

def limit() -> Any:
    return LIMIT
"""


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """That source, compiled as ours is."""
    from mypyc.build import mypycify

    folder = tmp_path_factory.mktemp("remember")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        Path("asks_compiled.py").write_text(SOURCE)
        extensions = mypycify(["asks_compiled.py"], opt_level="1", target_dir="work", multi_file=True)
        remember.put_into(Path("work"))
        extensions[0].extra_compile_args.append(
            "-DHOPELESS=1000000000"
        )  # no kind of object spoils the place for the others
        build.ext(extensions, folder / "lib", folder / "work")
        patched.syspath_prepend(str(folder / "lib"))
        module = importlib.import_module("asks_compiled")
        assert str(module.__file__).endswith(".so")
        yield module
        del sys.modules["asks_compiled"]


class Slotted:
    __slots__ = ("name",)


class Elsewhere:
    """Its `name` stands behind another slot."""

    __slots__ = ("before", "name")


class Below(Slotted):
    """With a dictionary too."""


class Struct(msgspec.Struct):
    name: object = None


class Computed:
    @property
    def name(self) -> str:
        return "computed"


class Anything:
    def __getattr__(self, name: str) -> str:
        return f"any {name}"


class Colour(Enum):
    name_ = 1


class Meta(type):
    pass


class Named(metaclass=Meta):
    name = "of the class"


KINDS = (Slotted, Elsewhere, Below, Struct, Computed, Anything, Named)
FOUND = {
    "nothing": lambda _: None,
    "text": lambda _: "text",
    "function": lambda _: lambda self: self,  # bound to who is asked
    "property": lambda _: property(lambda self: f"of {type(self).__name__}"),
    "classmethod": lambda _: classmethod(lambda cls: cls),
}
Place = st.sampled_from(["object", "class", "metaclass"])


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, Any, Any]]:
    """Set, delete or ask, somewhere."""
    do = st.sampled_from(["ask", "ask", "ask", "ask class", "set", "delete", "set on class", "delete on class"])
    return draw(st.lists(st.tuples(do, st.integers(0, 20), st.sampled_from(sorted(FOUND))), min_size=4, max_size=40))


@given(story=steps())
def test_always_what_a_look_finds(asks: Any, story: list[tuple[str, int, str]]) -> None:
    """Given classes and objects of every kind that change between questions; asked at one and the same place in the code."""
    classes = [type(kind)(kind.__name__, (kind,), {"__slots__": ()}) for kind in KINDS if kind is not Struct]
    things: list[Any] = [thing for kind in (*classes, Struct) for thing in (kind(), kind())] + [
        Colour.name_,
        Named,
        Meta,
    ]
    for do, where, what in story:
        thing = things[where % len(things)]
        owner = classes[where % len(classes)]
        if do == "ask":
            assert _seen(asks.name_of, thing) == _seen(lambda each: each.name, thing)
        elif do == "ask class":
            assert _seen(asks.name_of, owner) == _seen(lambda each: each.name, owner)
        elif do == "set" and not isinstance(thing, type):
            _try(setattr, thing, "name", what)
        elif do == "delete" and not isinstance(thing, type):
            _try(delattr, thing, "name")
        elif do == "set on class":
            owner.name = FOUND[what](None)
        elif do == "delete on class":
            _try(delattr, owner, "name")


def _seen(ask: Any, thing: Any) -> object:
    try:
        return repr(ask(thing))
    except AttributeError as error:
        return str(error)


def _try(change: Any, *arguments: Any) -> None:
    with contextlib.suppress(AttributeError, TypeError):  # that kind does not let itself be changed; asked all the same
        change(*arguments)


def test_a_class_that_is_gone_is_not_taken_for_the_next(asks: Any) -> None:
    """At its address, perhaps."""
    gc.freeze()  # what the other tests have left need not be looked at twenty times
    for turn in range(20):
        kind = type("Kind", (), {"name": f"of {turn}"})
        assert (asks.name_of(kind), asks.name_of(kind)) == (f"of {turn}", f"of {turn}")
        asked_last = weakref.ref(kind)
        del kind
        gc.collect()
        assert asked_last() is not None or sys.version_info >= (3, 13), (
            "kept, so that nothing else can be at its address"
        )
    gc.unfreeze()


def test_a_name_that_is_not_always_the_same(asks: Any) -> None:
    """One place in the code, one class, several attributes: so the audit trail asks. It was told the first each time."""
    kind = msgspec.defstruct("kind", ["name", "balance", "status"])
    for _ in range(3):
        assert asks.all_of(kind("anna", 100, "open"), ["name", "balance", "status"]) == ["anna", 100, "open"]


def test_a_descriptor_that_changes_its_mind(asks: Any) -> None:
    class Fickle:
        asked = 0

        def __get__(self, _thing: object, _owner: type | None = None) -> object:
            self.asked += 1
            return self if self.asked == 1 else "another"

    kind = type("kind", (), {"name": Fickle()})
    assert isinstance(asks.name_of(kind), Fickle)
    assert asks.name_of(kind) == "another"


def test_a_metaclass_comes_to_have_the_name(asks: Any) -> None:
    class Later(type):
        pass

    kind = Later("kind", (), {"name": "of the class"})
    assert [asks.name_of(kind), asks.name_of(kind)] == ["of the class"] * 2
    Later.name = property(lambda _cls: "of its class")  # type: ignore[attr-defined]
    assert asks.name_of(kind) == "of its class"


def test_a_slot_that_is_emptied(asks: Any) -> None:
    thing = Slotted()
    thing.name = "here"  # type: ignore[attr-defined]
    assert [asks.name_of(thing), asks.name_of(thing)] == ["here"] * 2
    del thing.name  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        asks.name_of(thing)


def test_a_global_that_changes(asks: Any) -> None:
    assert [asks.limit(), asks.limit()] == [3, 3]
    asks.LIMIT = 4
    assert [asks.limit(), asks.limit()] == [4, 4]
    del asks.LIMIT
    with pytest.raises(KeyError):
        asks.limit()
    asks.LIMIT = 3
    assert asks.limit() == 3


def test_nothing_is_kept_alive_by_being_asked(asks: Any) -> None:
    """But for the class whose attribute was asked for last."""
    value = object()
    before = sys.getrefcount(value)
    thing = Struct(value)
    for _ in range(100):
        assert asks.name_of(thing) is value
    del thing
    assert sys.getrefcount(value) == before


ASKS = """
    cpy_r_r1 = CPyStatics[7]; /* 'name' */
    cpy_r_r2 = CPyObject_GetAttr(cpy_r_thing, cpy_r_r1);
    cpy_r_r3 = CPyObject_GetAttr(cpy_r_thing, cpy_r_name);
    cpy_r_r4 = CPyStatic_asks___globals;
    cpy_r_r5 = CPyStatics[8]; /* 'LIMIT' */
    cpy_r_r6 = CPyDict_GetItem(cpy_r_r4, cpy_r_r5);
"""


def test_what_is_asked_by_a_literal_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "__native_asks.c"
    path.write_text('#include "__native_asks.h"\n' + ASKS)
    assert remember.put_into(tmp_path) == (1, 1)
    asked = [line.split(" = ")[1] for line in path.read_text().splitlines() if "(" in line]
    assert asked == [
        "AUTHSVC_ATTRIBUTE(cpy_r_thing, cpy_r_r1);",
        "CPyObject_GetAttr(cpy_r_thing, cpy_r_name);",
        "AUTHSVC_GLOBAL(cpy_r_r4, cpy_r_r5);",
    ]


def test_code_that_mypyc_writes_otherwise_is_told(tmp_path: Path) -> None:
    (tmp_path / "__native_odd.c").write_text('#include "__native_x.h"\nint f(void) { return 0; }\n')
    with pytest.raises(ValueError, match="asks for no attribute, or for no global"):
        remember.put_into(tmp_path)
    (tmp_path / "__native_odd.c").write_text("int f(void) { return 0; }\n")
    with pytest.raises(ValueError, match="includes no header"):
        remember.put_into(tmp_path)
