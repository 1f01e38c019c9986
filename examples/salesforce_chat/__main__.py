"""Run the bridge: `python -m examples.salesforce_chat`. README.md lists the settings."""

import asyncio
import logging
import os
import signal
import sys

from examples.salesforce_chat.bridge import CONSUMER, serve
from examples.salesforce_chat.settings import BadSetting, Settings, read_settings
from switchboard_client import ApiError, App, ConnectionLost


async def run(settings: Settings) -> None:
    app = App(
        CONSUMER,
        url=settings.switchboard_url,
        token=settings.switchboard_token,
        own_events=True,  # its own mutations end assignments too
        handler_seconds=3 * settings.unreachable_seconds + 600,
    )
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, app.stop)
    await serve(settings, app)


def main() -> int:
    logging.basicConfig(
        level=os.environ.get("LOG_LEVEL", "INFO"), format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        asyncio.run(run(read_settings(os.environ)))
    except BadSetting as error:
        print(error, file=sys.stderr)
        return 2
    except (ApiError, ConnectionLost) as error:
        print(f"Switchboard: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
