"""The first start of the bridge: its consumer exists before the rest of its set-up."""

import pytest

from examples.salesforce_crm.__main__ import serve
from examples.salesforce_crm.settings import read_settings
from switchboard_client import App
from tests.examples.salesforce_crm.conftest import Deployment


async def test_room_gets_its_case_although_the_first_start_is_killed_before_it_reads_events(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(app: App) -> None:
        raise SystemError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(App, "serve", die)
        with pytest.raises(SystemError, match="killed"):
            await serve(read_settings(deployment.environment))
    room = await deployment.start_room()

    async with deployment.bridge():
        await deployment.acknowledged()
    (case,) = deployment.records("Case")
    assert await deployment.case_field(room) == case["Id"]
