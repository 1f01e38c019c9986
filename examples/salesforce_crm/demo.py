"""A whole conversation that becomes a contact, a case and a transcript, without any account.

    switchboard demo salesforce_crm                                         finds or starts a server, and runs this
    SWITCHBOARD_ADMIN_TOKEN=... python -m examples.salesforce_crm.demo      SWITCHBOARD_HOST and _PORT are the address

It serves the stand-in of Salesforce, and starts the bridge as a process of its own, which it kills twice. It exits with
0 only if every record is there once.
"""

import asyncio
import base64
import os
import secrets
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from examples.address import address
from examples.narration import Narrator
from examples.salesforce_crm.stand_in.faults import Pause
from examples.salesforce_crm.stand_in.rows import Request, Response
from examples.salesforce_crm.stand_in.server import CLIENT_ID, USERNAME, StandIn, serve_stand_in
from switchboard_client import Api, ApiError, ConnectionLost, Transport

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60.0
SCOPES = (
    "visitors:read",
    "rooms:read",
    "rooms:write",
    "messages:read",
    "messages:write",
    "events:read",
    "fields:write",
)


class Unexpected(Exception):
    """A result is not as expected."""


class Demo:
    """The participants of the demo, and its steps."""

    def __init__(self, narrator: Narrator, url: str, admin: Api, stand_in: StandIn, key_file: Path) -> None:
        self._narrator = narrator
        self._url = url
        self._admin = admin
        self._stand_in = stand_in
        self._key_file = key_file
        self._run = secrets.token_hex(3)
        self._bridge: asyncio.subprocess.Process | None = None
        self._token = ""
        self._visitor_id = ""
        stand_in.org.listeners.append(self._show)

    async def run(self) -> None:
        narrator, admin = self._narrator, self._admin
        narrator.step("An administrator creates the app of the bridge, and starts the bridge")
        created = await admin.create_app(name=f"demo-crm-{self._run}", scopes=SCOPES)
        self._token = created.token
        await self._start()
        await self._until("the bridge reads events", self._connected)

        narrator.step("Ada Park opens the chat on the website, and gives her name and email address")
        visitor = f"demo-ada-{self._run}"
        saved = await admin.save_visitor(token=visitor, name="Ada Park", email=f"ada.{self._run}@example.com")
        self._visitor_id = saved.visitor.id
        await self._until("a contact", self._has("Contact"))
        narrator.good(f"Contact: {self._records('Contact')[0]['Name']}")

        narrator.step("She starts a conversation. The bridge is killed while Salesforce saves the case")
        pause = self._hold("/sobjects/Case/", "after")
        room = (await admin.start_room(visitor_token=visitor, subject="My parcel is late", source="website")).room.id
        await self._kill_at(pause)
        narrator.remark(f"Salesforce has {len(self._records('Case'))} case, of which the room does not know")
        await self._start()
        await self._until("the id of the case in the room", lambda: self._has_case(room))
        case = self._records("Case")[0]
        narrator.good(f"Case {case['CaseNumber']} of {self._records('Contact')[0]['Name']}: {case['Subject']}")
        narrator.good(f"The room's field salesforceCaseId is {await self._case_of(room)}")

        narrator.step("They talk, and the session at Salesforce expires meanwhile")
        await admin.send_message(room_id=room, text="It should be here since Monday.", as_={"visitorToken": visitor})
        await admin.send_message(room_id=room, text="I have found it. You will get it tomorrow.")
        self._stand_in.org.sessions.expire_all()

        narrator.step("The conversation is closed. The bridge is killed before Salesforce has the transcript")
        pause = self._hold("/composite/graph", "before")
        await admin.close_room(room_id=room, comment="solved", tags=["parcel"])
        await self._kill_at(pause)
        await self._start()
        await self._until("the closed case", self._closed)
        self._check(room)
        await admin.revoke_app(app_id=created.app.id)

    def _check(self, room: str) -> None:
        (contact,), (case,), (file,) = (self._records(name) for name in ("Contact", "Case", "ContentVersion"))
        if (case["SwitchboardRoomId__c"], case["ContactId"]) != (room, contact["Id"]):
            raise Unexpected(f"the case is {case}")
        self._narrator.step("What Salesforce has now")
        self._narrator.remark(f"1 contact: {contact['Name']}, {contact['Email']}")
        self._narrator.remark(f"1 case: {case['CaseNumber']} {case['Status']}, {case['SwitchboardComment__c']}")
        self._narrator.remark(f"1 file: {file['Title']}")
        for line in base64.b64decode(file["VersionData"]).decode().splitlines():
            self._narrator.remark(f"    {line}")
        self._narrator.good("every record is there once")

    # ---------------------------------------------------------------- the bridge

    async def _start(self) -> None:
        settings = {
            "SWITCHBOARD_URL": self._url,
            "SWITCHBOARD_TOKEN": self._token,
            "SALESFORCE_LOGIN_URL": self._stand_in.url,
            "SALESFORCE_CLIENT_ID": CLIENT_ID,
            "SALESFORCE_USERNAME": USERNAME,
            "SALESFORCE_PRIVATE_KEY_FILE": str(self._key_file),
            "CRM_CONSUMER": f"demo-crm-{self._run}",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "ERROR"),
        }
        self._bridge = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "examples.salesforce_crm", cwd=ROOT, env=os.environ | settings, start_new_session=True
        )

    async def stop(self) -> None:
        """Kill the bridge."""
        bridge, self._bridge = self._bridge, None
        if bridge is not None and bridge.returncode is None:
            bridge.kill()
            await bridge.wait()

    def _hold(self, part: str, when: str) -> Pause:
        def matches(request: Request) -> bool:
            return request.method != "GET" and part in request.path

        return self._stand_in.org.faults.pause(when, matches=matches)

    async def _kill_at(self, pause: Pause) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await pause.reached.wait()
        await self.stop()
        pause.released.set()
        self._narrator.bad("SIGKILL")

    # ---------------------------------------------------------------- what is seen

    def _show(self, request: Request, response: Response) -> None:
        path = request.path.removeprefix("/services/data/v67.0")
        shown = path if len(path) < 70 else f"{path[:67]}..."
        self._narrator.remark(f"→ Salesforce: {request.method} {shown}: {response.status}")

    def _records(self, name: str) -> list[dict[str, Any]]:
        """The records of this run: others may use the same server."""
        records = self._stand_in.org.records
        contacts = [one for one in records.all("Contact") if one["SwitchboardVisitorId__c"] == self._visitor_id]
        if name == "Contact":
            return contacts
        cases = [one for one in records.all("Case") if one["ContactId"] in [contact["Id"] for contact in contacts]]
        if name == "Case":
            return cases
        return [one for one in records.all(name) if one["FirstPublishLocationId"] in [case["Id"] for case in cases]]

    def _has(self, name: str) -> Callable[[], Awaitable[bool]]:
        async def has() -> bool:
            return bool(self._records(name))

        return has

    async def _connected(self) -> bool:
        name = f"demo-crm-{self._run}"
        return any(one.name == name and one.connected for one in await self._admin.consumers() or ())

    async def _case_of(self, room_id: str) -> object:
        room = await self._admin.room(by={"id": room_id})
        return None if room is None else room.custom_field("salesforceCaseId")

    async def _has_case(self, room_id: str) -> bool:
        return await self._case_of(room_id) is not None

    async def _closed(self) -> bool:
        return bool(self._records("Case")[0]["Status"] == "Closed")

    async def _until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await condition():  # noqa: ASYNC110 (other processes decide)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise Unexpected(f"{what} did not come within {PATIENCE_SECONDS:.0f} s") from None


async def main(narrator: Narrator) -> None:
    async with AsyncExitStack() as cleanup:
        url, token = address(os.environ), os.environ["SWITCHBOARD_ADMIN_TOKEN"]
        stand_in = await cleanup.enter_async_context(serve_stand_in())
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="switchboard-demo-")))
        key_file = folder / "key.pem"
        key_file.write_text(stand_in.private_key, encoding="utf-8")
        transport = Transport(url, token)
        cleanup.push_async_callback(transport.close)
        narrator.title("Conversations in Salesforce's CRM", f"Switchboard {url}, stand-in of Salesforce {stand_in.url}")
        demo = Demo(narrator, url, Api(transport), stand_in, key_file)
        cleanup.push_async_callback(demo.stop)
        await demo.run()


def run() -> int:
    narrator = Narrator()
    try:
        asyncio.run(main(narrator))
    except (Unexpected, ApiError, ConnectionLost) as error:
        narrator.bad(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(run())
