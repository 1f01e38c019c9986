"""The settings of the app, read from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """README.md describes each."""

    switchboard_url: str
    switchboard_token: str = field(repr=False)
    outside_url: str
    outside_token: str = field(repr=False)
    consumer: str = "external-routing"
    room_field: str = "caseId"
    user_field: str = "externalId"
    department_id: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Raises ValueError with the names of the variables that are missing."""
        required = ("SWITCHBOARD_TOKEN", "OUTSIDE_URL", "OUTSIDE_TOKEN")
        if missing := [name for name in required if not environment.get(name)]:
            raise ValueError(f"Set {', '.join(missing)}. README.md describes the settings.")
        return cls(
            switchboard_url=environment.get("SWITCHBOARD_URL") or "http://127.0.0.1:8000/graphql",
            switchboard_token=environment["SWITCHBOARD_TOKEN"],
            outside_url=environment["OUTSIDE_URL"].rstrip("/"),
            outside_token=environment["OUTSIDE_TOKEN"],
            consumer=environment.get("ROUTING_CONSUMER") or "external-routing",
            room_field=environment.get("ROUTING_ROOM_FIELD") or "caseId",
            user_field=environment.get("ROUTING_USER_FIELD") or "externalId",
            department_id=environment.get("ROUTING_DEPARTMENT_ID") or None,
        )
