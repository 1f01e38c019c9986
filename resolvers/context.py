"""What every operation is given: the process's services, and who is calling."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from resolvers.access import ANONYMOUS, Caller
from resolvers.hash_queue import HashQueue
from resolvers.releases import Releases
from resolvers.rosters import Roster
from resolvers.sign_ins import SignIns
from storage.catalog import Catalog
from storage.records import RoutingMethod
from storage.storage import Storage
from storage.transactions import Reader


@dataclass(frozen=True, slots=True)
class Routing:
    """How rooms without a department are routed, and whether bots come first in every automatic method."""

    method: RoutingMethod = RoutingMethod.LEAST_LOADED
    bots_first: bool = False


@dataclass(slots=True)
class Services:
    """What one process has for all operations."""

    storage: Storage
    routing: Routing = Routing()
    roster: Roster = field(default_factory=Roster)
    sign_ins: SignIns = field(default_factory=SignIns)
    hashing: HashQueue = field(default_factory=HashQueue)
    releases: Releases = field(default_factory=Releases)
    #: The hashes of tokens that people made up, which have no checksum.
    made_up_tokens: frozenset[str] = frozenset()
    _listeners: list[Callable[[], None]] = field(default_factory=list)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call it after every change that may let a waiting room be served; it must not block."""
        self._listeners.append(listener)

    def queue_moved(self) -> None:
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
    def catalog(self) -> Catalog:
        return self.services.storage.catalog

    def mutation(self, client_mutation_id: str | None) -> "Context":
        """The context of one mutation, with the id that the client gave it."""
        return replace(self, client_mutation_id=client_mutation_id)
