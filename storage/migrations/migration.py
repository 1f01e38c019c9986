"""A migration: a change of stored documents that a version of this program needs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from storage.mongo.connection import Database


class Progress(Protocol):
    """How far a migration has come. It is stored, so that another process can continue."""

    @property
    def position(self) -> str:
        """What the last `advance` stored; empty at the beginning."""

    async def advance(self, position: str, documents: int) -> None:
        """Store that everything up to `position` is done, and count the documents that were read for it."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One change of the stored documents."""

    #: The version of the data after it: 1, 2, 3, ...
    version: int
    name: str
    #: Makes the change, from the position on. It may be interrupted anywhere, repeated, and run twice at a time.
    step: Callable[[Database, Progress], Awaitable[None]]
    #: Whether programs of the version before may use the database during the change and after it. They write documents
    #: in the old form meanwhile: this program reads both forms, and the step is repeated when they have ended.
    compatible: bool = False


class State(StrEnum):
    """What a database has had of a migration."""

    PENDING = "pending"
    RUNNING = "running"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class MigrationState:
    """The state of a migration in one database."""

    migration: Migration
    state: State
    documents: int = 0
    #: Why it failed, if it did.
    error: str = ""
