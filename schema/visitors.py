"""Visitors: the type, how visitors are found, and how they are saved."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from resolvers import visitors
from schema.base import ids
from schema.base.connections import After, Before, Connection, First, Last
from schema.base.fields import api_input, api_one_of, api_type, mutation_field, or_none, or_unset, query_field
from schema.base.filters import VisitorFilter, expression_of
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.base.node import Node
from schema.custom_fields import CustomFieldInput, CustomFieldRef, HasCustomFields, assignments, to_field_ref
from schema.execution.context import Info
from storage import records


@api_type
class Visitor(HasCustomFields, Node):
    """Somebody who starts conversations, known by a token that your side chose."""

    token: str
    """What your side knows the visitor by; unique."""
    name: str | None
    """The name, if it is known."""
    email: str | None
    """The email address, if it is known."""
    phone: str | None
    """The phone number, if it is known, as it was given."""
    created_at: datetime
    """When the visitor was first saved."""

    @classmethod
    def from_record(cls, record: records.Visitor) -> Self:
        return cls(
            id=ids.VISITOR.add(record.id),
            token=record.token,
            name=record.name,
            email=record.email,
            phone=record.phone,
            created_at=record.created_at,
            field_values=record.custom_fields,
        )


@api_one_of
class VisitorBy:
    """One way to name a visitor."""

    id: strawberry.ID | None = strawberry.UNSET
    """By identity."""
    token: str | None = strawberry.UNSET
    """By token."""
    email: str | None = strawberry.UNSET
    """By email address, without case; `INVALID_INPUT` when several visitors have it."""
    custom_field: CustomFieldRef | None = strawberry.UNSET
    """By the value of a unique custom field."""


@api_type
class VisitorQueries:
    """Reading visitors."""

    @query_field(visitors.find_visitor)
    async def visitor(
        self, info: Info, by: Annotated[VisitorBy, strawberry.argument(description="Which visitor.")]
    ) -> Visitor | None:
        """One visitor; null when there is none."""
        visitor = await visitors.find_visitor(
            info.context.resolver_context,
            id=ids.VISITOR.take_optional(by.id, "by.id"),
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
            VisitorFilter | None, strawberry.argument(description="Only visitors of which this holds; all when null.")
        ] = None,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> Connection[Visitor] | None:
        """The visitors of which the filter holds, in the order in which they were first saved."""
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
class SaveVisitorInput(MutationInput):
    """What is known of a visitor. What is left out stays as it is."""

    token: str
    """What your side knows the visitor by: 1 to 128 characters. A token that is new makes a new visitor."""
    name: str | None = strawberry.UNSET
    """The name, of up to 128 characters; null takes it away."""
    email: str | None = strawberry.UNSET
    """The email address; null takes it away."""
    phone: str | None = strawberry.UNSET
    """The phone number, of up to 64 characters; null takes it away."""
    custom_fields: list[CustomFieldInput] | None = None
    """Values of custom fields. They merge with what the visitor holds, key by key. `FIELD_REQUIRED` when a new visitor
    lacks a required one."""


@api_type
class SaveVisitorPayload(MutationPayload):
    """The visitor that was saved."""

    visitor: Visitor
    """The visitor as it is now."""


@api_type
class VisitorMutations:
    """Changing visitors."""

    @mutation_field(visitors.save_visitor)
    async def save_visitor(self, info: Info, input: Input[SaveVisitorInput]) -> SaveVisitorPayload | None:
        """Creates the visitor with this token, or updates it, in one step: however many do so at once, there is one.

        Recorded as `VisitorSaved`, unless nothing changed.
        """
        visitor = await visitors.save_visitor(
            info.context.mutation(input.client_mutation_id),
            token=input.token,
            name=or_unset(input.name),
            email=or_unset(input.email),
            phone=or_unset(input.phone),
            custom_fields=assignments(input.custom_fields),
        )
        return SaveVisitorPayload(visitor=Visitor.from_record(visitor), client_mutation_id=input.client_mutation_id)
