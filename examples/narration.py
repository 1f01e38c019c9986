"""Prints the progress of a program: numbered steps, remarks and events, in colours on a terminal."""

import os
import sys
import textwrap
import time

BOLD, DIM, RED, GREEN, CYAN = "1", "2", "31", "32", "36"
WIDTH = 100


class Narrator:
    """Prints steps, remarks and events to standard output."""

    def __init__(self) -> None:
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._steps = 0
        self._started_at = time.monotonic()

    def title(self, text: str, place: str) -> None:
        self._print(f"{self._paint(text, BOLD)}\n{self._paint(place, DIM)}")

    def step(self, text: str) -> None:
        """Start a step. Times of events are measured from here on."""
        self._steps += 1
        self._started_at = time.monotonic()
        self._print(f"\n{self._paint(f'{self._steps:2}', BOLD)}  {self._paint(text, BOLD)}")

    def remark(self, text: str) -> None:
        self._print(textwrap.fill(text, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 6))

    def event(self, sequence: int, kind: str, text: str, arrived: float) -> None:
        """An event of a subscription. `arrived` is a monotonic time, printed relative to the start of the step."""
        elapsed = f"{(arrived - self._started_at) * 1_000:.0f} ms"
        first, *more = text.splitlines() or [""]
        self._print(f"    {self._paint(f'⇠ #{sequence}  {kind:<16}', CYAN)}  {first}  {self._paint(elapsed, DIM)}")
        for line in more:
            self._print(" " * 10 + line)

    def good(self, text: str) -> None:
        self._print(f"    {self._paint('✓', GREEN)} {text}")

    def bad(self, text: str) -> None:
        self._print(f"    {self._paint('✗', RED)} {text}")

    def _paint(self, text: str, style: str) -> str:
        return f"\033[{style}m{text}\033[0m" if self._colours else text

    @staticmethod
    def _print(text: str) -> None:
        print(text, flush=True)
