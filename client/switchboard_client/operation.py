"""An operation of the API: its document, and the type of its result."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from msgspec import Struct
from msgspec.json import Decoder

T = TypeVar("T")


class ErrorEntry(Struct, frozen=True):
    """One entry of `errors` of a response."""

    message: str
    path: list[str | int] | None = None
    extensions: dict[str, Any] = {}


class Result(Struct, Generic[T], frozen=True):
    """The data of a document that names its only field `result`."""

    result: T | None = None


class Response(Struct, Generic[T], frozen=True):
    """A response of the API, or the payload of a `next` message."""

    data: Result[T] | None = None
    errors: list[ErrorEntry] = []


@dataclass(frozen=True)
class Operation(Generic[T]):
    """A document with one field, which is named `result`, and the type of the field."""

    document: str
    type: Any
    #: Whether the server returns the first result if the operation is repeated with its `clientMutationId`.
    repeatable: bool = True
    #: Whether the subscription continues after the `cursor` of a result.
    resumable: bool = False

    @cached_property
    def decoder(self) -> Decoder[Response[T]]:
        of_type: Any = Response
        return Decoder(of_type[self.type])
