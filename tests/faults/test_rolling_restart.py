"""Two servers are replaced one after the other under load, and no request and no event is lost.

The clients do what the nginx of deploy/compose does: they keep connections open, send a request to the other server if
a connection is refused, and never repeat one that was sent.
"""

import asyncio
import math
import random
from collections.abc import Sequence

import httpx
import pytest

from storage.mongo.connection import Database
from tests.faults.load import AUTHORIZATION, HUNG_SECONDS, Follower, Load, count_outcomes, running_servers
from tests.faults.test_killed_servers import (
    STARTS_AND_CLOSES,
    Report,
    at_rest,
    compare,
    matching_facts,
    report,
    until_seen,
    verify_documents,
    verify_timers,
)
from tests.histories import verify_history

__all__ = ["report"]

#: How long a server that is stopped continues to serve.
DRAIN_SECONDS = "1.5"
#: Few, so that operations take no longer than a server that stops has for them, also on a busy machine.
WRITERS = 4
READERS = 2
READ = {"query": "{ rooms(first: 5) { nodes { id status messages(first: 1) { nodes { id } } } } }"}


class Readers:
    """Clients that send one query after the other."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = urls
        self.answered = 0
        self.failed: list[str] = []
        self.stopped = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(READERS):
                group.create_task(self._read(number))

    async def _read(self, number: int) -> None:
        async with httpx.AsyncClient(timeout=HUNG_SECONDS, headers={"authorization": AUTHORIZATION}) as http:
            while not self.stopped:
                number += 1
                try:
                    answer = await http.post(self.urls[number % len(self.urls)], json=READ)
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
                except httpx.TransportError as error:
                    self.failed.append(repr(error))
                else:
                    if answer.status_code == 200 and "errors" not in answer.json():
                        self.answered += 1
                    else:
                        self.failed.append(answer.text)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_rolling_restart_loses_no_request_and_no_event(
    mongodb_uri: str, database_name: str, report: Report, workers: int
) -> None:
    chance = random.Random()
    with running_servers(
        mongodb_uri, database_name, count=2, DRAIN_SECONDS=DRAIN_SECONDS, WORKERS=str(workers)
    ) as servers:
        load, readers = Load(servers.urls, chance, workers=WRITERS), Readers(servers.urls)
        await load.prepare()
        followers = [
            Follower(servers.urls, chance),
            Follower(servers.urls, chance, types=STARTS_AND_CLOSES),
            Follower(servers.urls, chance, consumer="router"),
        ]
        following = [asyncio.ensure_future(one.run()) for one in followers]

        async def restart() -> list[int]:
            try:
                return [await asyncio.to_thread(servers.replace, index) for index in range(2)]
            finally:
                load.stopped = readers.stopped = True

        try:
            codes, *_ = await asyncio.gather(restart(), load.run(math.inf), readers.run())
            async with Database(mongodb_uri, database_name) as database:
                facts = await at_rest(database)
                expected = {one: matching_facts(follower, facts) for one, follower in enumerate(followers)}
                await until_seen(followers, expected)
                report(
                    f"servers replaced: {len(codes)}; mutations: {len(load.outcomes)}; queries: {readers.answered}; "
                    f"connections refused: {load.refused}; lost: {load.repeated + len(readers.failed)}; "
                    f"facts: {len(facts)}; subscribers that connected again: {sum(one.cuts for one in followers)}"
                )
                assert compare(load.outcomes, facts) == ([], [])
                verify_timers(load.outcomes, facts)
                verify_history(facts)
                await verify_documents(database, facts)
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    assert codes == [0, 0]
    assert (readers.failed, load.causes, load.repeated, load.renewed, load.hung) == ([], [], 0, 0, 0)
    assert min(count_outcomes(load.outcomes)["startRoom"], readers.answered) > 0
    # Each subscriber was connected to a server that stopped, and has all events in order, each once.
    assert [one.wrong for one in followers] == [[], [], []]
    assert [one.seen for one in followers] == [expected[one] for one in range(3)]
