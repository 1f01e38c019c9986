"""What all mutations have in common. Each mutation is declared in the module of its noun."""

from typing import Annotated, TypeVar

import strawberry

from schema.base.fields import api_input, api_type

T = TypeVar("T")

Input = Annotated[T, strawberry.argument(description="The arguments of the mutation.")]


@api_input
class MutationInput:
    """The fields that the input of every mutation has."""

    client_mutation_id: str | None = None
    """An id of your choice, 1 to 128 characters: for 24 hours, the same mutation with the same id and the same
    arguments returns the first result instead of running again."""


@api_type
class MutationPayload:
    """The fields that the payload of every mutation has."""

    client_mutation_id: str | None
    """The `clientMutationId` of the input."""
