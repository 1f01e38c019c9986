"""`python -m examples.external_routing`: runs the app until SIGTERM or Ctrl-C."""

import asyncio
import logging
import os
import sys

from examples.external_routing.outside import OutsideSystem
from examples.external_routing.router import make_app
from examples.external_routing.settings import Settings


async def run(settings: Settings) -> None:
    outside = OutsideSystem(settings.outside_url, settings.outside_token)
    try:
        await make_app(settings, outside).serve_until_signal()
    finally:
        await outside.close()


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = Settings.from_environment(os.environ)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
