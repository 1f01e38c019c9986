"""Runs the bridge until SIGTERM or Ctrl-C: python -m examples.salesforce_crm"""

import asyncio
import logging
import os
import signal
import sys

import httpx

from examples.salesforce_crm.bridge import make_app
from examples.salesforce_crm.salesforce.errors import SignInRefused, Unavailable
from examples.salesforce_crm.salesforce.limits import ApiUsage
from examples.salesforce_crm.salesforce.rest import Salesforce
from examples.salesforce_crm.salesforce.session import Credentials, Sessions
from examples.salesforce_crm.settings import InvalidSetting, Settings, read_settings
from examples.salesforce_crm.setup import define_room_field
from switchboard_client import ApiError, ConnectionLost

#: A graph with a large transcript may take long.
TIMEOUT = httpx.Timeout(60.0, connect=10.0)


async def serve(settings: Settings) -> None:
    """Serve until the process is told to stop."""
    credentials = Credentials(
        settings.salesforce_login_url.rstrip("/"),
        settings.salesforce_audience,
        settings.salesforce_client_id,
        settings.salesforce_username,
        settings.private_key,
    )
    async with httpx.AsyncClient(timeout=TIMEOUT) as http:
        sessions = Sessions(http, credentials)
        usage = ApiUsage(settings.crm_reserved_percent)
        salesforce = Salesforce(
            http,
            sessions,
            usage,
            version=settings.salesforce_api_version,
            poll_seconds=settings.crm_limit_poll_seconds,
        )
        try:
            await sessions.get()
        except Unavailable as error:
            logging.getLogger(__name__).warning("Salesforce does not answer yet: %s", error)
        app = make_app(salesforce, settings)
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, app.stop)
        try:
            await app.ensure_consumer()  # what happens from now on is handled, also if the set-up takes long
            await define_room_field(app.api, settings.crm_room_field)
            await app.serve()
        finally:
            await app.close()


def main() -> int:
    logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"), format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        asyncio.run(serve(read_settings()))
    except (InvalidSetting, SignInRefused) as error:
        print(f"The bridge does not start: {error}", file=sys.stderr)
        return 2
    except (ApiError, ConnectionLost) as error:
        print(f"The bridge ends. Switchboard: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
