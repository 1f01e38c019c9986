"""Agents that rooms make busier or freer: stored only on top of what was read, and only while they are agents."""

from datetime import UTC, datetime

import msgspec
import pytest

from storage import users
from storage.facts import UserCreated
from storage.mongo.connection import new_id
from storage.records import AgentProfile, User
from storage.transactions.transaction import Conflict, Transaction
from tests.storage.support import opened

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_a_user_who_is_no_agent_is_not_moved_whatever_its_version(mongodb_uri: str, empty_database: str) -> None:
    async with opened(mongodb_uri, empty_database, processes=1) as (storage,):
        user = User(id=new_id(NOON), username="anna", created_at=NOON, updated_at=NOON)
        created, _ = await storage.transactions.run(lambda tx: users.insert(tx, user, UserCreated))
        believed = msgspec.structs.replace(created, agent=AgentProfile())
        moved = msgspec.structs.replace(believed, agent=AgentProfile(open_room_count=1), version=created.version + 1)

        async def move(tx: Transaction) -> None:
            await users.update_room_counts(tx, [(believed, moved)])
            with pytest.raises(Conflict):
                await tx.flush()

        await storage.transactions.run(move)

        assert await users.get(storage.reader, user.id) == created
