"""The settings of the Rasa bot. README.md lists them."""

from dataclasses import dataclass, field
from enum import Enum

from examples.bots.settings import BotSettings, Environment, read_bot_settings


class Channel(Enum):
    """The channel of Rasa over which the app talks to the bot."""

    REST = "rest"
    CALLBACK = "callback"


@dataclass(frozen=True, slots=True, kw_only=True)
class RasaSettings:
    """How to reach Rasa, and how to read its answers."""

    url: str
    #: The value of Rasa's --auth-token. None: Rasa has none.
    token: str | None = field(repr=False)
    channel: Channel
    callback_host: str
    callback_port: int
    callback_secret: str = field(repr=False)
    #: What Rasa receives when it gets a room, such as /greet. None: it receives nothing.
    welcome: str | None
    fallback_intents: tuple[str, ...]
    hand_over_intents: tuple[str, ...]
    turn_seconds: float


def read_settings(env: Environment) -> tuple[BotSettings, RasaSettings]:
    """The settings of this process. Raises Misconfigured."""
    bot = read_bot_settings(env, username="rasa-bot", display_name="Assistant")
    channel = env.choice("RASA_CHANNEL", Channel.REST)
    return bot, RasaSettings(
        url=env.text("RASA_URL", "http://127.0.0.1:5005"),
        token=env.optional("RASA_TOKEN"),
        channel=channel,
        callback_host=env.text("RASA_CALLBACK_HOST", "127.0.0.1"),
        callback_port=int(env.number("RASA_CALLBACK_PORT", 5056, minimum=1, maximum=65_535)),
        callback_secret=env.text("RASA_CALLBACK_SECRET", None if channel is Channel.CALLBACK else "-"),
        welcome=env.optional("RASA_WELCOME"),
        fallback_intents=env.words("RASA_FALLBACK_INTENTS", "nlu_fallback"),
        hand_over_intents=env.words("RASA_HANDOVER_INTENTS", "request_human"),
        turn_seconds=bot.turn_seconds,
    )
