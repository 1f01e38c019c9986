"""Faults of the stand-in: requests that fail before or after they took effect."""

import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from examples.salesforce_chat.stand_in.store import Store


class Faults:
    """Middleware. The fact `faults` lists what fails: {method, path, status, times, applied}.

    `path` is the end of the path. With `applied`, the request takes effect, and the response says that it failed.
    """

    def __init__(self, app: ASGIApp, store: Store) -> None:
        self._app = app
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._next(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault["applied"]:
            await self._app(scope, receive, _ignore)
        body = json.dumps({"message": "A fault of the stand-in.", "code": fault["status"]}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": fault["status"], "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _next(self, method: str, path: str) -> dict[str, object] | None:
        """The fault of this request. It counts as used."""
        faults = self._store.fact("faults", [])
        for fault in faults:
            if fault["times"] > 0 and fault["method"] == method and path.endswith(fault["path"]):
                fault["times"] -= 1
                self._store.set_fact("faults", [one for one in faults if one["times"] > 0])
                return dict(fault)
        return None


async def _ignore(message: Message) -> None:
    """Take a part of a response that nobody gets."""
