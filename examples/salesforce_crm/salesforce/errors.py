"""What can go wrong between the bridge and Salesforce."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]

#: Refusals that end by themselves: the same request succeeds later.
TRANSIENT_CODES = frozenset(
    {
        "UNABLE_TO_LOCK_ROW",
        "SERVER_UNAVAILABLE",
        "REQUEST_RUNNING_TOO_LONG",
        "CONCURRENT_REQUESTS_LIMIT_EXCEEDED",
        "UNKNOWN_EXCEPTION",
    }
)


class SalesforceError(Exception):
    """Base of the errors of this package."""


class Unavailable(SalesforceError):
    """Salesforce did not answer, or answered that it cannot serve now. The same request may be repeated later."""


class SignInRefused(SalesforceError):
    """The token endpoint refused the app, or a new session was refused at once."""


class LimitReached(SalesforceError):
    """The org has no API requests left."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the list in an error response."""

    code: str
    message: str
    fields: tuple[str, ...]
    details: JSON


class Refused(SalesforceError):
    """Salesforce refused a request. It had no effect."""

    def __init__(self, status: int, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.code}: {fault.message}" for fault in faults) or f"HTTP {status}")
        self.status = status
        self.faults = tuple(faults)

    @property
    def code(self) -> str:
        """The code of the first fault, such as REQUIRED_FIELD_MISSING."""
        return self.faults[0].code if self.faults else f"HTTP_{self.status}"

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that the faults name."""
        return tuple(field for fault in self.faults for field in fault.fields)

    @property
    def transient(self) -> bool:
        return self.status >= 500 or self.status == 429 or self.code in TRANSIENT_CODES


class DuplicatesDetected(Refused):
    """A duplicate rule matched existing records."""

    @property
    def allow_save(self) -> bool:
        """Whether the rule lets the record be saved when the request insists."""
        return bool(self._result.get("allowSave"))

    @property
    def matches(self) -> list[str]:
        """The ids of the records that match, the most similar first."""
        records = [record for result in self._result.get("matchResults", ()) for record in result["matchRecords"]]
        records.sort(key=lambda record: record.get("matchConfidence", 0), reverse=True)
        return [str(record["record"]["Id"]) for record in records]

    @property
    def _result(self) -> JSON:
        found: JSON = self.faults[0].details.get("duplicateResult", {})
        return found


def refusal_from(status: int, body: object) -> Refused:
    """The error that a response describes. Bodies of proxies may be anything."""
    entries = body if isinstance(body, list) else [body]
    faults = [
        Fault(
            str(entry.get("errorCode", f"HTTP_{status}")),
            str(entry.get("message", "")),
            tuple(map(str, entry.get("fields") or ())),
            entry,
        )
        for entry in entries
        if isinstance(entry, dict)
    ]
    kind = DuplicatesDetected if faults and faults[0].code == "DUPLICATES_DETECTED" else Refused
    return kind(status, faults)
