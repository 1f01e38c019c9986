"""Finds the rooms of agents that are gone, for resolvers/gone_agents.py."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import NamedTuple

from storage import rooms
from storage.mongo.reader import Reader
from storage.records import RoomStatus


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
