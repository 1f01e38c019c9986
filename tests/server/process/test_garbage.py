"""A server collects garbage seldom, and looks at the same objects again only when much more memory is in use."""

import gc
import sys
from collections.abc import Iterator
from weakref import ref

import pytest

from server.process import garbage
from server.process.garbage import THRESHOLDS, Exclusion, collected_seldom


class Node:
    """An object that refers to itself: only the garbage collector frees it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def exclusion(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exclusion]:
    """One that looks at all objects again when 10,000 more blocks of memory are in use than now."""
    gc.collect()
    gc.freeze()
    monkeypatch.setattr(garbage, "GROWTH", 1)
    exclusion = Exclusion(sys.getallocatedblocks() + 10_000)
    gc.callbacks.append(exclusion)
    yield exclusion
    gc.callbacks.remove(exclusion)
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def test_thresholds_hold_while_the_block_runs() -> None:
    before, callbacks = gc.get_threshold(), list(gc.callbacks)

    with collected_seldom():
        assert gc.get_threshold() == THRESHOLDS
        assert gc.get_freeze_count() > 0

    assert gc.get_threshold() == before
    assert gc.callbacks == callbacks


@pytest.mark.usefixtures("exclusion")
def test_what_was_in_use_is_not_looked_at_again() -> None:
    node = Node()
    gc.collect()
    reference = ref(node)

    del node
    gc.collect()

    assert reference() is not None


@pytest.mark.usefixtures("exclusion")
def test_new_garbage_is_collected() -> None:
    gc.collect()
    reference = ref(Node())
    assert reference() is not None

    gc.collect()

    assert reference() is None


@pytest.mark.usefixtures("exclusion")
def test_all_objects_are_looked_at_when_much_more_memory_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    gc.collect()
    reference = ref(node)
    del node
    gc.collect()
    assert reference() is not None
    monkeypatch.setattr(garbage, "GROWTH", 2)
    others = [Node() for _ in range(100_000)]  # many more, since objects of other tests may end

    gc.collect()

    assert reference() is None
    first = ref(others[0])
    others.clear()
    gc.collect()
    assert first() is not None  # the limit has grown with them


@pytest.mark.usefixtures("exclusion")
def test_a_collection_of_new_objects_excludes_nothing() -> None:
    node = Node()
    gc.collect(1)
    reference = ref(node)

    del node
    gc.collect()

    assert reference() is None
