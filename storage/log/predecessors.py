"""Completes facts by the earlier facts about their subjects, so that the log has those about one subject in order."""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence

import bson
from pymongo.read_concern import ReadConcern

from storage.facts import Fact
from storage.log import encoded_facts
from storage.mongo.connection import CODEC, Database, Document
from storage.mongo.local_commits import LocalCommit, NotBehind
from storage.mongo.undecodable import ERRORS

#: Size of the cache of the last appended number of each subject. For a cached subject, the outbox need not be read.
MAX_CACHED_SUBJECTS = 50_000
#: Facts that are read behind commits. With more, a majority acknowledges the commits first.
MAX_READ = 1_000


class Predecessors:
    """Knows the last number of each subject that this process appended, and reads the outbox for other subjects."""

    def __init__(self, database: Database) -> None:
        self._outbox = database["outbox"].with_options(read_concern=ReadConcern("local"))
        self._reads = database.direct_commands
        self._undecodable = database.undecodable
        self._last_numbers: OrderedDict[str, int] = OrderedDict()

    async def completed(self, facts: Sequence[Fact], behind: Collection[LocalCommit] = ()) -> list[Fact]:
        """Return the facts, each preceded by earlier facts about its subject that may not be in the log yet.

        The order of subjects stays. The facts about one subject are sorted by number. Raises NotBehind if it is not
        certain that the outbox is read behind these commits.
        """
        facts = list({fact.id: fact for fact in facts}.values())
        by_subject: dict[str, dict[int, Fact]] = {}
        for fact in facts:
            by_subject.setdefault(fact.subject_id, {})[fact.subject_number] = fact
        own_counts = {subject: len(numbered) for subject, numbered in by_subject.items()}
        uncertain = {
            subject: max(numbered) for subject, numbered in by_subject.items() if not self._follows(subject, numbered)
        }
        if uncertain:
            for document in await self._read(list(uncertain), behind):
                if document["number"] < uncertain[document["subject"]]:
                    try:
                        before = decode(document)
                    except ERRORS as error:
                        # A process of a newer version appends it and the facts that follow.
                        self._undecodable.report("outbox", document["_id"], error)
                        by_subject.pop(document["subject"], None)
                        continue
                    if document["subject"] in by_subject:
                        by_subject[document["subject"]].setdefault(int(document["number"]), before)
            facts = [fact for fact in facts if fact.subject_id in by_subject]
        queues = {
            subject: deque(numbered[number] for number in sorted(numbered)) for subject, numbered in by_subject.items()
        }
        result: list[Fact] = []
        for fact in facts:
            queue = queues[fact.subject_id]
            # Earlier facts come before the first own fact.
            while len(queue) > own_counts[fact.subject_id]:
                result.append(queue.popleft())
            result.append(queue.popleft())
            own_counts[fact.subject_id] -= 1
        return result

    async def _read(self, subjects: Sequence[str], behind: Collection[LocalCommit]) -> list[Document]:
        """The facts about these subjects that are in the outbox.

        A majority read on a newly elected primary may lack transactions that are committed, so this read is local.
        Facts before a committed one are committed too. Later facts may not be.
        """
        query = {"subject": {"$in": list(subjects)}}
        if not behind:
            return await self._outbox.find(query).to_list(None)
        command = {"find": "outbox", "filter": query, "batchSize": MAX_READ, "readConcern": {"level": "local"}}
        batch = await self._reads.find(command, behind=behind)
        if batch is None or batch.cursor_id:
            raise NotBehind
        return [bson.decode(document, CODEC) for document in batch.documents]

    def _follows(self, subject: str, own_numbers: Iterable[int]) -> bool:
        numbers = sorted(own_numbers)
        return numbers[0] == self._last_numbers.get(subject, 0) + 1 and numbers[-1] - numbers[0] == len(numbers) - 1

    def precede(self, facts: Iterable[Fact]) -> bool:
        """Whether the log is known to have all earlier facts about the subjects of these facts, which are in order."""
        last: dict[str, int] = {}
        for fact in facts:
            before = last.get(fact.subject_id, self._last_numbers.get(fact.subject_id, 0))
            if fact.subject_number != before + 1:
                return False
            last[fact.subject_id] = fact.subject_number
        return True

    def appended(self, facts: Iterable[Fact]) -> None:
        """Remember that these facts are in the log, in this order."""
        for fact in facts:
            self._last_numbers[fact.subject_id] = fact.subject_number
            self._last_numbers.move_to_end(fact.subject_id)
        while len(self._last_numbers) > MAX_CACHED_SUBJECTS:
            self._last_numbers.popitem(last=False)


def decode(document: Document) -> Fact:
    """The fact of a document of the outbox."""
    return encoded_facts.decode(document["fact"])
