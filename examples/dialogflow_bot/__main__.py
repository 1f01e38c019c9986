"""Runs the Dialogflow bot: `python -m examples.dialogflow_bot`. README.md lists its settings."""

import sys

from examples.bots.process import run, serve
from examples.bots.settings import Environment
from examples.dialogflow_bot.cx import CxEngine
from examples.dialogflow_bot.engine import DialogflowEngine
from examples.dialogflow_bot.es import EsEngine
from examples.dialogflow_bot.settings import DialogflowSettings, read_settings


def engine_for(settings: DialogflowSettings) -> DialogflowEngine:
    """The engine of the agent's edition."""
    return CxEngine(settings) if settings.is_cx else EsEngine(settings)


async def main() -> None:
    settings, dialogflow = read_settings(Environment())
    await serve(settings, engine_for(dialogflow), welcome=dialogflow.welcome_event)


if __name__ == "__main__":
    sys.exit(run(main))
