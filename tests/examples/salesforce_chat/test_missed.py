"""What the bridge missed, and what fails beside its handlers, does not stay so."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from examples.salesforce_chat.bridge import CONSUMER
from examples.salesforce_chat.stand_in.app import ISSUER
from switchboard_client import Api, open_api
from switchboard_client.types import Signal, SignalKind
from tests.client.support import until
from tests.examples.salesforce_chat.conftest import RunBridge
from tests.examples.salesforce_chat.world import World


async def test_conversation_of_a_verified_user_is_closed_although_its_end_was_missed(
    world: World, run_bridge: RunBridge, private_key: str, tmp_path: Path
) -> None:
    key_file = tmp_path / "key.pem"
    key_file.write_text(private_key)
    settings = {"IDENTITY_KEY_FILE": str(key_file), "IDENTITY_KEY_ID": "key-1", "IDENTITY_ISSUER": ISSUER}
    bridge = await run_bridge(**settings)
    await world.start_room()
    await world.assign()
    await world.served()
    await bridge.stop()
    await world.admin.unassign_agent(room_id=world.room_id)
    async with open_api(world.url, world.token) as api:
        await api.remove_consumer(consumer=CONSUMER)

    await run_bridge(**settings)
    await world.assign()

    await world.served(2)
    await world.is_closed(1)


async def test_signals_are_passed_on_again_after_their_subscription_failed(
    world: World, run_bridge: RunBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals_live, calls = Api.signals_live, 0

    def fail_first(api: Api, **where: Any) -> AsyncGenerator[Signal, None]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("the subscription fails")
        return signals_live(api, **where)

    monkeypatch.setattr(Api, "signals_live", fail_first)
    await run_bridge()
    await world.start_room()
    await world.assign()
    conversation = await world.served()

    async def passed_on() -> bool:
        visitor: Any = {"visitorToken": world.visitor}
        await world.admin.send_signal(room_id=world.room_id, kind=SignalKind.TYPING, as_=visitor)
        (one,) = [one for one in await world.agents.conversations() if one["id"] == conversation]
        return any(entry["entryType"] == "TypingStartedIndicator" for entry in one["entries"])

    await until(passed_on)
