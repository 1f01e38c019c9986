"""Measures lookups of users by custom fields among a million, compared with the driver alone and `{ __typename }`.

    python -m benchmarks.custom_fields [--quick] [--users N]

Starts a mongod and one server of its own, loads users with five fields each in the server's own encoding, and looks
them up over HTTP: by a unique field, by one that ten users share, and by two fields and a role. It prints each rate
next to the rates of the same query sent by the driver alone, and of `{ __typename }` on the same server. It also prints
how many keys MongoDB examines, and what the fields cost in indexes and writes.
"""

import argparse
import asyncio
import contextlib
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection

from benchmarks.figures import Figure, record
from benchmarks.routing import Client, Measured, measure
from benchmarks.sockets import server
from storage import users
from storage.custom_fields import definitions as stored_definitions
from storage.custom_fields import unique_indexes
from storage.custom_fields.definition_cache import DefinitionCache
from storage.embedded.replica_set import EmbeddedReplicaSet
from storage.entities import encode
from storage.filters.expressions import And, AttributeCondition, BoundCondition, Expression, Operator
from storage.filters.mongo_query import to_query
from storage.mongo import indexes
from storage.mongo.connection import Database, new_id
from storage.mongo.reader import Reader
from storage.records import FieldDefinition, FieldTarget, User

NAME = "custom-fields"
#: The number of users with the same `segment`.
USERS_PER_SEGMENT = 10
#: The number of users with the same `team`. A fifth of them have the same plan, and half of these the same role.
USERS_PER_TEAM = 100
PLANS = ("free", "basic", "pro", "gold", "max")
CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 2_000
WRITES = 20_000
CONCURRENCIES = (1, 32)

SELECTION = "id username roles { name } customFields { key value }"


def user(number: int) -> User:
    """The record of user `number`, which determines its fields."""
    return User(
        id=new_id(CREATED_AT + timedelta(seconds=number)),
        version=1,
        fact_count=1,
        username=f"user-{number:08}",
        name=f"User {number}",
        emails=(f"user-{number}@example.org",),
        roles=("customer",) if number // len(PLANS) % 2 else ("partner",),
        custom_fields={
            "externalId": f"ext-{number:08}",
            "segment": f"segment-{number // USERS_PER_SEGMENT}",
            "team": f"team-{number // USERS_PER_TEAM}",
            "plan": PLANS[number % len(PLANS)],
            "since": CREATED_AT + timedelta(hours=number % 100_000),
        },
        created_at=CREATED_AT,
        updated_at=CREATED_AT,
    )


@dataclass(frozen=True)
class Lookup:
    """One lookup, over HTTP and with the driver alone."""

    title: str
    query: str
    #: The variables for user number n.
    variables: Callable[[int], dict[str, Any]]
    #: The MongoDB query for user number n.
    mongo_query: Callable[[int], dict[str, Any]]
    rows: int
    #: The part of the rate of `{ __typename }` to reach.
    target: float | None = None


def make_lookups(definitions: dict[str, FieldDefinition]) -> Sequence[Lookup]:
    def by(key: str, value: object) -> Expression:
        return BoundCondition(definitions[key], Operator.EQ, value)

    def two_and_role(number: int) -> dict[str, Any]:
        expected = user(number)
        role = AttributeCondition("role", Operator.EQ, expected.roles[0])
        parts = (role, by("team", expected.custom_fields["team"]), by("plan", expected.custom_fields["plan"]))
        return to_query(And(parts), FieldTarget.USER)

    return (
        Lookup(
            "unique field, 1 found",
            'query ($v: FieldValue!) { user(by: { customField: { key: "externalId", value: $v } }) { '
            + SELECTION
            + " } }",
            lambda number: {"v": f"ext-{number:08}"},
            lambda number: {stored_definitions.path(definitions["externalId"]): f"ext-{number:08}"},
            1,
            0.7,
        ),
        Lookup(
            f"one field, {USERS_PER_SEGMENT} found",
            'query ($v: FieldValue!) { users(where: { customFields: [{ key: "segment", eq: $v }] }) { nodes { '
            + SELECTION
            + " } } }",
            lambda number: {"v": f"segment-{number // USERS_PER_SEGMENT}"},
            lambda number: to_query(by("segment", f"segment-{number // USERS_PER_SEGMENT}"), FieldTarget.USER),
            USERS_PER_SEGMENT,
        ),
        Lookup(
            "two fields and a role, 10 found",
            "query ($t: FieldValue!, $p: FieldValue!, $r: [String!]) { users(where: { hasRoles: $r, customFields: "
            '[{ key: "team", eq: $t }, { key: "plan", eq: $p }] }) { nodes { ' + SELECTION + " } } }",
            lambda number: {
                "t": f"team-{number // USERS_PER_TEAM}",
                "p": PLANS[number % len(PLANS)],
                "r": list(user(number).roles),
            },
            two_and_role,
            USERS_PER_TEAM // len(PLANS) // 2,
        ),
    )


