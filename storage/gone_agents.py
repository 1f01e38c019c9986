"""Finds agents that are OFFLINE and serve rooms, and these rooms, for resolvers/gone_agents.py."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import NamedTuple

from pymongo import ASCENDING

from storage import rooms, users
from storage.filters.attributes import BOT_ROLE
from storage.mongo.connection import Document
from storage.mongo.reader import Reader
from storage.records import Presence, RoomStatus


def agents_query(until: datetime) -> Document:
    """The MongoDB query for the agents of `iterate_agents`."""
    return {
        "presence": Presence.OFFLINE.value,
        "agent.openRoomCount": {"$gt": 0},
        # Users of version 0.1.0 have no such time.
        "offlineSince": {"$not": {"$gt": until}},
        "roles": {"$ne": BOT_ROLE},
    }


async def iterate_agents(reader: Reader, until: datetime, *, size: int) -> AsyncIterator[dict[str, datetime]]:
    """Yield the agents without the role bot that serve rooms and have been OFFLINE since `until` or longer.

    Each batch has up to `size` agents by id, with the time since when they are OFFLINE (User.gone_since).
    """
    found = reader.collection(users.KIND.collection).find(
        agents_query(until),
        {"offlineSince": 1, "updatedAt": 1},
        sort=[("offlineSince", ASCENDING)],
        batch_size=size,
    )
    while documents := await found.to_list(size):
        yield {document["_id"]: document.get("offlineSince") or document["updatedAt"] for document in documents}


class AssignedRoom(NamedTuple):
    """The values of an ASSIGNED room that decide when its agent is gone."""

    id: str
    agent_id: str
    department_id: str | None
    assigned_at: datetime


async def iterate_rooms(
    reader: Reader, agent_ids: Iterable[str], department_ids: Iterable[str | None], *, until: datetime
) -> AsyncIterator[AssignedRoom]:
    """Yield the rooms that these agents serve in these departments (None: no department), assigned up to `until`."""
    found = reader.collection(rooms.KIND.collection).find(
        {
            "servedById": {"$in": list(agent_ids)},
            "status": RoomStatus.ASSIGNED.value,
            "departmentId": {"$in": list(department_ids)},
            "assignedAt": {"$lte": until},
        },
        {"servedById": 1, "departmentId": 1, "assignedAt": 1},
    )
    async for document in found:
        yield AssignedRoom(
            document["_id"], document["servedById"], document.get("departmentId"), document["assignedAt"]
        )
