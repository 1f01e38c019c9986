"""The export of a visitor: everything that is stored about it, in pages, and nothing of others."""

import json
import uuid

import pytest

from resolvers import visitors
from resolvers.visitor_export import VisitorExportKind, export_visitor
from storage.errors import Invalid, InvalidCursor, NotFound
from tests.resolvers.known_visitors import Known, known_visitor
from tests.resolvers.world import World

KINDS = set(VisitorExportKind)


async def exported(world: World, known: Known, *, first: int) -> list[tuple[VisitorExportKind, str]]:
    """Every record of the export as JSON, read in pages of this size."""
    records: list[tuple[VisitorExportKind, str]] = []
    after: str | None = None
    while True:
        page = await export_visitor(world.context, visitor_id=known.visitor.id, first=first, after=after)
        assert len(page.records) <= first
        records += [(one.kind, json.dumps(one.data, sort_keys=True)) for one in page.records]
        if not page.has_next:
            return records
        after = page.end_cursor


async def test_the_export_has_every_kind_of_record_and_nothing_twice(world: World) -> None:
    known = await known_visitor(world)
    other = await visitors.save_visitor(world.context, token="other", name=f"other {uuid.uuid4().hex}")

    records = await exported(world, known, first=200)

    assert {kind for kind, _ in records} == KINDS
    assert len(set(records)) == len(records)
    assert [kind for kind, _ in records].count(VisitorExportKind.ROOM) == 2
    assert [kind for kind, _ in records].count(VisitorExportKind.MESSAGE) == 2
    assert str(other.name) not in str(records)
    assert "anna" not in str(records)  # the data of agents are their own


@pytest.mark.parametrize("first", [1, 3, 7])
async def test_pages_of_any_size_have_the_same_records(world: World, first: int) -> None:
    known = await known_visitor(world)

    assert await exported(world, known, first=first) == await exported(world, known, first=200)


async def test_unknown_visitors_sizes_and_cursors_are_refused(world: World) -> None:
    visitor = await world.visitor()

    with pytest.raises(NotFound):
        await export_visitor(world.context, visitor_id="unknown")
    with pytest.raises(Invalid):
        await export_visitor(world.context, visitor_id=visitor.id, first=0)
    with pytest.raises(InvalidCursor):
        await export_visitor(world.context, visitor_id=visitor.id, after="x")
