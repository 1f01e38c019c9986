"""A stand-in of the outside system, on loopback. It refuses what a real one would."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from typing_extensions import override

from examples.external_routing.outside import Person


class Question(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """The body of a request."""

    case: str
    room_id: str
    attempt: int


@dataclass(slots=True)
class StandIn:
    """Knows who serves each case. `asked` has the questions; while `down`, every request is answered with 503."""

    token: str
    people: Mapping[str, Person]
    asked: list[Question] = field(default_factory=list)
    down: bool = False
    #: How many requests came while it was down.
    refused: int = 0

    async def decide(self, request: Request) -> Response:
        if self.down:
            self.refused += 1
            return JSONResponse({"error": "maintenance"}, 503)
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return JSONResponse({"error": "unknown token"}, 401)
        try:
            question = msgspec.json.decode(await request.body(), type=Question)
        except msgspec.DecodeError as error:
            return JSONResponse({"error": str(error)}, 400)
        self.asked.append(question)
        person = self.people.get(question.case)
        if person is None:
            return JSONResponse({"error": f"no case {question.case}"}, 404)
        return Response(msgspec.json.encode(person), media_type="application/json")

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/decisions", self.decide, methods=["POST"])])


class Server(uvicorn.Server):
    """A server that leaves signals to the program."""

    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(stand_in: StandIn) -> AsyncIterator[str]:
    """The address of the stand-in, until the block ends."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        server = Server(uvicorn.Config(stand_in.app(), log_level="warning", lifespan="off"))
        running = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running
