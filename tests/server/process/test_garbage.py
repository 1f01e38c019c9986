"""A server collects garbage seldom, and looks at the same objects again only when there are many more."""

import gc
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
    """One that looks at all objects again when there are 1,000 more than now."""
    gc.collect()
    gc.freeze()
    monkeypatch.setattr(garbage, "GROWTH", 1)
    exclusion = Exclusion(gc.get_freeze_count() + 1_000)
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
def test_all_objects_are_looked_at_when_many_more_are_excluded(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    gc.collect()
    reference = ref(node)
    del node
    others = [Node() for _ in range(20_000)]  # many more, since objects of other tests may end
    gc.collect()  # excludes them
    assert reference() is not None
    monkeypatch.setattr(garbage, "GROWTH", 2)

    gc.collect()

    assert reference() is None
    assert len(others) == 20_000
    gc.collect()
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
