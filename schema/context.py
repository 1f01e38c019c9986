"""What one GraphQL operation is given as `info.context`; what resolvers are given is resolvers.context.Context."""

from typing import TYPE_CHECKING, TypeAlias

import strawberry
from graphql import FieldNode

from resolvers import events
from resolvers.context import Context
from schema.documents import Document
from schema.limits import Limits
from schema.loaders import Loaders
from storage.errors import SwitchboardError

if TYPE_CHECKING:
    from schema.deliveries import Cohorts

WITHIN = Limits()


class RequestContext:
    """The caller's context and what was read on the caller's behalf. One for each operation, also on a shared
    socket."""

    def __init__(self, reading: Context, limits: Limits = WITHIN, cohorts: "Cohorts | None" = None) -> None:
        #: How much the operation's document may hold.
        self.limits = limits
        #: Those who share what subscriptions are sent; None: nobody.
        self.cohorts = cohorts
        #: What resolvers that read are given.
        self.reading = reading
        self.loaders = Loaders(reading)
        #: The cursor after which a subscription goes on, whatever its `after` says, if it is not a consumer's.
        self.resume_after: str | None = None
        #: The text of the operation, with its document or why there is none; None until it was asked for.
        self.prepared: tuple[str, Document | Exception] | None = None
        self._head: str | SwitchboardError | None = None

    @property
    def document(self) -> Document | None:
        """The document of the operation, once it was asked for."""
        document = self.prepared and self.prepared[1]
        return document if isinstance(document, Document) else None

    def mutation(self, client_mutation_id: str | None) -> Context:
        """What a resolver that changes something is given. Whatever was read before may be out of date after it."""
        self.forget()
        return self.reading.mutation(client_mutation_id)

    def forget(self) -> None:
        """Read anew from here on."""
        self.loaders = Loaders(self.reading)

    async def read_head(self) -> None:
        """Note where the log ends, before anything else of the operation is read: what is read after shows at least
        that.

        Whether the caller may know it is for the field that asks to say.
        """
        try:
            self._head = await events.head_cursor(self.reading)
        except SwitchboardError as refusal:
            self._head = refusal

    async def head(self) -> str:
        """The end of the log as it was when the operation began."""
        if self._head is None:
            await self.read_head()
        if isinstance(self._head, SwitchboardError):
            raise self._head
        assert self._head is not None
        return self._head


Info: TypeAlias = strawberry.Info[RequestContext, None]


def asks_only_for(info: Info, name: str) -> bool:
    """Whether of the field's value nothing but this field is asked for, as far as that is plain to see."""
    return all(
        isinstance(selection, FieldNode) and selection.name.value in (name, "__typename")
        for node in info._raw_info.field_nodes
        for selection in (node.selection_set.selections if node.selection_set else ())
    )