# ---------------------------------------------------------------- loading


async def define(client: Client) -> None:
    for role in ("customer", "partner"):
        await client.mutate("createRole", "role { id }", name=role)
    fields: dict[str, dict[str, Any]] = {
        "externalId": {"type": "TEXT", "unique": True},
        "segment": {"type": "TEXT"},
        "team": {"type": "TEXT"},
        "plan": {"type": "SELECT", "options": list(PLANS)},
        "since": {"type": "DATETIME"},
    }
    for key, properties in fields.items():
        await client.mutate("defineCustomField", "definition { id }", target="USER", key=key, **properties)


async def load(reader: Reader, count: int) -> None:
    """Insert the users, then create the indexes, which is faster than the reverse."""
    collection = reader.collection("users")
    await collection.drop_indexes()
    began = time.perf_counter()
    for start in range(0, count, BATCH):
        documents = [encode(reader, users.KIND, user(number)) for number in range(start, min(start + BATCH, count))]
        await collection.insert_many(documents, ordered=False)
        progress("Loading users", min(start + BATCH, count), count, began)
    print("Creating indexes ...", flush=True)
    await collection.create_indexes(list(indexes.INDEXES["users"]))
    for definition in reader.definition_cache.definitions(FieldTarget.USER).values():
        if definition.unique:
            await unique_indexes.create(reader.database, definition)
    print(f"{count:,} users loaded in {time.perf_counter() - began:.0f} s.", flush=True)


