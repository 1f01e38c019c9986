"""The decorators of operations: scopes, retries and, for mutations, locks, transactions, idempotency and `ack`."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, get_type_hints

from resolvers import acknowledgements, validation
from resolvers.answer_subjects import subjects_of
from resolvers.auth import access, passwords
from resolvers.auth.access import Caller
from resolvers.context import Context
from resolvers.fingerprints import fingerprint
from resolvers.holders import name_holder
from storage import tracing
from storage.errors import IdempotencyMismatch, Invalid, Taken
from storage.facts import (
    AgentAdded,
    AgentStatusChanged,
    AgentUnassigned,
    AgentUpdated,
    DepartmentSaved,
    Fact,
    RoomHeld,
    RoomQueued,
    UserPresenceChanged,
    UserRolesChanged,
    UserUpdated,
)
from storage.mongo.connection import from_builtins, to_builtins
from storage.mongo.retries import read_with_retries
from storage.records import SYSTEM, Actor
from storage.transactions import idempotency
from storage.transactions.idempotency import RecordedAnswer
from storage.transactions.keyed_locks import LockKey, LockKind
from storage.transactions.transaction import Transaction

P = ParamSpec("P")
R = TypeVar("R")

#: Facts after which an agent may be able to take a waiting room.
QUEUE_TRIGGERS: frozenset[type[Fact]] = frozenset(
    {
        AgentAdded,
        AgentStatusChanged,
        AgentUnassigned,
        AgentUpdated,
        DepartmentSaved,
        RoomHeld,
        RoomQueued,
        UserPresenceChanged,
        UserRolesChanged,
        UserUpdated,
    }
)


@dataclass(frozen=True, slots=True)
class MutationContext:
    """The transaction and the context of one attempt of a mutation."""

    tx: Transaction
    context: Context
    #: Called once this attempt is committed, but not if the mutation was committed before under its clientMutationId.
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    #: The ids of visitors and rooms whose content the answer has, in addition to those that are in it.
    subjects: set[str] = field(default_factory=set)

    @property
    def caller(self) -> Caller:
        return self.context.caller

    @property
    def actor(self) -> Actor:
        return self.context.caller.identified


class Query(Generic[P, R]):
    """A read operation. Raises Forbidden if the caller lacks one of its scopes."""

    def __init__(
        self, body: Callable[Concatenate[Context, P], Awaitable[R]], scopes: tuple[str, ...], *, visitors: bool
    ) -> None:
        self._body = body
        self.scopes = scopes
        self.visitors = visitors
        self.__doc__ = body.__doc__

    async def __call__(self, context: Context, *args: P.args, **kwargs: P.kwargs) -> R:
        access.require(context.caller, self.scopes, visitors=self.visitors)
        with tracing.span(self._body.__name__):
            return await read_with_retries(context.storage.database, partial(self._body, context, *args, **kwargs))


class Mutation(Generic[P, R]):
    """A write operation. Raises Forbidden without its scopes, and takes effect once for each clientMutationId.

    If the context has an acknowledgement, it is checked before the body runs, and stored in the same transaction.
    """

    def __init__(
        self,
        body: Callable[Concatenate[MutationContext, P], Awaitable[R]],
        scopes: tuple[str, ...],
        *,
        lock: tuple[LockKind, str] | None,
        idempotent: bool,
        anonymous: bool,
        visitors: bool,
        self_argument: str | None,
        internal: tuple[str, ...],
    ) -> None:
        self._body = body
        self._lock = lock
        self._idempotent = idempotent
        self._anonymous = anonymous
        self._self_argument = self_argument
        self._internal = internal
        self._defaults = {
            name: parameter.default
            for name, parameter in inspect.signature(body).parameters.items()
            if parameter.default is not inspect.Parameter.empty
        }
        self.scopes = scopes
        self.visitors = visitors
        self.__doc__ = body.__doc__

    async def __call__(self, context: Context, *args: P.args, **kwargs: P.kwargs) -> R:
        self._require_access(context, kwargs)
        mutation_id = context.client_mutation_id
        if mutation_id is not None:
            validation.text(mutation_id, "clientMutationId", max_characters=128)
        idempotent = mutation_id is not None and self._idempotent
        digest = await self._fingerprint(context, kwargs) if idempotent else ""

        recorded: RecordedAnswer | None = None
        after_commit: list[Callable[[], None]] = []

        async def attempt(tx: Transaction) -> R:
            nonlocal recorded, after_commit
            after_commit = []
            if idempotent and mutation_id is not None:
                recorded = await idempotency.find(tx, context.caller.id, mutation_id)
                if recorded is not None:
                    return self._recorded_answer(recorded, digest)
            if context.hook is not None:
                context.hook.begin(tx)
            if context.ack is not None:
                after_commit.append(await acknowledgements.acknowledge(tx, context, context.ack))
            change = MutationContext(tx, context, after_commit)
            result = await self._body(change, *args, **kwargs)
            if context.hook is not None:
                context.hook.end(tx)
            if idempotent and mutation_id is not None:
                idempotency.insert(
                    tx,
                    context.caller.id,
                    mutation_id,
                    fingerprint=digest,
                    answer=to_builtins(result),
                    subjects=change.subjects | subjects_of(result),
                )
            return result

        async def is_recorded_now() -> bool:
            """Whether a concurrent call with the same clientMutationId has committed, so that an error is outdated."""
            if recorded is not None or not idempotent or mutation_id is None:
                return False
            return await idempotency.is_recorded(context.reader, context.caller.id, mutation_id)

        try:
            with tracing.span(self._body.__name__):
                result, facts = await context.storage.transactions.run(
                    attempt,
                    actor=context.caller.actor or SYSTEM,
                    client_mutation_id=mutation_id,
                    lock_keys=self._lock_keys(kwargs),
                    is_stale=is_recorded_now,
                )
        except Taken as refusal:
            await name_holder(context, refusal)
            raise
        if not QUEUE_TRIGGERS.isdisjoint(map(type, facts)):
            context.services.notify_queue()
        for call in after_commit:
            call()
        return result

    def _require_access(self, context: Context, arguments: dict[str, Any]) -> None:
        """Raise Unauthenticated or Forbidden unless the caller may call the mutation with these arguments."""
        if not self._anonymous:
            scopes = () if self._concerns_caller(context.caller, arguments) else self.scopes
            access.require(context.caller, scopes, visitors=self.visitors)
        if context.ack is not None:
            access.require(context.caller, (acknowledgements.SCOPE,))

    def _lock_keys(self, arguments: dict[str, Any]) -> tuple[LockKey, ...]:
        if self._lock is None:
            return ()
        kind, argument = self._lock
        name = arguments.get(argument)
        return (LockKey(kind, name),) if isinstance(name, str) else ()

    def _concerns_caller(self, caller: Caller, arguments: dict[str, Any]) -> bool:
        return (
            self._self_argument is not None
            and caller.user is not None
            and caller.user.id == arguments[self._self_argument]
        )

    async def _fingerprint(self, context: Context, arguments: dict[str, Any]) -> str:
        if isinstance(password := arguments.get("password"), str):
            # The fingerprint is stored, so it must not make the password easy to guess.
            salt = f"{context.caller.id} {context.client_mutation_id}"
            hashed = await passwords.fingerprint(context.services.hashing, password, salt=salt)
            arguments = {**arguments, "password": hashed}
        arguments = {name: value for name, value in arguments.items() if name not in self._internal}
        return fingerprint(self._body.__name__, {**arguments, "ack": context.ack}, {**self._defaults, "ack": None})

    def _recorded_answer(self, recorded: RecordedAnswer, digest: str) -> R:
        if recorded.fingerprint != digest:
            raise IdempotencyMismatch(
                "This clientMutationId was used with another mutation or other arguments; use a new one for each "
                "mutation, and repeat one only with the same arguments."
            )
        if recorded.erased:
            raise Invalid(
                "The mutation with this clientMutationId was executed, and its result was erased with a visitor; it is "
                "not executed again.",
                key="clientMutationId",
            )
        kind = get_type_hints(self._body)["return"]
        return from_builtins(recorded.answer, kind)  # type: ignore[no-any-return]


def query(
    *scopes: str, visitors: bool = False
) -> Callable[[Callable[Concatenate[Context, P], Awaitable[R]]], Query[P, R]]:
    """Declare a read and its scopes. Without scopes, any valid token of an app or a user is enough.

    `visitors`: whether visitors may read this. The body limits them to their own rooms.
    """
    return lambda body: Query(body, scopes, visitors=visitors)


def mutation(
    *scopes: str,
    lock: tuple[LockKind, str] | None = None,
    idempotent: bool = True,
    anonymous: bool = False,
    visitors: bool = False,
    self_argument: str | None = None,
    internal: tuple[str, ...] = (),
) -> Callable[[Callable[Concatenate[MutationContext, P], Awaitable[R]]], Mutation[P, R]]:
    """Declare a write and its scopes. Without scopes, any valid token of an app or a user is enough.

    `lock`: the kind of object to lock in this process, and the argument with its id.
    `idempotent`: whether the answer is stored by clientMutationId. Must be False if the answer contains a secret.
    `anonymous`: whether no token is needed.
    `visitors`: whether visitors may do this. The body limits them to their own rooms.
    `self_argument`: the argument with a user's id. Logged-in users need no scope to change themselves.
    `internal`: arguments that are not the client's. A repeated call may have others.
    """
    return lambda body: Mutation(
        body,
        scopes,
        lock=lock,
        idempotent=idempotent,
        anonymous=anonymous,
        visitors=visitors,
        self_argument=self_argument,
        internal=internal,
    )
