"""What is compiled runs only as long as it is what stands in the source."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, json

from authsvc import native
from authsvc.native import build

SEEN = """
import sys
from authsvc import native
used = native.use()
import authsvc.rules.calendar as module
print(json.encode({"used": used, "file": module.__file__}).decode())
"""
Seen = Callable[..., dict[str, object]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small modules, compiled for real."""
    folder = tmp_path_factory.mktemp("native")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(native, "MODULES", ("codec/originals.py", "rules/calendar.py", "rules/places.py"))
        patched.chdir(build.ROOT)
        build.compile_to(folder / "built", folder / "work")
    return folder / "built"


@pytest.fixture
def seen(built: Path) -> Seen:
    """What a new process imports, with `before` done first."""

    def run(before: str = "", **environment: str) -> dict[str, object]:
        program = f"""
from pathlib import Path
from msgspec import Struct, json
from authsvc import native
native.BUILT = Path({str(built)!r})
"""
        command = [sys.executable, "-c", program + before + SEEN]
        done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, **environment})
        return json.decode(done.stdout, type=dict[str, object])

    return run


def test_a_build_of_these_sources_is_used(seen: Seen, built: Path) -> None:
    assert seen() == {"used": True, "file": str(built / f"authsvc/rules/calendar{native.SUFFIX}")}


def test_a_build_of_other_sources_is_left_aside(seen: Seen) -> None:
    """As after an edit."""
    found = seen("native.stamp = lambda: 'of other sources'\n")
    assert found == {"used": False, "file": str(native.SOURCES / "rules/calendar.py")}


def test_an_operator_may_leave_it_aside(seen: Seen) -> None:
    assert seen(AUTHSVC_NATIVE="0")["used"] is False


@pytest.mark.source
def test_without_a_build_the_sources_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(native, "BUILT", tmp_path)
    assert not native.use()
    assert not native.in_use()


@pytest.mark.parametrize(
    ("built_of", "setting", "state"),
    [
        ("these sources", "", "compiled"),
        ("these sources", "0", "not compiled: AUTHSVC_NATIVE=0"),
        ("other sources", "", "NOT compiled: what was built is of other sources"),
        ("", "", "NOT compiled: nothing has been built here"),
    ],
)
def test_whoever_starts_it_is_told_which_program_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, built_of: str, setting: str, state: str
) -> None:
    """A build that is out of date takes twice as long for a message, and nothing else tells."""
    monkeypatch.setattr(native, "BUILT", tmp_path)
    monkeypatch.setattr(native, "stamp", lambda: "these sources")
    monkeypatch.setenv("AUTHSVC_NATIVE", setting)
    if built_of:
        (tmp_path / native.STAMP).write_text(built_of)
    assert native.state().startswith(state)


def test_an_edit_is_another_stamp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of what is compiled or may be imported by it; not of the command line, nor of the control API."""
    for name in ("rules/limits.py", "model/names.py", "cli_top.py", "control/app.py", "codec/cut.c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    monkeypatch.setattr(native, "SOURCES", tmp_path)
    before = native.stamp()
    for name, matters in [
        ("rules/limits.py", True),
        ("model/names.py", True),
        ("codec/cut.c", True),
        ("cli_top.py", False),
        ("control/app.py", False),
    ]:
        (tmp_path / name).write_text("# edited\n")
        assert (native.stamp() != before) is matters, name
        before = native.stamp()


def test_a_machine_without_a_compiler_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(native, "BUILT", tmp_path)
    monkeypatch.setenv("PATH", "")
    assert build.main() == 0
    assert "no C compiler" in capfd.readouterr().err


def test_a_compiler_that_cannot_take_all_together_takes_one_by_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(native, "MODULES", ("rules/calendar.py", "rules/places.py"))
    monkeypatch.setattr(build, "TOGETHER", ("-fno-such-thing-as-this",))
    monkeypatch.chdir(build.ROOT)
    build.compile_to(tmp_path / "built", tmp_path / "work")
    assert (tmp_path / f"built/authsvc/rules/places{native.SUFFIX}").exists()
    assert "compiled one by one" in capfd.readouterr().err


def test_what_is_named_is_there() -> None:
    for pattern in native.MODULES:
        assert list(native.SOURCES.glob(pattern)), pattern


def test_nothing_is_awaited_in_a_handler() -> None:
    """Compiled (mypyc 2.4), an exception whose handler or `finally` awaits comes out of a bare `raise` as freed memory: a
    segfault or a wait without end, seen in `SqliteLedger.open`. So such a handler only notes what there was."""
    awaiting = [
        f"{path.name}:{step.lineno}"
        for path in native.sources()
        for tried in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(tried, ast.Try)
        for step in (*(step for handler in tried.handlers for step in handler.body), *tried.finalbody)
        if any(isinstance(each, ast.Await | ast.Yield | ast.YieldFrom) for each in ast.walk(step))
    ]
    assert not awaiting


@pytest.mark.parametrize("path", native.sources(), ids=lambda path: path.stem)
def test_a_struct_has_by_its_base_what_its_keywords_say(path: Path) -> None:
    """Compiled (mypyc 2.4), the keywords of a class statement are forgotten: a hold list told `{"amounts": …}` for `[…]`, and
    the copies that the sources had written could not be read. What a base has is inherited, if that is not compiled."""
    name = ".".join(("authsvc", *path.relative_to(native.SOURCES).with_suffix("").parts))
    module = importlib.import_module(name)
    compiled = {
        ".".join(("authsvc", *one.relative_to(native.SOURCES).with_suffix("").parts)) for one in native.sources()
    }
    for struct in vars(module).values():
        if isinstance(struct, type) and issubclass(struct, Struct) and struct.__module__ == name:
            (base,) = struct.__bases__
            assert base.__module__ not in compiled
            assert (struct, configured(struct)) == (struct, configured(base))


def configured(struct: Any) -> dict[str, object]:
    """What the keywords of its statement came to."""
    found = struct.__struct_config__
    return {name: getattr(found, name) for name in dir(found) if not name.startswith("_")}


def test_a_compiled_struct_is_what_its_source_is(seen: Seen) -> None:
    found = seen(
        "native.use()\nfrom authsvc.codec.originals import OriginalData as made\n"
        "config = made.__struct_config__\nassert (config.frozen, config.gc) == (True, False), config\n"
    )
    assert found["used"] is True
