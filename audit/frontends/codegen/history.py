"""Prints the history of a room and closes it: python history.py URL TOKEN ROOM"""

import asyncio
import sys

from switchboard_client import Client


async def main(url: str, token: str, room_id: str) -> None:
    async with Client(url=url, headers={"authorization": f"Bearer {token}"}) as client:
        history = await client.room_history(id=room_id)
        if history.room and history.room.events:
            for event in history.room.events.nodes:
                if event.typename__ == "RoomStarted":
                    print(f"started: {event.room.subject}")
                elif event.typename__ == "AgentAssigned":
                    print(f"assigned: {event.cause.value}")
                else:
                    print(event.type.value)

        closed = await client.close_room(room_id=room_id, comment="by the audit")
        if closed.close_room:
            print(f"closed: {closed.close_room.room.close_comment}")


asyncio.run(main(*sys.argv[1:]))
