"""The settings of the Dialogflow bot. README.md lists them."""

import re
from enum import Enum

import msgspec

from examples.bots.engine import Misconfigured
from examples.bots.settings import BotSettings, Environment, read_bot_settings

ES_AGENT = re.compile(r"projects/[^/]+(/locations/(?P<location>[^/]+))?/agent")
CX_AGENT = re.compile(r"projects/[^/]+/locations/(?P<location>[^/]+)/agents/[^/]+")


class Switch(Enum):
    """A setting that is on or off."""

    ON = "on"
    OFF = "off"


class DialogflowSettings(msgspec.Struct, frozen=True):
    """How to reach an agent of Dialogflow, and how to read its answers."""

    #: projects/P/agent or projects/P/locations/L/agent for ES, projects/P/locations/L/agents/A for CX.
    agent: str
    environment: str | None
    language: str
    #: The host of the agent's region.
    endpoint: str
    #: The address of a server without TLS and credentials, which replaces Google's. For tests.
    insecure_endpoint: str | None
    #: The event that the agent receives when it gets a room. None: it receives nothing.
    welcome_event: str | None
    hand_over_intents: tuple[str, ...]
    #: Whether the end of the agent's conversation closes the room.
    end_closes_room: bool
    turn_seconds: float

    @property
    def is_cx(self) -> bool:
        return CX_AGENT.fullmatch(self.agent) is not None


def read_settings(env: Environment) -> tuple[BotSettings, DialogflowSettings]:
    """The settings of this process. Raises Misconfigured."""
    bot = read_bot_settings(env, username="dialogflow-bot", display_name="Assistant")
    agent = env.text("DIALOGFLOW_AGENT")
    match = ES_AGENT.fullmatch(agent) or CX_AGENT.fullmatch(agent)
    if match is None:
        raise Misconfigured(
            f"DIALOGFLOW_AGENT is {agent!r}; it must be projects/PROJECT/agent (ES) or "
            "projects/PROJECT/locations/LOCATION/agents/AGENT (CX)."
        )
    location = match["location"]
    host = "dialogflow.googleapis.com"
    return bot, DialogflowSettings(
        agent=agent,
        environment=env.optional("DIALOGFLOW_ENVIRONMENT"),
        language=env.text("DIALOGFLOW_LANGUAGE", "en"),
        endpoint=host if location in (None, "global") else f"{location}-{host}",
        insecure_endpoint=env.optional("DIALOGFLOW_INSECURE_ENDPOINT"),
        welcome_event=env.optional("DIALOGFLOW_WELCOME_EVENT"),
        hand_over_intents=env.words("DIALOGFLOW_HANDOVER_INTENTS"),
        end_closes_room=env.choice("DIALOGFLOW_END_CLOSES_ROOM", Switch.ON) is Switch.ON,
        turn_seconds=bot.turn_seconds,
    )
