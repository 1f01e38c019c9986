"""What an import has done, and what it could not map."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

#: The records that the report names of one problem.
MAX_EXAMPLES = 3


@dataclass(slots=True)
class ImportReport:
    """Counts by kind, and problems with the first records that have them."""

    imported: Counter[str] = field(default_factory=Counter)
    #: Imported by an earlier run, or there already.
    present: Counter[str] = field(default_factory=Counter)
    #: (kind, problem): how many records, and the ids of the first.
    problems: dict[tuple[str, str], tuple[int, list[str]]] = field(default_factory=dict)

    def add_problem(self, kind: str, source_id: str, problem: str) -> None:
        count, examples = self.problems.get((kind, problem), (0, []))
        if len(examples) < MAX_EXAMPLES:
            examples.append(source_id)
        self.problems[kind, problem] = count + 1, examples

    def lines(self, nouns: Mapping[str, str], *, dry_run: bool) -> list[str]:
        """The report in lines for people."""
        verb = "to import" if dry_run else "imported"
        lines = [
            f"{noun}: {self.imported[kind]:,} {verb}, {self.present[kind]:,} there already"
            for kind, noun in nouns.items()
        ]
        if self.problems:
            lines.append("Not mapped:")
        for (kind, problem), (count, examples) in self.problems.items():
            lines.append(f"  {nouns[kind]}: {problem} ({count:,}; for example {', '.join(examples)})")
        return lines
