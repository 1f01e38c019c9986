"""Prints one line for each event, and misses none when the server restarts.

    SWITCHBOARD_ADMIN_TOKEN=... python -m examples.watch      SWITCHBOARD_HOST and _PORT are the address

The client remembers the cursor of the last event. After a lost connection it subscribes after that cursor, so that it
receives the missed events first. Ctrl-C stops it.
"""

import asyncio
import logging
import os
import sys

from examples.address import address
from switchboard_client import ApiError, Backoff, open_api
from switchboard_client.events import Event, MessageSent, RoomEvent


async def watch(url: str, token: str) -> None:
    """Print events until cancelled. Raises ApiError if the token is invalid or lacks a scope."""
    async with open_api(url, token, retry_seconds=float("inf"), backoff=Backoff(longest=2.0)) as api:
        cursor = await api.event_cursor()
        print(f"Watching {url}", file=sys.stderr)
        async for event in api.events_live(after=cursor):
            print(format_event(event), flush=True)


def format_event(event: Event) -> str:
    """One event as one line."""
    actor = event.actor.name or event.actor.type.lower()
    return f"#{event.sequence:<5} {event.occurred_at:%H:%M:%S}  {event.type:<22} {subject(event)}  by {actor}"


def subject(event: Event) -> str:
    """The subject of the event: a message, a room or a name."""
    if isinstance(event, MessageSent):
        return f"…{event.room.room_id[-4:]}: “{event.message.text}”"
    if isinstance(event, RoomEvent):
        room = event.room
        server = "" if room.served_by is None else f", {room.served_by.user.username}"
        return f"…{room.room_id[-4:]} {room.visitor.name or 'a visitor'}: {room.status}{server}"
    for noun, name in (("user", "username"), ("definition", "key")):
        if found := getattr(event, noun, None):
            return str(getattr(found, name))
    for noun in ("visitor", "department", "role", "app"):
        if found := getattr(event, noun, None):
            return found.name or "a visitor"
    return event.subject_id


def main() -> int:
    token = os.environ.get("SWITCHBOARD_ADMIN_TOKEN")
    if not token:
        print("Set SWITCHBOARD_ADMIN_TOKEN to a token with the scope events:read.", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        asyncio.run(watch(address(os.environ), token))
    except ApiError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
