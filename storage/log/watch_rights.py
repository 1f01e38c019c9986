"""Change streams that the MongoDB user may not open: said once, while the caller goes on polling."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pymongo.errors import OperationFailure

logger = logging.getLogger(__name__)

#: From one attempt to the next: the right may be granted meanwhile, and polling goes on at this pace.
RETRY_SECONDS = 1.0
#: MongoDB's code for a command that the user may not run.
UNAUTHORIZED = 13


class WithoutRight:
    """Opens a change stream again and again; the missing right to do so is logged once, other errors are raised."""

    def __init__(self, collection: str, watch: Callable[[], Awaitable[None]]) -> None:
        self._collection = collection
        self._watch = watch
        self._said = False

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._watch()
            except OperationFailure as error:
                if error.code != UNAUTHORIZED:
                    raise
                if not self._said:
                    self._said = True
                    logger.warning(
                        "The MongoDB user may not open a change stream on the collection %s, so that this process "
                        "polls it, up to a second late: grant the user the role readWrite on the database.",
                        self._collection,
                    )
            await asyncio.sleep(RETRY_SECONDS)
