"""The other side of the stand-in, under /stand-in: what agents do, and what goes wrong. It needs no token."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.salesforce_chat.stand_in.conversations import Routing, Service
from examples.salesforce_chat.stand_in.errors import Refusal
from examples.salesforce_chat.stand_in.store import Store
from examples.salesforce_chat.stand_in.tokens import Tokens


class Control:
    def __init__(self, store: Store, service: Service, tokens: Tokens) -> None:
        self._store = store
        self._service = service
        self._tokens = tokens

    def routes(self) -> list[Route]:
        return [
            Route("/stand-in/conversations", self.conversations, methods=["GET"]),
            Route("/stand-in/conversations/{id}/{action}", self.act, methods=["POST"]),
            Route("/stand-in/routing", self.routing, methods=["POST"]),
            Route("/stand-in/faults", self.faults, methods=["POST"]),
            Route("/stand-in/cut", self.cut, methods=["POST"]),
            Route("/stand-in/expire", self.expire, methods=["POST"]),
        ]

    async def conversations(self, request: Request) -> Response:
        """All conversations with all their entries, oldest first."""
        shown = [
            {
                "id": one.id,
                "subject": one.subject,
                "attributes": one.attributes,
                "closed": one.closed,
                "session": one.session,
                "sessions": one.sessions,
                "routing": one.routing,
                "agent": one.agent,
                "entries": [entry.entry for entry in self._store.all_entries(one.id)],
            }
            for one in self._store.conversations()
        ]
        return JSONResponse(shown)

    async def act(self, request: Request) -> Response:
        """What an agent does in one conversation."""
        conversation_id, body = request.path_params["id"], await request.json()
        service = self._service
        match request.path_params["action"]:
            case "say":
                content = body.get("content", {"formatType": "Text", "text": body.get("text")})
                return JSONResponse({"id": service.say(conversation_id, content, body.get("key"))})
            case "type":
                service.agent_types(conversation_id, started=body["started"])
            case "read":
                service.agent_reads(conversation_id, body["id"])
            case "join":
                service.join(conversation_id, body["agent"])
            case "transfer":
                service.transfer(conversation_id, body["agent"])
            case "leave":
                service.leave(conversation_id)
            case "end":
                service.end(conversation_id)
            case other:
                raise Refusal(404, f"Agents cannot {other}.")
        return JSONResponse({})

    async def routing(self, request: Request) -> Response:
        """Set how new sessions are routed: {mode: accept, wait or nobody, agent}."""
        self._service.set_routing(Routing(**await request.json()))
        return JSONResponse({})

    async def faults(self, request: Request) -> Response:
        """Replace the faults: a list of {method, path, status, times, applied}."""
        self._store.set_fact("faults", await request.json())
        return JSONResponse({})

    async def cut(self, request: Request) -> Response:
        """End all streams now, or with {inFrame: true} in the middle of the next event."""
        if (await request.json()).get("inFrame"):
            self._store.set_fact("cut_in_frame", True)
        else:
            self._service.log.cut()
        return JSONResponse({})

    async def expire(self, request: Request) -> Response:
        """Let all tokens be expired, and end all streams."""
        self._tokens.expire_all()
        self._service.log.cut()
        return JSONResponse({})
