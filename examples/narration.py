"""Telling a story on a terminal: numbered steps, remarks, and events as they arrive; in colours where they show."""

import os
import sys
import textwrap
import time

BOLD, DIM, RED, GREEN, CYAN = "1", "2", "31", "32", "36"
WIDTH = 100


class Narrator:
    """Prints a story to standard output, line by line, as it happens."""

    def __init__(self) -> None:
        self._colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._steps = 0
        self._began = time.monotonic()

    def title(self, text: str, place: str) -> None:
        self._print(f"{self._paint(text, BOLD)}\n{self._paint(place, DIM)}")

    def step(self, text: str) -> None:
        """The next thing that somebody does. Times are told from here on."""
        self._steps += 1
        self._began = time.monotonic()
        self._print(f"\n{self._paint(f'{self._steps:2}', BOLD)}  {self._paint(text, BOLD)}")

    def remark(self, text: str) -> None:
        self._print(textwrap.fill(text, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 6))

    def event(self, sequence: int, kind: str, text: str, arrived: float) -> None:
        """Something that came over the websocket; `arrived` by the monotonic clock, shown as time since the step."""
        passed = f"{(arrived - self._began) * 1_000:.0f} ms"
        self._print(f"    {self._paint(f'⇠ #{sequence}  {kind:<15}', CYAN)}  {text}  {self._paint(passed, DIM)}")

    def good(self, text: str) -> None:
        self._print(f"    {self._paint('✓', GREEN)} {text}")

    def bad(self, text: str) -> None:
        self._print(f"    {self._paint('✗', RED)} {text}")

    def _paint(self, text: str, style: str) -> str:
        return f"\033[{style}m{text}\033[0m" if self._colours else text

    @staticmethod
    def _print(text: str) -> None:
        print(text, flush=True)
