"""Commits a transaction only if the definitions by which it assigned custom fields are still the newest."""

from typing import Any

from typing_extensions import override

from storage.custom_fields import epochs
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction


class DefinitionGuard:
    """A commit guard (transactions/conflicts.py): the epoch of the definitions that one attempt uses."""

    def __init__(self, tx: Transaction) -> None:
        self._database = tx.database
        self._definition_cache = tx.definition_cache
        self._epoch = self._definition_cache.acquire_epoch()

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, DefinitionGuard) and other._epoch == self._epoch

    @override
    def __hash__(self) -> int:
        return hash(self._epoch)

    @property
    def condition(self) -> tuple[str, str, str]:
        return epochs.PLACE

    def require(self, value: Any) -> None:
        if int(value or 0) != self._epoch:
            raise Conflict(self.refresh)

    async def is_outdated(self) -> bool:
        return await epochs.read_epoch(self._database) != self._epoch

    async def refresh(self) -> None:
        await self._definition_cache.refresh()

    def close(self) -> None:
        self._definition_cache.release_epoch(self._epoch)


def pin_epoch(tx: Transaction) -> None:
    """Commit the transaction only if the epoch is then the one of the definitions that are cached now."""
    if not any(isinstance(guard, DefinitionGuard) for guard in tx.guards):
        tx.add_guard(DefinitionGuard(tx))
