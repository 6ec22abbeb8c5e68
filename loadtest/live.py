"""How a run goes, while it goes: one line that changes where there is a terminal, a line each time where there is none."""

from __future__ import annotations

from rich.console import Console
from rich.live import Live as Screen

from loadtest.timeline import Second


class Live:
    """Called with each second that has passed. `every`: seconds between lines that stay; 0: none."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._next = every
        self._refused = self._wrong = 0
        self._console = Console(highlight=False, soft_wrap=True)
        self._screen: Screen | None = None
        if every and self._console.is_terminal:
            self._screen = Screen(console=self._console, auto_refresh=False, transient=True)
            self._screen.start()

    def __call__(self, second: Second) -> None:
        self._refused += second.refused
        self._wrong += second.wrong
        if not self._every:
            return
        line = (
            f"{second.at:5.0f} s  {second.answered:7} answered  p50 {second.p50 / 1000:7.2f} ms  "
            f"p99 {second.p99 / 1000:7.2f} ms  under way {second.under_way:5}  refused {self._refused}  wrong {self._wrong}"
        )
        if self._screen is not None:
            self._screen.update(line, refresh=True)
        if second.at >= self._next:
            self._next += self._every
            self._console.print(line)

    def close(self) -> None:
        if self._screen is not None:
            self._screen.stop()
