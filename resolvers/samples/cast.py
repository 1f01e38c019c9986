"""The entities of one creation of sample data, and the contexts in which they act."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from resolvers.auth.access import Caller
from resolvers.context import Context
from storage import samples
from storage.records import Actor, ActorType, App, Department, User, Visitor
from storage.roles import BUILT_IN_SCOPES
from storage.samples import SampleRun
from storage.transactions.transaction import Transaction


@dataclass(frozen=True, slots=True)
class SampleHook:
    """Lists what mutations create. With a time, each mutation takes place at that time."""

    run: SampleRun
    time: datetime | None = None

    def begin(self, tx: Transaction) -> None:
        if self.time is not None:
            tx.now = self.time

    def end(self, tx: Transaction) -> None:
        samples.record(tx, self.run)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who acts in the sample conversations, and the names that things have in this deployment."""

    #: The context of whoever creates the sample data, with a hook.
    context: Context
    run: SampleRun
    #: When its mutations take place. None: now.
    time: datetime | None = None
    #: By the keys of staff.py.
    departments: Mapping[str, Department]
    fields: Mapping[str, str]
    #: The agents by name.
    agents: Mapping[str, User]
    visitors: Sequence[Visitor]
    apps: Mapping[str, App]

    @property
    def now(self) -> datetime:
        return self.time or self.context.storage.database.now()

    def at(self, time: datetime) -> "Cast":
        """The same cast, whose mutations take place at that time."""
        return replace(self, time=time, context=replace(self.context, hook=SampleHook(self.run, time)))

    def in_present(self) -> "Cast":
        """The same cast, whose mutations take place now."""
        return replace(self, time=None, context=replace(self.context, hook=SampleHook(self.run)))

    def as_app(self, name: str) -> Context:
        app = self.apps[name]
        return self._as(Caller(Actor(type=ActorType.APP, id=app.id, name=app.name), frozenset(app.scopes)))

    def as_agent(self, user: User) -> Context:
        scopes = frozenset[str]().union(*(BUILT_IN_SCOPES.get(role, frozenset()) for role in user.roles))
        return self._as(Caller(Actor(type=ActorType.USER, id=user.id, name=user.username), scopes, user))

    def as_visitor(self, visitor: Visitor) -> Context:
        actor = Actor(type=ActorType.VISITOR, id=visitor.id, name=visitor.name)
        return self._as(Caller(actor, visitor=visitor))

    def _as(self, caller: Caller) -> Context:
        return replace(self.context, caller=caller)
