"""The sizes of the databases that are measured."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import msgspec


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much one database contains."""

    #: Open rooms: half of them wait, half of them have an agent.
    rooms: int
    agents: int
    #: Users with custom fields who are no agents.
    users: int
    #: Facts in the log.
    facts: int

    @property
    def database(self) -> str:
        """The name of its database."""
        return f"growth-{self.rooms}-{self.agents}-{self.users}-{self.facts}"


#: What grows, by the field of Sizes.
FACTORS = MappingProxyType({"rooms": "open rooms", "agents": "agents", "users": "users", "facts": "facts in the log"})


@dataclass(frozen=True)
class Plan:
    """What is measured. Of each factor, the first number is the one that it has while another factor grows."""

    rooms: Sequence[int]
    agents: Sequence[int]
    users: Sequence[int]
    facts: Sequence[int]
    #: Seconds of each measure, and how often all are repeated: the lowest figure counts.
    seconds: float
    rounds: int
    #: Subscribers of the same event, of all processes together.
    subscribers: int

    @property
    def base(self) -> Sizes:
        return Sizes(**{factor: getattr(self, factor)[0] for factor in FACTORS})

    def databases(self) -> Iterator[Sizes]:
        """All databases, the base first. Each other one differs from it in one factor."""
        yield self.base
        for factor in FACTORS:
            for size in getattr(self, factor)[1:]:
                yield msgspec.structs.replace(self.base, **{factor: size})

    def changed(self, **values: object) -> "Plan":
        """The same plan with other values; None stands for no change."""
        return replace(self, **{name: value for name, value in values.items() if value is not None})  # type: ignore[arg-type]


FULL = Plan(
    rooms=(1_000, 10_000, 100_000),
    agents=(200, 10, 2_000),
    users=(10_000, 100_000, 1_000_000),
    facts=(100_000, 1_000_000, 10_000_000),
    seconds=2.0,
    rounds=2,
    subscribers=300,
)
QUICK = Plan(
    rooms=(100, 1_000),
    agents=(20, 200),
    users=(1_000, 10_000),
    facts=(10_000, 100_000),
    seconds=0.7,
    rounds=1,
    subscribers=100,
)
