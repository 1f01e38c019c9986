"""Room counts of agents are stored only if the user is unchanged and still an agent."""

from datetime import UTC, datetime

import msgspec
import pytest

from storage import users
from storage.facts import UserCreated
from storage.mongo.connection import new_id
from storage.records import AgentProfile, User
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction
from tests.storage.support import opened

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_room_counts_of_a_user_without_profile_are_not_stored(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        user = User(id=new_id(NOON), username="anna", created_at=NOON, updated_at=NOON)
        created, _ = await storage.transactions.run(lambda tx: users.insert(tx, user, UserCreated))
        outdated = msgspec.structs.replace(created, agent=AgentProfile())
        with_room = msgspec.structs.replace(
            outdated, agent=AgentProfile(open_room_count=1), version=created.version + 1
        )

        async def update(tx: Transaction) -> None:
            await users.update_room_counts(tx, [(outdated, with_room)])
            with pytest.raises(Conflict):
                await tx.flush()

        await storage.transactions.run(update)

        assert await users.get(storage.reader, user.id) == created
