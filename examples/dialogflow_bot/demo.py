"""`switchboard demo dialogflow_bot`: conversations with the Dialogflow bot, against a stand-in."""

import asyncio
import sys
from collections.abc import Mapping

from examples.bots.demonstration import Line, converse, run
from examples.bots.process import serve
from examples.bots.settings import Environment
from examples.dialogflow_bot.__main__ import engine_for
from examples.dialogflow_bot.settings import read_settings
from examples.dialogflow_bot.stand_in.server import dialogflow_stand_in
from examples.narration import Narrator

AGENTS = {
    "Dialogflow ES": "projects/parcels/agent",
    "Dialogflow CX": "projects/parcels/locations/europe-west1/agents/0f0e0d0c-0b0a-0908-0706-050403020100",
}
GREETING = ("Hello! What can I do for you?", "Choose:")
NOT_UNDERSTOOD = "Sorry, I did not understand that."
LINES = (
    Line(
        "The visitor chooses a quick reply",
        "",
        ("What is the number of your parcel?",),
        choice="Track a parcel",
    ),
    Line("The visitor answers the question", "4711", ("Parcel 4711 arrives tomorrow.",)),
    Line("The bot does not understand, and the room counts it", "Which lorry?", (NOT_UNDERSTOOD,)),
    Line(
        "The intent for a person hands the room over",
        "Talk to a person",
        ("I will get a colleague for you.",),
    ),
)


async def main(narrator: Narrator, url: str, token: str) -> None:
    async with dialogflow_stand_in() as (_, address):
        for edition, agent in AGENTS.items():
            narrator.remark(f"a stand-in of {edition} answers at {address}")

            async def serve_bot(
                environment: Mapping[str, str], ready: asyncio.Event, stop: asyncio.Event, agent: str = agent
            ) -> None:
                variables = {
                    **environment,
                    "DIALOGFLOW_AGENT": agent,
                    "DIALOGFLOW_INSECURE_ENDPOINT": address,
                    "DIALOGFLOW_WELCOME_EVENT": "WELCOME",
                }
                settings, dialogflow = read_settings(Environment(variables))
                await serve(settings, engine_for(dialogflow), welcome=dialogflow.welcome_event, ready=ready, stop=stop)

            await converse(narrator, url, token, serve_bot, GREETING, LINES)


if __name__ == "__main__":
    sys.exit(run("A Dialogflow bot serves rooms of Switchboard", main))
