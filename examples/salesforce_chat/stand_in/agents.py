"""A client of the stand-in's control interface: plays the agents, and causes faults. For the demo and the tests."""

from typing import Any

import httpx

JSON = dict[str, Any]


class Agents:
    def __init__(self, url: str) -> None:
        # No certificates are loaded for loopback, which takes a while.
        base = f"{url}/stand-in"
        # The stand-in closes connections that are idle for 5 s. Those that are used again are far from that.
        limits = httpx.Limits(keepalive_expiry=1)
        self._http = httpx.AsyncClient(base_url=base, timeout=60, limits=limits, trust_env=False, verify=False)  # noqa: S501

    async def aclose(self) -> None:
        await self._http.aclose()

    async def conversations(self) -> list[JSON]:
        """All conversations with their entries, oldest first."""
        found: list[JSON] = (await self._http.get("/conversations")).raise_for_status().json()
        return found

    async def said(self, conversation_id: str, role: str = "EndUser") -> list[str]:
        """The texts of one side in a conversation, in their order."""
        one = next(one for one in await self.conversations() if one["id"] == conversation_id)
        messages = [entry for entry in one["entries"] if entry["entryType"] == "Message"]
        return [
            entry["entryPayload"]["abstractMessage"]["staticContent"]["text"]
            for entry in messages
            if entry["sender"]["role"] == role
        ]

    async def say(self, conversation_id: str, text: str, key: str | None = None) -> str:
        """The id of the message. The same key again says nothing more."""
        return str((await self._act(conversation_id, "say", text=text, key=key))["id"])

    async def offer(self, conversation_id: str, text: str, options: list[str]) -> None:
        """Offer choices."""
        items = [
            {"itemType": "TitleOptionItem", "optionIdentifier": f"option-{number}", "titleItem": {"title": title}}
            for number, title in enumerate(options, start=1)
        ]
        content = {"formatType": "QuickReplies", "text": text, "optionItems": items}
        await self._act(conversation_id, "say", content=content)

    async def type(self, conversation_id: str, *, started: bool = True) -> None:
        await self._act(conversation_id, "type", started=started)

    async def read(self, conversation_id: str, message_id: str) -> None:
        await self._act(conversation_id, "read", id=message_id)

    async def join(self, conversation_id: str, agent: str) -> None:
        await self._act(conversation_id, "join", agent=agent)

    async def transfer(self, conversation_id: str, agent: str) -> None:
        await self._act(conversation_id, "transfer", agent=agent)

    async def leave(self, conversation_id: str) -> None:
        await self._act(conversation_id, "leave")

    async def end(self, conversation_id: str) -> None:
        await self._act(conversation_id, "end")

    async def set_routing(self, mode: str, agent: str = "Sasha") -> None:
        """How new sessions are routed: accept, wait or nobody."""
        await self._post("/routing", {"mode": mode, "agent": agent})

    async def fail(self, method: str, path: str, status: int, *, times: int = 1, applied: bool = False) -> None:
        """Let requests fail, after they took effect if `applied`."""
        fault = {"method": method, "path": path, "status": status, "times": times, "applied": applied}
        await self._post("/faults", [fault])

    async def cut(self, *, in_frame: bool = False) -> None:
        """End all streams, or the next that has an event in the middle of the event."""
        await self._post("/cut", {"inFrame": in_frame})

    async def expire_tokens(self) -> None:
        await self._post("/expire", {})

    async def _act(self, conversation_id: str, action: str, **what: object) -> JSON:
        return await self._post(f"/conversations/{conversation_id}/{action}", what)

    async def _post(self, path: str, body: object) -> JSON:
        reply: JSON = (await self._http.post(path, json=body)).raise_for_status().json()
        return reply
