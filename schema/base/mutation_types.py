"""What all mutations have in common; the mutations themselves are with their nouns."""

from typing import Annotated, TypeVar

import strawberry

from schema.base.fields import api_input, api_type

T = TypeVar("T")

Input = Annotated[T, strawberry.argument(description="What to do, and to what: see the fields of the input.")]


@api_input
class MutationInput:
    """What every mutation takes."""

    client_mutation_id: str | None = None
    """A name of your choice for this change, of 1 to 128 characters, to make sending it again safe.

    It comes back on the payload and on every event the change causes, those of routing included. The same caller
    sending the same name again within 24 hours, with the same operation and arguments, gets the first answer and
    changes nothing; with other arguments it is `IDEMPOTENCY_MISMATCH`. Refusals are not remembered. Operations that
    hand out a secret (login, createApp, rotateAppToken) only repeat it."""


@api_type
class MutationPayload:
    """What every mutation answers."""

    client_mutation_id: str | None
    """The name that the input gave to this change, if any."""
