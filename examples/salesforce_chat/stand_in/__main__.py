"""Serve the stand-in until a signal: `python -m examples.salesforce_chat.stand_in --port 8900 --data chat.sqlite`."""

import argparse
import asyncio
import os
import socket
from pathlib import Path

from examples.salesforce_chat.stand_in.app import DEVELOPER_NAME, ORG_ID, Options, create_server


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.salesforce_chat.stand_in")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--data", default=":memory:", help="an SQLite file; in memory by default")
    parser.add_argument("--public-key", type=Path, help="the public key of identity tokens (PEM)")
    parser.add_argument("--guest-seconds", type=float, default=3600)
    parser.add_argument("--verified-seconds", type=float, default=6 * 3600)
    parser.add_argument("--messages-per-minute", type=int, default=22)
    parser.add_argument("--replay", type=int, default=100, help="how many past events a stream replays")
    given = parser.parse_args()
    options = Options(
        path=given.data,
        guest_seconds=given.guest_seconds,
        verified_seconds=given.verified_seconds,
        public_key=given.public_key.read_text() if given.public_key else os.environ.get("STAND_IN_PUBLIC_KEY", ""),
        messages_per_minute=given.messages_per_minute,
        replay=given.replay,
    )
    listener = socket.create_server(("127.0.0.1", given.port))
    port = listener.getsockname()[1]
    print(f"Enhanced Chat  http://127.0.0.1:{port}  organization {ORG_ID}  deployment {DEVELOPER_NAME}", flush=True)
    await create_server(options).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main())
