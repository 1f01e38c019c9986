"""The arguments that every operation takes: the services of the process, and the caller."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from resolvers.acknowledgement_hub import AcknowledgementHub
from resolvers.auth.access import ANONYMOUS, Caller
from resolvers.auth.hash_queue import HashQueue
from resolvers.auth.login_throttle import LoginThrottle
from resolvers.live_views import LiveViews
from resolvers.signal_hub import SignalHub
from resolvers.webhook_addresses import AddressPolicy
from storage.custom_fields.definition_cache import DefinitionCache
from storage.facts import Fact
from storage.mongo.reader import Reader
from storage.records import AgentGoneAction, Candidate, Record, RoutingMethod, User
from storage.runtime import Storage
from storage.transactions.transaction import Transaction

if TYPE_CHECKING:
    from resolvers.routing.shares import Contention, Share


class TransactionHook(Protocol):
    """Is called in every attempt at a mutation, before and after its body."""

    def begin(self, tx: Transaction) -> None: ...

    def end(self, tx: Transaction) -> None: ...


class FilterMatchesProtocol(Protocol):
    """The methods of routing.filter_matches.FilterMatches that operations call."""

    @property
    def is_outdated(self) -> bool: ...

    async def evaluate_some(self) -> None: ...


class FilteredRoomsProtocol(Protocol):
    """The methods of routing.filtered_rooms.FilteredRooms that operations call."""

    @property
    def matches(self) -> FilterMatchesProtocol: ...

    def next_end(self) -> datetime | None: ...

    def first_servable(
        self,
        accepting: Mapping[str | None, Set[str]],
        *,
        automatic: Collection[str | None],
        fallback: Collection[str | None],
        now: datetime,
        excluding: Collection[str] = (),
        limit: int,
    ) -> list[str]: ...

    def first_of(
        self,
        agent_id: str,
        *,
        automatic: Collection[str | None],
        fallback: Collection[str | None],
        now: datetime,
        excluding: str,
    ) -> tuple[int, datetime, str] | None: ...


class AgentCacheProtocol(Protocol):
    """The methods of routing.agent_cache.AgentCache that operations call."""

    @property
    def size(self) -> int: ...

    async def load(self, reader: Reader) -> None: ...

    def apply(self, facts: Iterable[Fact]) -> None: ...

    def agent(self, agent_id: str) -> User | None: ...

    def newest(self, user: User) -> User: ...

    def tiers(
        self, pool: str | None, method: RoutingMethod, *, bots_first: bool, share: "Share" = ...
    ) -> Sequence[Sequence[Candidate]]: ...

    @property
    def contention(self) -> "Contention": ...

    @property
    def accepting(self) -> Mapping[str | None, Set[str]]: ...

    @property
    def filtered(self) -> FilteredRoomsProtocol: ...

    def candidates(self, pool: str | None, filter: str, method: RoutingMethod, *, limit: int) -> list[str]: ...

    def gone(self, until: datetime) -> list[tuple[str, datetime]]: ...

    def has_waiting_rooms(self, pools: Iterable[str | None]) -> bool: ...

    def waiting_pools(self) -> Collection[str | None]: ...

    def reserve(self, agent_id: str) -> AbstractContextManager[None]: ...

    def reservations(self, agent_id: str) -> int: ...

    @property
    def reserved_agent_count(self) -> int: ...


class PendingReleasesProtocol(Protocol):
    """The methods of consumers.releases.PendingReleases that operations call."""

    def start(self, owner: str, name: str, release: Coroutine[None, None, None]) -> asyncio.Task[None]: ...

    async def wait_for_pending(self, owner: str, name: str) -> None: ...


#: The default length of a session of a user.
SESSION_LENGTH = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """The routing of rooms without a department, and whether every automatic method prefers bots."""

    method: RoutingMethod = RoutingMethod.LEAST_LOADED
    bots_first: bool = False
    #: EXTERNAL: how long a room waits for the decision of an app. None: without limit.
    external_timeout_seconds: int | None = None
    #: EXTERNAL: the method for rooms without a decision.
    fallback: RoutingMethod = RoutingMethod.LEAST_LOADED
    when_agent_gone: AgentGoneAction = AgentGoneAction.KEEP
    agent_gone_after_seconds: int = 300


@dataclass(slots=True)
class Services:
    """The objects that all operations of one process share. services.create_services makes them."""

    storage: Storage
    agent_cache: AgentCacheProtocol
    pending_releases: PendingReleasesProtocol
    signal_hub: SignalHub
    acknowledgement_hub: AcknowledgementHub = field(default_factory=AcknowledgementHub)
    routing: RoutingSettings = RoutingSettings()
    login_throttle: LoginThrottle = field(default_factory=LoginThrottle)
    hashing: HashQueue = field(default_factory=HashQueue)
    #: The lists and counts that subscriptions share.
    live_views: LiveViews = field(default_factory=LiveViews)
    #: How long a session of a user lasts.
    session_length: timedelta = SESSION_LENGTH
    #: The most open rooms with which a visitor may start another one. 0: no limit.
    visitor_open_rooms: int = 3
    #: The hashes of tokens that come from the settings. These tokens have no checksum.
    configured_tokens: frozenset[str] = frozenset()
    #: The addresses that webhooks may reach.
    webhook_policy: AddressPolicy = field(default_factory=AddressPolicy)
    _listeners: list[Callable[[], None]] = field(default_factory=list)
    #: The attempts of this process to send events of webhooks, by outcome: "delivered" and "failed".
    webhook_attempts: Counter[str] = field(default_factory=Counter)
    #: Called after every change of a webhook by this process.
    webhook_listeners: list[Callable[[], None]] = field(default_factory=list)

    def add_queue_listener(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change that may let a waiting room be assigned. It must not block."""
        self._listeners.append(listener)

    def notify_queue(self) -> None:
        """Call the queue listeners."""
        for listener in self._listeners:
            listener()

    def notify_webhooks(self) -> None:
        """Call the listeners to webhooks."""
        for listener in self.webhook_listeners:
            listener()


class EventAck(Record, frozen=True):
    """The acknowledgement of one event of a consumer of the caller's, in the transaction of a mutation."""

    consumer: str
    cursor: str


@dataclass(frozen=True, slots=True)
class Context:
    """The services and the caller of one operation."""

    services: Services
    caller: Caller = ANONYMOUS
    client_mutation_id: str | None = None
    #: The event that a mutation acknowledges.
    ack: EventAck | None = None
    #: The client's IP address; "" for an operation of the server itself.
    address: str = ""
    #: Sample data: the time of each mutation, and the list of what they create.
    hook: TransactionHook | None = None

    @property
    def storage(self) -> Storage:
        return self.services.storage

    @property
    def reader(self) -> Reader:
        return self.services.storage.reader

    @property
    def definition_cache(self) -> DefinitionCache:
        return self.services.storage.definition_cache

    def mutation(self, client_mutation_id: str | None, ack: EventAck | None = None) -> "Context":
        """A copy of the context with the arguments that all mutations have in common."""
        return Context(self.services, self.caller, client_mutation_id, ack, self.address, self.hook)
