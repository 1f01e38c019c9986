"""The conditions of a commit: values of documents that must still be those by which the changes were decided.

They are read while the transaction is written, or in it (commits.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from storage.mongo.connection import Document
from storage.transactions.conflicts import CommitGuard, Conflict
from storage.transactions.writes import PreparedChange, RefusedChanges

_LOCAL: Final = {"level": "local"}


class Conditions:
    """The conditions of changes that are committed together. Equal ones are read once."""

    def __init__(self, changes: Sequence[PreparedChange]) -> None:
        self._changes = changes
        self._guards: dict[CommitGuard, None] = dict.fromkeys(guard for change in changes for guard in change.guards)
        #: The ids of the documents, by collection and field.
        wanted: dict[tuple[str, str], dict[str, None]] = {}
        for change in changes:
            for collection, document_id in change.versions:
                wanted.setdefault((collection, "version"), {})[document_id] = None
        for guard in self._guards:
            collection, document_id, field = guard.condition
            wanted.setdefault((collection, field), {})[document_id] = None
        self._wanted = [(collection, field, list(ids)) for (collection, field), ids in wanted.items()]

    def __bool__(self) -> bool:
        return bool(self._wanted)

    def finds(self) -> list[Document]:
        """Commands that read the values in a transaction."""
        return [
            {
                "find": collection,
                "filter": {"_id": _any_of(ids)},
                "projection": {field: 1},
                "batchSize": len(ids),
                "singleBatch": True,
            }
            for collection, field, ids in self._wanted
        ]

    def command(self) -> Document:
        """One command that reads all values outside of a transaction. It costs less than several finds.

        A read in the transaction would see no more: it is of the time at which the transaction began, and a change that
        is committed later does not conflict with it either.
        """
        if len(self._wanted) == 1:
            (find,) = self.finds()
            return {**find, "readConcern": _LOCAL}
        (collection, first), *others = [
            (
                collection,
                [
                    {"$match": {"_id": _any_of(ids)}},
                    {"$project": {field: 1, "place": {"$literal": place}}},
                ],
            )
            for place, (collection, field, ids) in enumerate(self._wanted)
        ]
        unions = [{"$unionWith": {"coll": other, "pipeline": pipeline}} for other, pipeline in others]
        return {
            "aggregate": collection,
            "pipeline": [*first, *unions],
            "cursor": {"batchSize": sum(len(ids) for _, _, ids in self._wanted) + 1},
            "readConcern": _LOCAL,
        }

    def require_in(self, reply: Document) -> None:
        """Raise what `require` raises, by the reply to `command`."""
        values: dict[tuple[str, str], Any] = {}
        for document in reply["cursor"]["firstBatch"]:
            collection, field, _ = self._wanted[document.get("place", 0)]
            values[collection, document["_id"]] = document.get(field)
        self.require(values)

    def require_in_all(self, replies: Sequence[Document]) -> None:
        """Raise what `require` raises, by the replies to `finds`."""
        self.require(
            {
                (collection, document["_id"]): document.get(field)
                for (collection, field, _), reply in zip(self._wanted, replies, strict=True)
                for document in reply["cursor"]["firstBatch"]
            }
        )

    def require(self, values: Mapping[tuple[str, str], Any]) -> None:
        """Raise RefusedChanges for the changes whose conditions are false by these values, by collection and id."""
        outdated = {
            place: Conflict()
            for place, change in enumerate(self._changes)
            if any(values.get(document) != version for document, version in change.versions.items())
        }
        if outdated:
            raise RefusedChanges(dict(outdated))
        for guard in self._guards:
            collection, document_id, _ = guard.condition
            try:
                guard.require(values.get((collection, document_id)))
            except Conflict as conflict:
                raise RefusedChanges(
                    {
                        place: Conflict(conflict.before_retry)
                        for place, change in enumerate(self._changes)
                        if guard in change.guards
                    }
                ) from None


def _any_of(ids: Sequence[str]) -> Any:
    """The value of a query for documents with these ids. For one id, MongoDB needs no plan if it is without $in."""
    return ids[0] if len(ids) == 1 else {"$in": ids}
