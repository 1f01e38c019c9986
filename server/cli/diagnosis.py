"""The checks of `switchboard doctor`. They change nothing in the database."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from resolvers.auth import access
from resolvers.auth.access import Caller
from resolvers.context import Context
from resolvers.routing import capacity_check
from resolvers.services import create_services
from server.settings import Settings, unknown_variables
from storage import deployment_state
from storage.deployment_state import DeploymentState
from storage.errors import DeploymentError
from storage.migrations import records
from storage.migrations.migration import MigrationState, State
from storage.migrations.registry import MIGRATIONS
from storage.mongo import data_version, indexes
from storage.mongo.connection import Database
from storage.mongo.data_version import DATA_VERSION
from storage.records import SYSTEM
from storage.runtime import Storage

#: Events are appended within milliseconds. Older ones in the outbox wait for a server.
OUTBOX_SECONDS = 10.0
#: A consumer without a connection that is further behind is noted.
CONSUMER_LAG = 1_000
QUEUE_SECONDS = 3_600.0
#: Members of a replica set with which one may fail.
MEMBERS = 3


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    level: Level
    subject: str
    text: str
    #: What to do; empty if nothing.
    remedy: str = ""


def ok(subject: str, text: str) -> Finding:
    return Finding(Level.OK, subject, text)


def examine_settings(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """Check the settings, which are valid one by one."""
    found = [
        Finding(Level.PROBLEM, "settings", f"there is no setting {name}.", "Correct its name, or remove it.")
        for name in unknown_variables(environment)
    ]
    if not is_loopback(settings.host) and not settings.trusted_proxies:
        found.append(
            Finding(
                Level.NOTE,
                "settings",
                f"the server listens on {settings.host} and trusts no proxy: tokens are sent without TLS.",
                "Put a proxy with TLS in front of it, and name it in SWITCHBOARD_TRUSTED_PROXIES.",
            )
        )
    if not is_loopback(settings.metrics_host) and settings.metrics_port is not None:
        found.append(
            Finding(
                Level.NOTE,
                "settings",
                f"/metrics is served on {settings.metrics_host} without a token.",
                "Let a firewall keep others than Prometheus from it.",
            )
        )
    cores = os.cpu_count() or 1
    if settings.workers > cores:
        found.append(
            Finding(
                Level.NOTE,
                "settings",
                f"there are {settings.workers} workers and {cores} cores.",
                f"Set SWITCHBOARD_WORKERS to {cores} or less: each worker uses one core.",
            )
        )
    return found or [ok("settings", "they are valid.")]


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def examine_database(uri: str, name: str) -> list[Finding]:
    """Check the database. Raises Unavailable if it does not answer."""
    async with Database(uri, name) as database:
        storage = Storage(database)
        await database.measure_clock()
        await storage.definition_cache.refresh()
        state = await deployment_state.read(storage.reader, storage.log)
        found = [
            await _examine_mongodb(database),
            *await _examine_version(database),
            await _examine_indexes(database),
            await _examine_counts(storage),
            _examine_clock(storage),
            _examine_outbox(state),
            *_examine_consumers(state),
            _examine_webhooks(state),
            _examine_queue(state),
        ]
        await storage.process.deregister()
        return found


async def _examine_mongodb(database: Database) -> Finding:
    version, members = await database.describe_server()
    text = f"version {version}, {members} members."
    if members >= MEMBERS:
        return ok("MongoDB", text)
    return Finding(Level.NOTE, "MongoDB", text, f"With {MEMBERS} members, the data survive the loss of one.")


async def _examine_version(database: Database) -> list[Finding]:
    version = await data_version.read(database)
    try:
        await data_version.require_supported(database)
    except DeploymentError as error:
        return [Finding(Level.PROBLEM, "data", str(error), "Run the doctor of the newer version.")]
    if version > DATA_VERSION:
        text = f"version {version}, which this program, of version {DATA_VERSION}, can use."
        return [Finding(Level.NOTE, "data", text, "Upgrade this program when all servers are upgraded.")]
    found = [finding for one in await records.list_states(database, MIGRATIONS) if (finding := _migration(one))]
    return found or [ok("data", f"version {version}; all {len(MIGRATIONS)} migrations are done.")]


def _migration(state: MigrationState) -> Finding | None:
    """What to do about a migration. None if it is done."""
    migration, subject = state.migration, f"migration {state.migration.version} ({state.migration.name})"
    match state.state:
        case State.DONE:
            return None
        case State.FAILED:
            remedy = "Correct the cause, and start a server: it continues where it was."
            return Finding(
                Level.PROBLEM, subject, f"it failed after {state.documents} documents: {state.error}", remedy
            )
        case State.RUNNING:
            text = f"{state.documents} documents so far."
            return Finding(Level.NOTE, subject, text, "A server runs it, or continues it when it starts.")
        case State.PENDING:
            text = f"the data need it for version {migration.version}; this program writes {DATA_VERSION}."
            return Finding(Level.NOTE, subject, text, "Start a server, which runs it.")


async def _examine_indexes(database: Database) -> Finding:
    missing = await indexes.list_missing(database)
    if not missing:
        return ok("indexes", "all exist.")
    return Finding(
        Level.PROBLEM,
        "indexes",
        f"missing: {', '.join(missing)}.",
        "Restart a server, which creates them or says why it cannot.",
    )


async def _examine_counts(storage: Storage) -> Finding:
    caller = Caller(actor=SYSTEM, scopes=frozenset({access.ADMIN}))
    mismatches = await capacity_check.find_mismatches(Context(create_services(storage), caller))
    if not mismatches:
        return ok("counts", "the openRoomCount of every agent is right.")
    return Finding(
        Level.PROBLEM,
        "counts",
        f"the openRoomCount of {len(mismatches)} agents is wrong.",
        "Run  switchboard verify-counts --repair  and report it.",
    )


def _examine_clock(storage: Storage) -> Finding:
    difference = storage.database.clock.difference
    if difference is None:
        return ok("clock", "it agrees with the database's.")
    seconds = difference.total_seconds()
    side = "ahead of" if seconds > 0 else "behind"
    return Finding(
        Level.PROBLEM,
        "clock",
        f"this machine is {abs(seconds):.1f} s {side} the database.",
        "Synchronize both with NTP.",
    )


def _examine_outbox(state: DeploymentState) -> Finding:
    if state.outbox_facts == 0 or state.outbox_oldest_seconds <= OUTBOX_SECONDS:
        return ok("outbox", f"{state.outbox_facts} events.")
    return Finding(
        Level.PROBLEM,
        "outbox",
        f"{state.outbox_facts} events have waited for up to {state.outbox_oldest_seconds:.0f} s.",
        "Start a server, which appends them; if one runs, read its log and its /health/ready.",
    )


def _examine_webhooks(state: DeploymentState) -> Finding:
    active, failing, paused = (state.webhooks[name] for name in ("active", "failing", "paused"))
    text = f"{active} are active, {failing} failing and {paused} paused."
    if not failing and not paused:
        return ok("webhooks", text)
    return Finding(
        Level.NOTE,
        "webhooks",
        text,
        "Query webhooks { name pauseMessage deliveries(first: 1) { nodes { error } } }: events are kept for a limited "
        "time.",
    )


def _examine_consumers(state: DeploymentState) -> list[Finding]:
    found = []
    for consumer in state.consumers:
        name, behind = f"consumer {consumer.name} of {consumer.owner}", state.log_head - consumer.acked
        if consumer.acked < state.log_oldest - 1:
            lost = state.log_oldest - 1 - consumer.acked
            found.append(
                Finding(
                    Level.PROBLEM,
                    name,
                    f"{lost} events after its position are not kept any more.",
                    "Let its app read the present state, and acknowledge a newer event or call removeConsumer.",
                )
            )
        elif behind > CONSUMER_LAG and not consumer.leased:
            found.append(
                Finding(
                    Level.NOTE,
                    name,
                    f"it has no connection and is {behind} events behind.",
                    "Start its app, or delete the consumer: its events are kept for a limited time.",
                )
            )
    return found or [ok("consumers", f"{state.consumer_count}.")]


def _examine_queue(state: DeploymentState) -> Finding:
    rooms = sum(queue.rooms for queue in state.queues)
    longest = max((queue.oldest_seconds for queue in state.queues), default=0.0)
    text = f"{rooms} rooms wait, the first for {longest:.0f} s."
    if longest <= QUEUE_SECONDS:
        return ok("queue", text)
    return Finding(Level.NOTE, "queue", text, "The query explainRouting says why no agent is offered a room.")
