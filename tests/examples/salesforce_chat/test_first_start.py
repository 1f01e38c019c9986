"""The first start of the bridge: its consumer exists before its agent can get a room."""

import pytest

from switchboard_client import App
from tests.examples.salesforce_chat.conftest import RunBridge
from tests.examples.salesforce_chat.world import World


async def test_room_assigned_between_the_set_up_and_the_first_subscription_becomes_a_conversation(
    world: World, run_bridge: RunBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = App.serve

    async def assign_before(app: App) -> None:
        await world.start_room("Hello?")
        await world.assign()
        await serve(app)

    monkeypatch.setattr(App, "serve", assign_before)
    await run_bridge(TEXT_JOINED="")

    created = await world.conversation()
    await world.hears(created["id"], "Ada: Hello?")
