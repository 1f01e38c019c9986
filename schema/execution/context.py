"""What one GraphQL operation is given as `info.context`; what resolvers are given is resolvers.context.Context."""

from typing import TypeAlias

import strawberry
from graphql import FieldNode

from resolvers import events
from resolvers.context import Context
from schema.base.loaders import Loaders
from schema.execution.cohorts import Cohorts
from schema.execution.cost_limits import Limits
from schema.execution.documents import Document
from storage.errors import SwitchboardError

DEFAULT_LIMITS = Limits()


class RequestContext:
    """The caller's context and what was read on the caller's behalf. One for each operation, also on a shared
    socket."""

    def __init__(
        self, resolver_context: Context, limits: Limits = DEFAULT_LIMITS, cohorts: Cohorts | None = None
    ) -> None:
        #: How much the operation's document may hold.
        self.limits = limits
        #: Those who share what subscriptions are sent; None: nobody.
        self.cohorts = cohorts
        #: What resolvers that read are given.
        self.resolver_context = resolver_context
        self.loaders = Loaders(resolver_context)
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
        self.reset_loaders()
        return self.resolver_context.mutation(client_mutation_id)

    def reset_loaders(self) -> None:
        """Read anew from here on."""
        self.loaders = Loaders(self.resolver_context)

    async def read_head(self) -> None:
        """Note where the log ends, before anything else of the operation is read: what is read after shows at least
        that.

        Whether the caller may know it is for the field that asks to say.
        """
        try:
            self._head = await events.head_cursor(self.resolver_context)
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


def selects_only(info: Info, name: str) -> bool:
    """Whether of the field's value nothing but this field is asked for, as far as that is plain to see."""
    return all(
        isinstance(selection, FieldNode) and selection.name.value in (name, "__typename")
        for node in info._raw_info.field_nodes
        for selection in (node.selection_set.selections if node.selection_set else ())
    )
