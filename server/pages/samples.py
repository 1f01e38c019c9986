"""The endpoint by which the dashboard creates and removes sample data. It needs a token with the scope admin."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from resolvers.auth import access
from resolvers.auth.access import ANONYMOUS
from resolvers.context import Context, Services
from resolvers.samples import samples
from server.auth.bearer_tokens import token_in_header
from server.graphql.responses import JSON, error_response
from storage.errors import SwitchboardError

METHODS = ("GET", "POST", "DELETE")


class SampleData:
    """GET returns the state, POST creates the sample data and DELETE removes them. Errors are those of GraphQL."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def answer(self, request: Request) -> Response:
        try:
            context = await self._context(request)
            if request.method == "POST":
                await samples.create(context)
            if request.method == "DELETE":
                removal = await samples.remove(context)
                return JSONResponse({"removed": removal.removed, "left": removal.left})
            return JSONResponse(await self._state(context))
        except SwitchboardError as error:
            return error_response(error, JSON)

    async def _context(self, request: Request) -> Context:
        token = token_in_header(request.headers.get("authorization", ""))
        storage, configured = self._services.storage, self._services.configured_tokens
        caller = ANONYMOUS if token is None else await access.authenticate(storage, token, configured_tokens=configured)
        return Context(self._services, caller, address=request.client.host if request.client else "")

    async def _state(self, context: Context) -> dict[str, object]:
        status = await samples.get_status(context)
        return {
            "state": status.state,
            "created": status.created,
            "expected": status.expected,
            "busy": status.busy,
            "empty": status.empty,
        }
