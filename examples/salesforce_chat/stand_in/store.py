"""The state of the stand-in, in SQLite: conversations, their entries, and a few values."""

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]

_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, subject TEXT NOT NULL, attributes TEXT NOT NULL, started INTEGER NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0, session TEXT NOT NULL, routing TEXT NOT NULL, agent TEXT,
    sessions INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT, conversation TEXT NOT NULL, subject TEXT NOT NULL, event TEXT NOT NULL,
    moment INTEGER NOT NULL, listed INTEGER NOT NULL, entry TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_of_conversations ON entries (conversation, moment);
CREATE INDEX IF NOT EXISTS entries_of_subjects ON entries (subject, number);
"""


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    subject: str
    attributes: JSON
    started: int
    closed: bool
    #: The status of its messaging session: Waiting, Active or Ended.
    session: str
    #: INITIAL, NEEDS_ROUTING, ROUTED or TRANSFER.
    routing: str
    agent: str | None
    #: How many messaging sessions it has had.
    sessions: int


@dataclass(frozen=True, slots=True)
class Entry:
    number: int
    conversation: str
    event: str
    moment: int
    entry: JSON


class Store:
    """Every method is one transaction. The path may be `:memory:`."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_TABLES}")

    def close(self) -> None:
        self._database.close()

    def fact(self, name: str, default: Any = None) -> Any:
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def set_fact(self, name: str, value: object) -> None:
        self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))

    def conversations(self, subject: str | None = None) -> list[Conversation]:
        """All, or those of one subject, oldest first."""
        rows = self._database.execute(
            "SELECT * FROM conversations WHERE ?1 IS NULL OR subject = ?1 ORDER BY started, id", (subject,)
        ).fetchall()
        return [_conversation(row) for row in rows]

    def conversation(self, conversation_id: str) -> Conversation | None:
        row = self._database.execute("SELECT * FROM conversations WHERE id = ?", (conversation_id,)).fetchone()
        return None if row is None else _conversation(row)

    def save(self, conversation: Conversation) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO conversations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                conversation.id,
                conversation.subject,
                json.dumps(conversation.attributes),
                conversation.started,
                int(conversation.closed),
                conversation.session,
                conversation.routing,
                conversation.agent,
                conversation.sessions,
            ),
        )

    def append(self, conversation: Conversation, event: str, entry: JSON, *, listed: bool) -> None:
        """Add an entry. Its timestamp never goes back within the service."""
        last = self._database.execute("SELECT max(moment) FROM entries").fetchone()[0] or 0
        moment = max(last, time.time_ns() // 1_000_000)
        entry = {**entry, "transcriptedTimestamp": moment, "clientTimestamp": moment}
        self._database.execute(
            "INSERT INTO entries (conversation, subject, event, moment, listed, entry) VALUES (?, ?, ?, ?, ?, ?)",
            (conversation.id, conversation.subject, event, moment, int(listed), json.dumps(entry)),
        )

    def last_number(self, subject: str) -> int:
        row = self._database.execute("SELECT max(number) FROM entries WHERE subject = ?", (subject,)).fetchone()
        return row[0] or 0

    def after(self, subject: str, number: int) -> list[Entry]:
        """The subject's entries after this number, at most 100."""
        return self._entries("subject = ? AND number > ? ORDER BY number LIMIT 100", (subject, number))

    def listed(self, conversation: str, start: int, end: int, limit: int, *, newest: bool) -> list[Entry]:
        """The kept entries between two moments, both included: the first of them, or the last, newest first."""
        order = "DESC" if newest else "ASC"
        condition = f"conversation = ? AND listed AND moment BETWEEN ? AND ? ORDER BY number {order} LIMIT ?"
        return self._entries(condition, (conversation, start, end, limit))

    def all_entries(self, conversation: str) -> list[Entry]:
        return self._entries("conversation = ? ORDER BY number", (conversation,))

    def _entries(self, condition: str, values: tuple[object, ...]) -> list[Entry]:
        query = f"SELECT number, conversation, event, moment, entry FROM entries WHERE {condition}"  # noqa: S608 (constants)
        return [
            Entry(row[0], row[1], row[2], row[3], json.loads(row[4]))
            for row in self._database.execute(query, values).fetchall()
        ]


def _conversation(row: tuple[Any, ...]) -> Conversation:
    return Conversation(row[0], row[1], json.loads(row[2]), row[3], bool(row[4]), row[5], row[6], row[7], row[8])
