"""Live readers get each new fact with one of their keys, in the order of the log, and all of them before the next."""

import asyncio
from collections.abc import Iterator

import msgspec

from storage.facts import AnyFact
from storage.log.live_readers import LiveReaders
from storage.log.subscription_index import ALL_FACTS, Key
from tests.storage.support import make_facts

VISITORS: frozenset[Key] = frozenset({("type", "VISITOR_SAVED")})
USERS: frozenset[Key] = frozenset({("type", "USER_CREATED")})


class Reader:
    """Records what it is given, in a list that several readers share."""

    def __init__(self, name: str, given: list[tuple[str, int]], keys: frozenset[Key] = ALL_FACTS) -> None:
        self.keys = keys
        self.name = name
        self.given = given
        self.lost_at: int | None = None
        #: The fact at which `receive` raises, and the one during which it yields.
        self.raises_at = self.yields_at = 0
        #: Whether `receive` goes on yielding.
        self.holds = False

    def receive(self, fact: AnyFact) -> Iterator[None]:
        if fact.sequence == self.raises_at:
            raise RuntimeError("no result")
        if fact.sequence == self.yields_at:
            yield
            while self.holds:
                yield
        self.given.append((self.name, fact.sequence))

    def lose(self, position: int) -> None:
        self.lost_at = position


class Buffer:
    """The facts 1, 2, 3, ... of a log, of which the oldest may be missing."""

    def __init__(self, count: int, oldest: int = 1) -> None:
        facts = make_facts(count)
        self._facts = {number: msgspec.structs.replace(fact, sequence=number) for number, fact in enumerate(facts, 1)}
        self._oldest = oldest

    def find(self, sequence: int) -> AnyFact | None:
        return self._facts.get(sequence) if sequence >= self._oldest else None


async def passes() -> None:
    """Let the event loop run everything that is ready."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_each_fact_is_given_to_all_readers_before_the_next() -> None:
    given: list[tuple[str, int]] = []
    live = LiveReaders(Buffer(3).find)
    first, second = Reader("a", given), Reader("b", given)
    first.yields_at = 1
    live.add(first)
    live.add(second)

    live.advance(2)
    live.advance(3)
    await passes()

    assert given == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3)]
    assert live.position == 3


async def test_a_reader_is_given_a_fact_once_and_only_with_one_of_its_keys() -> None:
    given: list[tuple[str, int]] = []
    live = LiveReaders(Buffer(2).find)
    live.add(Reader("both", given, VISITORS | ALL_FACTS))
    live.add(Reader("users", given, USERS))

    live.advance(2)
    await passes()

    assert given == [("both", 1), ("both", 2)]


async def test_a_removed_reader_is_given_nothing_and_leaves_nothing_behind() -> None:
    given: list[tuple[str, int]] = []
    live = LiveReaders(Buffer(2).find)
    reader = Reader("a", given, VISITORS | USERS)
    live.add(reader)
    live.advance(1)
    await passes()

    live.remove(reader)
    live.advance(2)
    await passes()

    assert given == [("a", 1)]
    assert len(live) == 0
    assert live.position == 2


async def test_a_reader_that_fails_is_lost_before_that_fact_and_the_others_are_given_it() -> None:
    given: list[tuple[str, int]] = []
    live = LiveReaders(Buffer(3).find)
    failing, other = Reader("failing", given), Reader("other", given)
    failing.raises_at = 2
    live.add(failing)
    live.add(other)

    live.advance(3)
    await passes()

    assert failing.lost_at == 1
    assert given == [("failing", 1), ("other", 1), ("other", 2), ("other", 3)]
    assert len(live) == 1


async def test_readers_behind_the_buffer_are_lost_at_their_position() -> None:
    given: list[tuple[str, int]] = []
    live = LiveReaders(Buffer(9, oldest=5).find)
    reader = Reader("a", given)
    live.add(reader)

    live.advance(9)
    await passes()

    assert (given, reader.lost_at) == ([], 0)
    assert live.position == 9


async def test_lost_readers_have_the_position_that_all_were_given() -> None:
    given: list[tuple[str, int]] = []
    live = LiveReaders(Buffer(2).find)
    first, second = Reader("a", given), Reader("b", given)
    second.yields_at, second.holds = 2, True
    live.add(first)
    live.add(second)
    live.advance(2)
    await passes()
    assert given == [("a", 1), ("b", 1), ("a", 2)]

    live.lose_all()
    second.holds = False
    await passes()

    assert (first.lost_at, second.lost_at) == (1, 1)
