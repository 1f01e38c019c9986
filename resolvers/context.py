"""What every operation is given: the process's services, and who is calling."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from resolvers.auth.access import ANONYMOUS, Caller
from resolvers.auth.hash_queue import HashQueue
from resolvers.auth.login_throttle import LoginThrottle
from resolvers.consumers.releases import PendingReleases
from resolvers.routing.agent_cache import AgentCache
from storage.custom_fields.definition_cache import DefinitionCache
from storage.mongo.reader import Reader
from storage.records import RoutingMethod
from storage.runtime import Storage


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """How rooms without a department are routed, and whether bots come first in every automatic method."""

    method: RoutingMethod = RoutingMethod.LEAST_LOADED
    bots_first: bool = False


@dataclass(slots=True)
class Services:
    """What one process has for all operations."""

    storage: Storage
    routing: RoutingSettings = RoutingSettings()
    agent_cache: AgentCache = field(default_factory=AgentCache)
    login_throttle: LoginThrottle = field(default_factory=LoginThrottle)
    hashing: HashQueue = field(default_factory=HashQueue)
    pending_releases: PendingReleases = field(default_factory=PendingReleases)
    #: The hashes of tokens that people made up, which have no checksum.
    configured_tokens: frozenset[str] = frozenset()
    _listeners: list[Callable[[], None]] = field(default_factory=list)

    def add_queue_listener(self, listener: Callable[[], None]) -> None:
        """Call it after every change that may let a waiting room be served; it must not block."""
        self._listeners.append(listener)

    def notify_queue(self) -> None:
        """Something changed that may let a waiting room be served."""
        for listener in self._listeners:
            listener()


@dataclass(frozen=True, slots=True)
class Context:
    """What one operation has."""

    services: Services
    caller: Caller = ANONYMOUS
    client_mutation_id: str | None = None
    #: Where the operation came from; "" when it came from inside.
    address: str = ""

    @property
    def storage(self) -> Storage:
        return self.services.storage

    @property
    def reader(self) -> Reader:
        return self.services.storage.reader

    @property
    def definition_cache(self) -> DefinitionCache:
        return self.services.storage.definition_cache

    def mutation(self, client_mutation_id: str | None) -> "Context":
        """The context of one mutation, with the id that the client gave it."""
        return replace(self, client_mutation_id=client_mutation_id)
