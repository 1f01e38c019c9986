"""Change streams that the MongoDB user may not open: logged once, and retried."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pymongo.errors import OperationFailure

logger = logging.getLogger(__name__)

#: Pause between two attempts. An administrator may grant the role at any time.
RETRY_SECONDS = 1.0
#: MongoDB's code for a command that the user may not run.
UNAUTHORIZED = 13


class ChangeStreamRetry:
    """Retries a watch function that the MongoDB user is not authorized for. Logs it once; raises other errors."""

    def __init__(
        self,
        collection: str,
        watch: Callable[[], Awaitable[None]],
        *,
        fallback: str = "this process polls it every second",
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._collection = collection
        self._watch = watch
        self._fallback = fallback
        self._retry_seconds = retry_seconds
        self._logged = False

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self._watch()
            except OperationFailure as error:
                if error.code != UNAUTHORIZED:
                    raise
                if not self._logged:
                    self._logged = True
                    logger.warning(
                        "The MongoDB user may not open a change stream on the collection %s, so %s. Grant the user "
                        "the role readWrite on the database.",
                        self._collection,
                        self._fallback,
                    )
            await asyncio.sleep(self._retry_seconds)
