"""Erasing and exporting visitors: the mutation, the query and their types."""

from typing import Annotated, Self

import strawberry

from resolvers import erasures, visitor_export
from resolvers.visitor_export import VisitorExportKind
from schema.base import ids
from schema.base.fields import api_input, api_type, describe_enum, mutation_field, query_field
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.base.scalars import JSON, Cursor
from schema.erasures import VisitorErasure
from schema.execution.context import Info
from schema.visitors import Visitor

describe_enum(
    VisitorExportKind,
    "The kinds of records in the export of a visitor.",
    VISITOR="The visitor.",
    SESSION="The times of a session of the visitor that has not ended.",
    ROOM="A room.",
    MESSAGE="A message in a room, also one for staff.",
    ASSIGNMENT="An agent that served a room, with the times.",
    TIMER="A timer of a room.",
    APP_DATA="What an app keeps beside the visitor or a room.",
    EVENT="A recorded event about the visitor or a room, with their values at that time.",
)


@api_type
class VisitorExportRecord:
    """One record of the export of a visitor."""

    kind: VisitorExportKind
    """The kind of the record."""
    data: JSON
    """The record as it is stored. Ids are without the prefix of their kind."""


@api_type
class VisitorExportPage:
    """A page of the export of a visitor."""

    records: list[VisitorExportRecord]
    """The records: those of the visitor, and then those of each room."""
    end_cursor: Cursor | None
    """The position of the last record, for `after`. Null if there is none."""
    has_next_page: bool
    """Whether there are records after this page."""

    @classmethod
    def from_page(cls, page: visitor_export.ExportPage) -> Self:
        records = [VisitorExportRecord(kind=one.kind, data=one.data) for one in page.records]
        end_cursor = None if page.end_cursor is None else Cursor(page.end_cursor)
        return cls(records=records, end_cursor=end_cursor, has_next_page=page.has_next)


@api_type
class VisitorPrivacyQueries:
    """Queries of everything that is stored about a visitor."""

    @query_field(visitor_export.export_visitor)
    async def visitor_export(
        self,
        info: Info,
        visitor_id: Annotated[strawberry.ID, strawberry.argument(description="The id of the visitor.")],
        first: Annotated[
            int | None,
            strawberry.argument(
                description="Returns up to this many records: 1 to 200, `INVALID_INPUT` for another number. 200 if "
                "null. A page of large records has fewer."
            ),
        ] = None,
        after: Annotated[
            Cursor | None,
            strawberry.argument(
                description="Returns the records after this position: the `endCursor` of the previous page. "
                "`INVALID_CURSOR` if it is not a cursor of an export."
            ),
        ] = None,
    ) -> VisitorExportPage | None:
        """Everything that is stored about a visitor, record by record: the visitor, its rooms, their messages and
        events, and what apps keep beside them. `NOT_FOUND` if there is no such visitor. Needs no other scope."""
        page = await visitor_export.export_visitor(
            info.context.resolver_context,
            visitor_id=ids.VISITOR.parse(visitor_id, "visitorId"),
            first=first,
            after=after,
        )
        return VisitorExportPage.from_page(page)


# ---------------------------------------------------------------- mutations


@api_input
class EraseVisitorInput(MutationInput):
    """Input of `eraseVisitor`."""

    visitor_id: strawberry.ID
    """The id of the visitor. `NOT_FOUND` if there is none."""


@api_type
class EraseVisitorPayload(MutationPayload):
    """Result of `eraseVisitor`."""

    visitor: Visitor
    """The visitor, erased."""
    erasure: VisitorErasure
    """How far the erasing is. Read it again as `erasure` of the visitor."""


@api_type
class VisitorPrivacyMutations:
    """Mutations that erase visitors."""

    @mutation_field(erasures.erase_visitor)
    async def erase_visitor(self, info: Info, input: Input[EraseVisitorInput]) -> EraseVisitorPayload | None:
        """Ends the access of a visitor, closes its rooms, and removes what is known of the person from everything that
        is stored: names, addresses and custom fields, the content of rooms and messages, what apps keep beside them,
        and all of that from recorded events. Ids, times and the events themselves stay. It cannot be undone.

        Returns when all is erased, or after five seconds; then the rest is erased in the background. Erasing a visitor
        again changes nothing. A visitor that is saved with the same token later is another one. `RATE_LIMITED` while
        1,000 others are being erased. Records `VisitorSaved` with `visitor.erasedAt`, and for each room `RoomUpdated`,
        and `RoomClosed` if it was open.
        """
        visitor = await erasures.erase_visitor(
            info.context.mutation(input), visitor_id=ids.VISITOR.parse(input.visitor_id, "visitorId")
        )
        erasure = await erasures.erase_now(info.context.resolver_context.services, visitor.id)
        return EraseVisitorPayload(
            visitor=Visitor.from_record(visitor),
            erasure=VisitorErasure.from_record(erasure),
            client_mutation_id=input.client_mutation_id,
        )
