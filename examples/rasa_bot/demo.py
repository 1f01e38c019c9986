"""`switchboard demo rasa_bot`: a conversation with the Rasa bot, against a stand-in of Rasa.

With RASA_URL, it uses that Rasa, which must have the bot of trained_bot/. Other settings of RASA_ hold, too.
"""

import asyncio
import os
import sys
from collections.abc import Mapping

from examples.bots.demonstration import Line, converse, run
from examples.bots.settings import Environment
from examples.narration import Narrator
from examples.rasa_bot.__main__ import serve_rasa
from examples.rasa_bot.settings import read_settings
from examples.rasa_bot.stand_in import rasa_stand_in

GREETING = ("Hello! What can I do for you?",)
NOT_UNDERSTOOD = "Sorry, I did not understand that."
LINES = (
    Line(
        "The visitor chooses a button. Rasa receives its payload, /track",
        "",
        ("I can look that up.", "What is the number of your parcel?"),
        choice="Track a parcel",
    ),
    Line("The visitor answers the question", "4711", ("Parcel 4711 arrives tomorrow.",)),
    Line("The bot does not understand", "And where is it exactly?", (NOT_UNDERSTOOD,)),
    Line("Again, and the room counts it", "On a lorry?", (NOT_UNDERSTOOD,)),
    Line(
        "The third time, a person gets the room instead of a third apology",
        "Pardon?",
        ("I am passing you on to a colleague.",),
    ),
)


async def converse_with_rasa(narrator: Narrator, url: str, token: str, rasa_url: str) -> None:
    """Have the conversation with the Rasa server at this address, which has the bot of the stand-in."""

    async def serve_bot(environment: Mapping[str, str], ready: asyncio.Event, stop: asyncio.Event) -> None:
        own = {name: value for name, value in os.environ.items() if name.startswith("RASA_")}
        variables = {**own, **environment, "RASA_URL": rasa_url, "RASA_WELCOME": "/greet"}
        await serve_rasa(*read_settings(Environment(variables)), ready=ready, stop=stop)

    await converse(narrator, url, token, serve_bot, GREETING, LINES)


async def main(narrator: Narrator, url: str, token: str) -> None:
    if rasa_url := os.environ.get("RASA_URL"):
        await converse_with_rasa(narrator, url, token, rasa_url)
        return
    async with rasa_stand_in() as (_, rasa_url):
        narrator.remark(f"a stand-in of Rasa answers at {rasa_url}")
        await converse_with_rasa(narrator, url, token, rasa_url)


if __name__ == "__main__":
    sys.exit(run("A Rasa bot serves rooms of Switchboard", main))
