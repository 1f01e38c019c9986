"""The org's limit of API requests in 24 hours, of which every response tells how much is used."""

import logging
import re

logger = logging.getLogger(__name__)

USAGE = re.compile(r"api-usage=(\d+)/(\d+)")


class ApiUsage:
    """How many requests of the org are used, by all its programs together."""

    def __init__(self, reserved_percent: int) -> None:
        self.used = 0
        self.limit = 0
        self._reserved_percent = reserved_percent
        self._refused = False
        self._warned = False

    @property
    def exhausted(self) -> bool:
        """Whether only the requests are left that are reserved for other programs of the org."""
        if self._refused or not self.limit:
            return self._refused
        return self.used >= self.limit * (100 - self._reserved_percent) / 100

    def record_refusal(self) -> None:
        """Salesforce refused a request because the limit is reached."""
        self._refused = True

    def record(self, header: str | None) -> None:
        """Read the Sforce-Limit-Info header of a response."""
        found = USAGE.search(header or "")
        if found is None:
            return
        self.used, self.limit = int(found[1]), int(found[2])
        self._refused = self.used >= self.limit
        if self.exhausted and not self._warned:
            logger.warning(
                "The org used %d of %d API requests. %d%% are reserved, so the bridge waits.",
                self.used,
                self.limit,
                self._reserved_percent,
            )
        self._warned = self.exhausted
