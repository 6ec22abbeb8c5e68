"""`python -m authsvc.native.build`: compile what `native.MODULES` names. Needs mypy (its compiler, mypyc) and a C compiler; a
machine without them runs the sources, and is told so. Nothing is built when the build there is, is current."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from authsvc import native
from authsvc.native import remember

ROOT = native.SOURCES.parent
OPTIMIZE = "2"
TOGETHER = (
    "-flto=auto", "-fvisibility=hidden", "-fno-semantic-interposition",
    "-falign-functions=1", "-falign-loops=1", "-falign-jumps=1",
)  # fmt: skip
"""All modules compiled as one, and close together: a message finds little of them in the caches when it comes alone
(docs/decisions/0051)."""


def main() -> int:
    """Exit 0 when there is nothing left to do, also where nothing can be built; 1 when a build failed."""
    if native.is_current():
        return 0
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        print(f"not compiled: no C compiler ({compiler}); authsvc runs from source, a third slower", file=sys.stderr)
        return 0
    print("compiling the way of a message (a minute or two, once for each change) ...", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="authsvc-native-") as folder:
        log = Path(folder) / "log"
        built = Path(folder) / "built"
        try:
            with log.open("w") as out, _quiet(out.fileno()):
                compile_to(built, Path(folder) / "work")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever the tools throw; it runs from source then
            print(f"not compiled, authsvc runs from source: {error}\n{log.read_text()[-2000:]}", file=sys.stderr)
            return 1
        shutil.rmtree(native.BUILT, ignore_errors=True)
        shutil.move(built, native.BUILT)
    return 0


def compile_to(built: Path, work: Path) -> None:
    """Modules below `built`, with the stamp that says of what they were made."""
    from mypyc.build import mypycify

    stamp = native.stamp()
    os.chdir(ROOT)
    modules = [str(path.relative_to(ROOT)) for path in native.sources()]
    extensions = mypycify(modules, opt_level=OPTIMIZE, debug_level="0", target_dir=str(work), multi_file=True)
    remember.put_into(work)
    _all_together(extensions, work)
    ext(_by_hand(), work / "lib", work)
    flat = work / "lib" / "authsvc"
    for shared in (work / "lib").glob(f"*{native.SUFFIX}"):
        shutil.move(shared, flat / shared.name)
    built.mkdir()
    for path in (work / "lib").rglob(f"*{native.SUFFIX}"):
        target = built / path.relative_to(flat if path.parent == flat and "__mypyc" in path.name else work / "lib")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    (built / native.STAMP).write_text(stamp)


def _all_together(extensions: list[Any], work: Path) -> None:
    """One by one where the compiler or its linker cannot do otherwise."""
    from setuptools.errors import CCompilerError

    alone = [(one.extra_compile_args, one.extra_link_args) for one in extensions]
    for one in extensions:
        one.extra_compile_args = [*one.extra_compile_args, *TOGETHER]
        one.extra_link_args = [*one.extra_link_args, f"-O{OPTIMIZE}", *TOGETHER]
    try:
        ext(extensions, work / "lib", work)
    except CCompilerError as error:
        print(f"compiled one by one: {error}", file=sys.stderr)
        for one, flags in zip(extensions, alone, strict=True):
            one.extra_compile_args, one.extra_link_args = flags
        ext(extensions, work / "lib", work)


def _by_hand() -> list[Any]:
    """What is written in C here."""
    from setuptools import Extension

    paths = [path.relative_to(ROOT) for path in native.by_hand()]
    return [Extension(".".join(path.with_suffix("").parts), [str(path)], extra_compile_args=["-O2"]) for path in paths]


def ext(extensions: list[Any], lib: Path, work: Path) -> None:
    """What mypyc wrote, compiled into `lib`: by setuptools' command, which compiles the files of one extension one after the
    other; here they are compiled side by side."""
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    class SideBySide(build_ext):  # type: ignore[misc] # setuptools has no types
        def build_extensions(self) -> None:
            alone = self.compiler.compile

            def together(sources: list[str], *rest: object, **named: object) -> list[str]:
                with ThreadPoolExecutor(os.cpu_count()) as pool:
                    made = list(pool.map(lambda source: alone([source], *rest, **named), sources))
                return [file for files in made for file in files]

            self.compiler.compile = together
            super().build_extensions()

    command = SideBySide(Distribution({"name": "authsvc-native", "ext_modules": extensions}))
    command.build_lib, command.build_temp = str(lib), str(work)
    command.ensure_finalized()
    command.run()


@contextlib.contextmanager
def _quiet(descriptor: int) -> Iterator[None]:
    """Both outputs of this process and its children, compilers among them, go to `descriptor`."""
    kept = [os.dup(1), os.dup(2)]
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, old in enumerate(kept, start=1):
            os.dup2(old, number)
            os.close(old)


if __name__ == "__main__":
    sys.exit(main())