def progress(what: str, done: int, count: int, began: float) -> None:
    """Print a progress bar on a terminal, and occasional lines elsewhere."""
    bar = "#" * (30 * done // count)
    line = f"{what} [{bar:30}] {done:,} of {count:,}, {done / (time.perf_counter() - began):,.0f}/s"
    if sys.stdout.isatty():
        print(f"\r{line}", end="\n" if done == count else "", flush=True)
    elif done == count or done * 10 // count != (done - BATCH) * 10 // count:
        print(line, flush=True)


# ---------------------------------------------------------------- measuring


async def measure_lookups(
    client: Client,
    collection: AsyncIOMotorCollection[dict[str, Any]],
    lookups: Sequence[Lookup],
    count: int,
    seconds: float,
) -> None:
    print("\n| over HTTP | concurrency | requests/s | p50 | p99 | driver/s | p50 | ratio | of `{ __typename }` |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for concurrency in CONCURRENCIES:
        cheapest = await measure(lambda: client.send("{ __typename }", {}), concurrency, seconds)
        print(f"| `{{ __typename }}` | {concurrency} | {format_figures(cheapest)} | | | | 1.00 |", flush=True)
        for lookup in lookups:

            async def query_server(lookup: Lookup = lookup) -> None:
                data = await client.send(lookup.query, lookup.variables(random.randrange(count)))
                (found,) = data.values()
                if found is None or len(found.get("nodes", [found])) != lookup.rows:
                    raise RuntimeError(f"{lookup.title}: {found}")

            async def query_database(lookup: Lookup = lookup) -> None:
                query = lookup.mongo_query(random.randrange(count))
                if len(await collection.find(query).sort("_id", 1).limit(51).to_list(51)) != lookup.rows:
                    raise RuntimeError(lookup.title)

            ours = await measure(query_server, concurrency, seconds)
            driver = await measure(query_database, concurrency, seconds)
            if concurrency == max(CONCURRENCIES):
                what = f"users among {count:,} by {lookup.title}, {concurrency} at once"
                record(Figure(what, ours.rate, "/s", cheapest.rate, "{ __typename }", lookup.target))
            print(
                f"| {lookup.title} | {concurrency} | {format_figures(ours)} "
                f"| {driver.rate:,.0f} | {driver.p50_ms:.2f} ms "
                f"| {ours.rate / driver.rate:.2f} | {ours.rate / cheapest.rate:.2f} |",
                flush=True,
            )


def format_figures(measured: Measured) -> str:
    return f"{measured.rate:,.0f} | {measured.p50_ms:.2f} ms | {measured.p99_ms:.2f} ms"


async def explain(collection: AsyncIOMotorCollection[dict[str, Any]], lookups: Sequence[Lookup], count: int) -> None:
    print("\n| | rows | keys examined | documents examined | index |")
    print("|---|---:|---:|---:|---|")
    for lookup in lookups:
        plan = await collection.find(lookup.mongo_query(count // 2)).sort("_id", 1).limit(51).explain()
        stats = plan["executionStats"]
        used = sorted(set(re.findall(r"'indexName': '([a-z_]+)", str(plan["queryPlanner"]["winningPlan"]))))
        print(
            f"| {lookup.title} | {stats['nReturned']} | {stats['totalKeysExamined']} | {stats['totalDocsExamined']} "
            f"| {', '.join(used)} |"
        )


async def measure_cost(reader: Reader, collection: AsyncIOMotorCollection[dict[str, Any]], count: int) -> None:
    """Compare with the same users without fields, in a collection with all other indexes."""
    plain = collection.database["users_plain"]
    print("\nCopying the users without their fields ...", flush=True)
    await collection.aggregate([{"$unset": ["fields", "attrs"]}, {"$out": plain.name}]).to_list(None)
    await plain.create_indexes([one for one in indexes.INDEXES["users"] if one.document["name"] != "fields"])

    print("\n| | data | indexes | of these for fields | inserts/s | updates/s |")
    print("|---|---:|---:|---:|---:|---:|")
    rates = []
    for title, written in (("with five fields", collection), ("without", plain)):
        rates.append(await write(reader, written, count, plain=written is plain))
        inserts, updates = rates[-1]
        stats = await collection.database.command("collStats", written.name)
        sizes = stats["indexSizes"]
        fields = sum(size for name, size in sizes.items() if name == "fields" or name.startswith("unique_"))
        print(
            f"| {title} | {per_user(stats['size'], stats['count'])} | {per_user(sum(sizes.values()), stats['count'])} "
            f"| {per_user(fields, stats['count'])} | {inserts:,.0f} | {updates:,.0f} |",
            flush=True,
        )
    (inserts, updates), (plain_inserts, plain_updates) = rates
    record(Figure("inserts of users with five fields", inserts, "/s", plain_inserts, "without fields"))
    print(f"| ratio | | | | {inserts / plain_inserts:.2f} | {updates / plain_updates:.2f} |")


def per_user(size: int, count: int) -> str:
    return f"{size / count:,.0f} B/user"


async def write(
    reader: Reader, collection: AsyncIOMotorCollection[dict[str, Any]], count: int, *, plain: bool
) -> tuple[float, float]:
    """The rates of inserts and replacements in batches, without encoding."""
    documents = [encode(reader, users.KIND, user(number)) for number in range(count, count + WRITES)]
    if plain:
        for document in documents:
            del document["fields"], document["attrs"]
    batches = [documents[start : start + BATCH] for start in range(0, WRITES, BATCH)]
    began = time.perf_counter()
    for batch in batches:
        await collection.insert_many(batch, ordered=False)
    inserted = time.perf_counter() - began
    changed = [{**document, "name": "changed"} for document in documents[: WRITES // 10]]
    began = time.perf_counter()

    async def replace() -> None:
        while changed:
            document = changed.pop()
            await collection.replace_one({"_id": document["_id"]}, document)

    await asyncio.gather(*(replace() for _ in range(32)))
    return WRITES / inserted, WRITES / 10 / (time.perf_counter() - began)


# ---------------------------------------------------------------- main


@contextlib.contextmanager
def deployment() -> Iterator[tuple[str, str]]:
    """Run a mongod and a server. Yields the URI of the mongod and the address of the server."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedReplicaSet(Path(folder)) as mongod,
        server(mongod.uri, NAME) as (url, _),
    ):
        yield mongod.uri, url


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="50,000 users and half a minute")
    parser.add_argument("--users", type=int, help="how many to load; 1,000,000 by default")
    arguments = parser.parse_args()
    count = arguments.users or (50_000 if arguments.quick else 1_000_000)
    seconds = 1.5 if arguments.quick else 6.0
    with deployment() as (uri, url):
        client = Client(url)
        await define(client)
        async with Database(uri, NAME) as database:
            definition_cache = DefinitionCache(database)
            await definition_cache.refresh()
            reader = Reader(database, definition_cache)
            await load(reader, count)
            lookups = make_lookups(dict(definition_cache.definitions(FieldTarget.USER)))
            collection = AsyncIOMotorClient[dict[str, Any]](uri, tz_aware=True)[NAME]["users"]
            await measure_lookups(client, collection, lookups, count, seconds)
            await explain(collection, lookups, count)
            await measure_cost(reader, collection, count)


if __name__ == "__main__":
    asyncio.run(main())
