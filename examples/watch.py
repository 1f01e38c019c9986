"""Prints one line for each event, and misses none when the server restarts.

    SWITCHBOARD_ADMIN_TOKEN=... python -m examples.watch      SWITCHBOARD_HOST and _PORT are the address

The program remembers the cursor of the last event that it printed. After a lost connection it subscribes after that
cursor, so that it receives the missed events first. Ctrl-C stops it.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

import httpx
from websockets.exceptions import ConnectionClosed, WebSocketException

from examples.client import JSON, Api, Refused, address, open_http, open_socket

DOCUMENT = Path(__file__).with_suffix(".graphql").read_text(encoding="utf-8")
PAUSE_SECONDS = 1.0
#: The close code of an invalid token, which a retry does not fix.
FORBIDDEN = 4403


async def watch(url: str, token: str) -> None:
    """Print events until cancelled. Raises Refused or ConnectionClosed if the token is invalid or lacks a scope."""
    cursor: str | None = None
    connected = True  # so that the first failure is printed

    def print_event(data: JSON) -> None:
        nonlocal cursor
        print(format_event(data["events"]), flush=True)
        cursor = data["events"]["cursor"]

    while True:
        try:
            if cursor is None:
                async with open_http() as http:
                    cursor = (await Api(http, url, token, DOCUMENT).run("LogEnd"))["eventCursor"]
            async with open_socket(url, token, DOCUMENT) as socket:
                await socket.subscribe("Watch", print_event, after=cursor)
                print(f"Watching {url}", file=sys.stderr)
                connected = True
                await socket.run()
        except (OSError, httpx.TransportError, WebSocketException, Refused) as error:
            if not is_transient(error):
                raise
            if connected:
                print(f"{url} does not answer; trying again until it does", file=sys.stderr)
            connected = False
        await asyncio.sleep(PAUSE_SECONDS * random.uniform(0.5, 1.5))


def is_transient(error: Exception) -> bool:
    """Whether a retry may succeed."""
    match error:
        case Refused(code=code):
            return code == "UNAVAILABLE"
        case ConnectionClosed(rcvd=close) if close is not None:
            return bool(close.code != FORBIDDEN)
    return True


def format_event(event: JSON) -> str:
    """One event as one line."""
    actor = event["actor"]["name"] or event["actor"]["type"].lower()
    return f"#{event['sequence']:<5} {event['occurredAt'][11:19]}  {event['type']:<22} {subject(event)}  by {actor}"


def subject(event: JSON) -> str:
    """The subject of the event: a message, a room or a name."""
    match event:
        case {"message": {"text": text}, "room": {"roomId": room_id}}:
            return f"…{room_id[-4:]}: “{text}”"
        case {"room": room}:
            server = "" if room["servedBy"] is None else f", {room['servedBy']['user']['username']}"
            return f"…{room['roomId'][-4:]} {room['visitor']['name'] or 'a visitor'}: {room['status']}{server}"
        case {"user": {"username": name}} | {"definition": {"key": name}}:
            return str(name)
        case (
            {"visitor": {"name": name}}
            | {"department": {"name": name}}
            | {"role": {"name": name}}
            | {"app": {"name": name}}
        ):
            return str(name or "a visitor")
    return ""


def main() -> int:
    token = os.environ.get("SWITCHBOARD_ADMIN_TOKEN")
    if not token:
        print("Set SWITCHBOARD_ADMIN_TOKEN to a token with the scope events:read.", file=sys.stderr)
        return 2
    try:
        asyncio.run(watch(address(os.environ), token))
    except (Refused, ConnectionClosed) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
