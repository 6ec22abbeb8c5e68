"""Payments under way on several links at once, and a record of every one that was answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from e2e_bank import Plastic
from e2e_process import EngineProcess
from e2e_wire import Fields, Wire, decode, encode

AMOUNT = 1_00
WINDOW = 16
"""Messages of one link that wait for their answers."""


class Traffic:
    """Purchases of 1.00, the cards in turn, from `links` threads, until `stop` or until the engine closes the links."""

    def __init__(self, engine: EngineProcess, cards: Sequence[Plastic], links: int = 4) -> None:
        self._cards = cards
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.sent: list[tuple[Plastic, Fields]] = []
        self.answered: list[tuple[Plastic, Fields, bytes]] = []
        """Card, message, the payload that came back for it."""
        wires = [Wire(engine.port) for _ in range(links)]
        self._threads = [threading.Thread(target=self._run, args=(wire,), daemon=True) for wire in wires]
        for thread in self._threads:
            thread.start()

    def _run(self, wire: Wire) -> None:
        try:
            while not self._stopping.is_set():
                self._one_window(wire)
        except ConnectionError:
            pass  # the engine is gone, which is what most of these tests are about
        finally:
            wire.close()

    def _one_window(self, wire: Wire) -> None:
        with self._lock:
            first = len(self.sent)
            batch = [self._cards[(first + turn) % len(self._cards)] for turn in range(WINDOW)]
            waiting = {message["11"]: (card, message) for card in batch for message in [card.message(AMOUNT)]}
            self.sent += waiting.values()
        wire.send(*(message for _, message in waiting.values()))
        while waiting:
            payload = wire.receive_payload()
            card, message = waiting.pop(decode(payload)["11"])
            with self._lock:
                self.answered.append((card, message, payload))

    def wait_for(self, answers: int) -> None:
        """Until at least so many more were answered."""
        wanted, until = len(self.answered) + answers, time.monotonic() + 20
        while len(self.answered) < wanted:
            assert time.monotonic() < until, "no answers"
            time.sleep(0.002)

    def stop(self) -> None:
        """Let the windows that are open be answered."""
        self._stopping.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    @property
    def codes(self) -> Counter[str]:
        return Counter(decode(payload)["39"] for _, _, payload in self.answered)

    def approved(self, card: Plastic) -> int:
        """Grosze that were answered 00 to this card."""
        return sum(AMOUNT for whose, _, payload in self.answered if whose is card and decode(payload)["39"] == "00")

    def during(self, disturb: Callable[[], object], times: int, answers_between: int) -> Traffic:
        """Disturb the engine again and again while payments flow, then end."""
        try:
            for _ in range(times):
                self.wait_for(answers_between)
                disturb()
            self.wait_for(answers_between)
        finally:
            self.stop()
        return self

    def repeats(self, most: int) -> list[tuple[bytes, bytes]]:
        """Of the last ones answered: their 0101, and the answer that the 0100 got."""
        return [(encode({**message, "t": "0101"}), payload) for _, message, payload in self.answered[-most:]]
