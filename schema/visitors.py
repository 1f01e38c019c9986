"""Visitors: the type, the queries and the mutation."""

from typing import Annotated, Self

import strawberry

from resolvers import visitors
from schema.app_data import AppDatum, DataKey, find_datum
from schema.base import ids
from schema.base.connections import After, Before, Connection, First, Last
from schema.base.fields import (
    api_input,
    api_one_of,
    api_type,
    mutation_field,
    or_none,
    or_unset,
    query_field,
    scoped_field,
)
from schema.base.filters import VisitorFilter, expression_of
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.base.node import Node
from schema.custom_fields import CustomFieldInput, CustomFieldRef, assignments, to_field_ref
from schema.entity_fields import VisitorFields
from schema.erasures import VisitorErasure
from schema.execution.context import Info
from storage import records
from storage.app_data import DataOwner


@api_type
class Visitor(Node, VisitorFields):
    """A person who starts conversations, identified by a token that your application chooses."""

    record: strawberry.Private[records.Visitor]

    @classmethod
    def from_record(cls, record: records.Visitor) -> Self:
        return cls(
            id=ids.VISITOR.format(record.id),
            token=record.token,
            name=record.name,
            email=record.email,
            phone=record.phone,
            created_at=record.created_at,
            erased_at=record.erased_at,
            field_values=record.custom_fields,
            record=record,
        )

    @scoped_field("visitors:read")
    async def erasure(self, info: Info) -> VisitorErasure | None:
        """How far the erasing of the visitor is. Null if the visitor is not erased."""
        if self.record.erased_at is None:
            return None
        found = await info.context.loaders.erasures.load(self.record.id)
        return None if found is None else VisitorErasure.from_record(found)

    @scoped_field("visitors:read", per_caller=True)
    async def app_data(self, info: Info, key: DataKey) -> AppDatum | None:
        """What your app keeps beside the visitor under this key (`setAppData`). Null if there is nothing. For apps
        only."""
        return await find_datum(info, DataOwner.VISITOR, self.record.id, key)


@api_one_of
class VisitorBy:
    """How to identify a visitor."""

    id: strawberry.ID | None = strawberry.UNSET
    """The id."""
    token: str | None = strawberry.UNSET
    """The token."""
    email: str | None = strawberry.UNSET
    """The email address; case is ignored. `INVALID_INPUT` if several visitors have it."""
    custom_field: CustomFieldRef | None = strawberry.UNSET
    """The value of a unique custom field."""


@api_type
class VisitorQueries:
    """Queries of visitors."""

    @query_field(visitors.find_visitor)
    async def visitor(
        self, info: Info, by: Annotated[VisitorBy, strawberry.argument(description="Which visitor.")]
    ) -> Visitor | None:
        """One visitor. Null if there is no such visitor."""
        visitor = await visitors.find_visitor(
            info.context.resolver_context,
            id=ids.VISITOR.parse_optional(by.id, "by.id"),
            token=or_none(by.token),
            email=or_none(by.email),
            custom_field=to_field_ref(by.custom_field),
        )
        return None if visitor is None else Visitor.from_record(visitor)

    @query_field(visitors.list_visitors)
    async def visitors(
        self,
        info: Info,
        where: Annotated[
            VisitorFilter | None,
            strawberry.argument(description="Returns only visitors that match this filter. All visitors if null."),
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Visitor] | None:
        """The visitors that match the filter, in the order in which they were first saved."""
        page = await visitors.list_visitors(
            info.context.resolver_context,
            where=expression_of(where),
            first=first,
            after=after,
            last=last,
            before=before,
        )
        return Connection.from_page(page, Visitor.from_record)


# ---------------------------------------------------------------- mutations


@api_input
class SaveVisitorFields:
    """A visitor to save. Fields that are left out keep their values."""

    token: str
    """The token that identifies the visitor, 1 to 128 characters. If no visitor has it, a visitor is created."""
    name: str | None = strawberry.UNSET
    """The name, up to 128 characters; null removes it."""
    email: str | None = strawberry.UNSET
    """The email address; null removes it."""
    phone: str | None = strawberry.UNSET
    """The phone number, up to 64 characters; null removes it."""
    custom_fields: list[CustomFieldInput] | None = None
    """Values of custom fields. They are merged with the visitor's values key by key. `FIELD_REQUIRED` if a new visitor
    has no value of a required field."""

    def values(self) -> visitors.VisitorValues:
        """The values, as resolvers expect them."""
        return visitors.VisitorValues(
            token=self.token,
            name=or_unset(self.name),
            email=or_unset(self.email),
            phone=or_unset(self.phone),
            custom_fields=assignments(self.custom_fields),
        )


@api_input
class SaveVisitorInput(MutationInput, SaveVisitorFields):
    """Input of `saveVisitor`. Fields that are left out keep their values."""


@api_type
class SaveVisitorPayload(MutationPayload):
    """Result of `saveVisitor`."""

    visitor: Visitor
    """The visitor after the change."""


@api_type
class VisitorMutations:
    """Mutations of visitors."""

    @mutation_field(visitors.save_visitor)
    async def save_visitor(self, info: Info, input: Input[SaveVisitorInput]) -> SaveVisitorPayload | None:
        """Creates the visitor with this token, or updates it, atomically. Concurrent calls with the same token result
        in one visitor.

        Records `VisitorSaved`, unless nothing changed.
        """
        visitor = await visitors.save_visitor(
            info.context.mutation(input),
            token=input.token,
            name=or_unset(input.name),
            email=or_unset(input.email),
            phone=or_unset(input.phone),
            custom_fields=assignments(input.custom_fields),
        )
        return SaveVisitorPayload(visitor=Visitor.from_record(visitor), client_mutation_id=input.client_mutation_id)
