"""The value of `info.context` of one GraphQL operation. Resolvers get its resolvers.context.Context."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import strawberry
from graphql import FieldNode, GraphQLError

from resolvers import events
from resolvers.context import Context
from resolvers.event_filters import Follower
from schema.base.loaders import Loaders
from schema.base.mutation_types import MutationInputWithoutAck
from schema.execution.cohorts import Cohorts
from schema.execution.cost_limits import DEFAULT_LIMITS, Limits
from schema.execution.document_cache import CACHE, DocumentCache
from schema.execution.documents import Document
from storage.errors import SwitchboardError


class RequestContext:
    """The context of one operation: the context of its resolvers, its loaders and its document.

    Each operation of a websocket has its own. Thousands of subscriptions may run: unused loaders take no memory.
    """

    __slots__ = (
        "_head",
        "_loaders",
        "cohorts",
        "documents",
        "error_code",
        "follower",
        "limits",
        "prepared",
        "pushed",
        "resolver_context",
        "resume_after",
        "root_outcomes",
        "takes_encoded",
        "webhook_consumer",
    )

    def __init__(
        self,
        resolver_context: Context,
        limits: Limits = DEFAULT_LIMITS,
        cohorts: Cohorts | None = None,
        documents: DocumentCache = CACHE,
    ) -> None:
        #: The limits of the operation's document.
        self.limits = limits
        #: The cohorts that share results of subscriptions; None if results are not shared.
        self.cohorts = cohorts
        #: The cache of documents.
        self.documents = documents
        #: The context of the resolvers that read.
        self.resolver_context = resolver_context
        self._loaders: Loaders | None = None
        #: The cursor after which a subscription resumes instead of its argument `after`, unless it has a consumer.
        self.resume_after: str | None = None
        #: The consumer for which a subscription to `events` reads, one event after the other, if it is a webhook's.
        self.webhook_consumer: str | None = None
        #: The text of the operation and its document, or the error of parsing it; None before `prepare` is called.
        self.prepared: tuple[str, Document | Exception] | None = None
        #: Takes over the facts of a subscription from its resolver. None if the transport gets the results as a stream.
        self.follower: Follower | None = None
        #: The subscription, if the follower has taken over its facts: its stream has no results.
        self.pushed: Any = None
        #: The code of the first error of the operation's result.
        self.error_code: str | None = None
        #: What the root resolvers returned, or the exceptions that they raised, by response name. None unless
        #: `execute_directly` called them.
        self.root_outcomes: dict[str, Any] | None = None
        #: Whether results may contain encoded parts (msgspec.Raw).
        self.takes_encoded = False
        self._head: str | SwitchboardError | None = None

    @property
    def reference_revision(self) -> int | None:
        """The revision of the roles and departments in memory, if results may contain encoded parts."""
        return self.resolver_context.storage.reference_data.revision if self.takes_encoded else None

    @property
    def document(self) -> Document | None:
        """The document of the operation, if `prepare` parsed one."""
        document = self.prepared and self.prepared[1]
        return document if isinstance(document, Document) else None

    def note_errors(self, errors: Sequence[GraphQLError]) -> None:
        """Record the code of the first error, for metrics and the log."""
        if self.error_code is None and errors:
            self.error_code = str((errors[0].extensions or {}).get("code"))

    def mutation(self, input: MutationInputWithoutAck) -> Context:
        """The context of the resolver of a mutation. Resets the loaders: their values may become outdated."""
        self.reset_loaders()
        return self.resolver_context.mutation(input.client_mutation_id, input.event_ack())

    def reset_loaders(self) -> None:
        """Replace the loaders, so that later loads read the database again."""
        self._loaders = None

    @property
    def loaders(self) -> Loaders:
        """The loaders of this operation."""
        if self._loaders is None:
            self._loaders = Loaders(self.resolver_context)
        return self._loaders

    async def read_head(self) -> None:
        """Read the position of the log's end before anything else of the operation is read, so that everything read
        later is at least as new.

        A refusal is stored, and raised by the field that needs the position.
        """
        try:
            self._head = await events.head_cursor(self.resolver_context)
        except SwitchboardError as refusal:
            self._head = refusal

    async def head(self) -> str:
        """The position of the log's end when the operation began."""
        if self._head is None:
            await self.read_head()
        if isinstance(self._head, SwitchboardError):
            raise self._head
        assert self._head is not None
        return self._head


Info: TypeAlias = strawberry.Info[RequestContext, None]


def selects_only(info: Info, name: str) -> bool:
    """Whether the field's selection has only this field. False if the selection has fragments."""
    return all(
        isinstance(selection, FieldNode) and selection.name.value in (name, "__typename")
        for node in info._raw_info.field_nodes
        for selection in (node.selection_set.selections if node.selection_set else ())
    )
