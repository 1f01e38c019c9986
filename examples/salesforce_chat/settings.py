"""The settings of the bridge, read from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jwt

from examples.salesforce_chat.salesforce.api import Deployment
from examples.salesforce_chat.salesforce.tokens import IdentityKey

PREFIX = "SALESFORCE_CHAT_"
#: What becomes of a room when Salesforce ends its session.
CLOSE, QUEUE = "close", "queue"


class BadSetting(Exception):
    """A setting is missing or has a value that cannot be used. The message names it."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What visitors read. An empty text is not sent."""

    joined: str = "{agent} joined the conversation."
    nobody: str = "Nobody is available there at the moment. We will find somebody else for you."
    idle: str = "We close this conversation, because we have not heard from you for a while."
    ended: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    switchboard_url: str
    switchboard_token: str = field(repr=False)
    deployment: Deployment
    identity_key: IdentityKey | None
    #: The user of Switchboard that stands for Salesforce's agents.
    agent_username: str
    #: A department that this agent serves, if not empty.
    department: str
    #: A department that gets rooms that nobody at Salesforce takes, if not empty.
    fallback_department: str
    max_rooms: int
    #: (routing attribute, source in Switchboard)
    prechat: tuple[tuple[str, str], ...]
    wait_seconds: int
    left_seconds: int
    idle_seconds: int
    unreachable_seconds: float
    silence_seconds: float
    when_ended: str
    texts: Texts


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Raises BadSetting."""
    read = _Reader(environment)
    key_file = read.text("IDENTITY_KEY_FILE")
    identity_key = None
    if key_file:
        identity_key = IdentityKey(
            _read_file(key_file), read.required("IDENTITY_KEY_ID"), read.required("IDENTITY_ISSUER")
        )
        try:
            identity_key.sign("a check")
        except (jwt.PyJWTError, ValueError, TypeError):
            raise BadSetting(f"{PREFIX}IDENTITY_KEY_FILE: {key_file} has no RSA private key in PEM.") from None
    when_ended = read.text("WHEN_ENDED", CLOSE)
    if when_ended not in (CLOSE, QUEUE):
        raise BadSetting(f"{PREFIX}WHEN_ENDED must be {CLOSE} or {QUEUE}, not {when_ended!r}.")
    org_id = read.required("ORG_ID")
    if len(org_id) not in (15, 18) or not org_id.startswith("00D"):
        raise BadSetting(f"{PREFIX}ORG_ID must be the 15 or 18 characters of an organization, 00D..., not {org_id!r}.")
    url = read.required("URL").rstrip("/")
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise BadSetting(f"{PREFIX}URL must be an https address, or an http one on this machine, not {url!r}.")
    default = Texts()
    return Settings(
        switchboard_url=environment.get("SWITCHBOARD_URL", "http://127.0.0.1:8000/graphql"),
        switchboard_token=read.required("SWITCHBOARD_TOKEN", prefix=""),
        deployment=Deployment(url, org_id, read.required("DEPLOYMENT")),
        identity_key=identity_key,
        agent_username=read.text("AGENT", "salesforce-chat"),
        department=read.text("DEPARTMENT"),
        fallback_department=read.text("FALLBACK_DEPARTMENT"),
        max_rooms=read.number("MAX_ROOMS", 200, 1, 11_000),
        prechat=_prechat(read.text("PRECHAT")),
        wait_seconds=read.number("WAIT_SECONDS", 120, 1, 86_400),
        left_seconds=read.number("LEFT_SECONDS", 15, 1, 86_400),
        idle_seconds=read.number("IDLE_SECONDS", 900, 0, 31_536_000),
        unreachable_seconds=read.number("UNREACHABLE_SECONDS", 120, 1, 86_400),
        silence_seconds=read.number("SILENCE_SECONDS", 90, 1, 3_600),
        when_ended=when_ended,
        texts=Texts(
            joined=read.text("TEXT_JOINED", default.joined),
            nobody=read.text("TEXT_NOBODY", default.nobody),
            idle=read.text("TEXT_IDLE", default.idle),
            ended=read.text("TEXT_ENDED", default.ended),
        ),
    )


SOURCES = ("room.id", "room.subject", "room.source", "visitor.id", "visitor.name", "visitor.email", "visitor.phone")


def _prechat(text: str) -> tuple[tuple[str, str], ...]:
    """`Case_Id=room.customFields.caseId, Name=visitor.name` as pairs."""
    pairs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        attribute, _, source = (word.strip() for word in part.partition("="))
        owner, _, key = source.partition(".customFields.")
        if not attribute or not (source in SOURCES or (owner in ("room", "visitor") and key)):
            known = ", ".join((*SOURCES, "room.customFields.KEY", "visitor.customFields.KEY"))
            raise BadSetting(f"{PREFIX}PRECHAT: {part!r} must be ATTRIBUTE=SOURCE, with one of these sources: {known}.")
        pairs.append((attribute, source))
    return tuple(pairs)


def _read_file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise BadSetting(f"{PREFIX}IDENTITY_KEY_FILE: {error}") from None


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str = "") -> str:
        return self._environment.get(PREFIX + name, default)

    def required(self, name: str, prefix: str = PREFIX) -> str:
        value = self._environment.get(prefix + name, "")
        if not value:
            raise BadSetting(f"{prefix}{name} must be set.")
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name, str(default))
        if not text.isdecimal() or not least <= int(text) <= most:
            raise BadSetting(f"{PREFIX}{name} must be a number from {least} to {most}, not {text!r}.")
        return int(text)
