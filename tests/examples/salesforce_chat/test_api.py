"""The client of Enhanced Chat and its stand-in agree, and the stand-in refuses what the real service refuses."""

import uuid
from dataclasses import replace

import httpx
import pytest

from examples.salesforce_chat.salesforce.entries import Joined, Message, Routed
from examples.salesforce_chat.salesforce.errors import (
    NoSession,
    NotParticipant,
    Rejected,
    TokenRefused,
    TooManyRequests,
    Unreachable,
)
from examples.salesforce_chat.salesforce.tokens import IdentityKey
from examples.salesforce_chat.salesforce.watcher import list_since, was_taken
from examples.salesforce_chat.stand_in.agents import Agents
from examples.salesforce_chat.stand_in.app import DEVELOPER_NAME, ORG_ID, Options, StandIn
from tests.examples.salesforce_chat.conftest import OpenApi

PREFIX = "/iamessage/api/v2"


def new_id() -> str:
    return str(uuid.uuid4())


async def test_conversation_of_a_guest_is_created_once_and_routed(open_api: OpenApi, agents: Agents) -> None:
    api, conversation = open_api(), new_id()
    token = (await api.get_token("unused")).value

    await api.create_conversation(token, conversation, {"Case": "17"})
    await api.create_conversation(token, conversation, {"Case": "18"})

    (created,) = await agents.conversations()
    assert created["attributes"] == {"Case": "17"}
    assert [type(entry) for entry in await api.list_entries(token, conversation)][:2] == [Routed, Joined]
    assert await api.routing_status(token, conversation) == "ROUTED"
    assert await api.is_open(token, conversation)


async def test_messages_of_both_sides_are_listed_in_their_order(open_api: OpenApi, agents: Agents) -> None:
    api, conversation, message = open_api(), new_id(), new_id()
    token = (await api.get_token("unused")).value
    await api.create_conversation(token, conversation, {})

    await api.send(token, conversation, message, "Hello")
    await agents.say(conversation, "Good morning")

    listed = [one for one in await api.list_entries(token, conversation) if isinstance(one, Message)]
    assert [(one.role, one.sender_name, one.text) for one in listed] == [
        ("EndUser", "", "Hello"),
        ("Agent", "Sasha", "Good morning"),
    ]
    assert listed[0].identifier == message


async def test_entries_of_several_pages_are_listed_once(open_api: OpenApi, agents: Agents) -> None:
    api, conversation = open_api(), new_id()
    token = (await api.get_token("unused")).value
    await api.create_conversation(token, conversation, {})
    texts = [str(number) for number in range(60)]
    ids = [await agents.say(conversation, text) for text in texts]

    listed = [one async for one in list_since(api, token, conversation, 0)]

    assert [one.text for one in listed if isinstance(one, Message)] == texts
    assert await was_taken(api, token, conversation, ids[3], None)
    assert not await was_taken(api, token, conversation, new_id(), None)
    assert not await was_taken(api, token, conversation, ids[3], ids[55])


async def test_choices_are_parsed(open_api: OpenApi, agents: Agents) -> None:
    api, conversation = open_api(), new_id()
    token = (await api.get_token("unused")).value
    await api.create_conversation(token, conversation, {})

    await agents.offer(conversation, "Which?", ["Red", "Blue"])

    (offered,) = [one for one in await api.list_entries(token, conversation) if isinstance(one, Message)]
    assert (offered.text, [one.label for one in offered.choices]) == ("Which?", ["Red", "Blue"])


async def test_verified_user_keeps_the_conversation_with_another_token(
    open_api: OpenApi, identity_key: IdentityKey
) -> None:
    api, conversation = open_api(identity_key), new_id()
    await api.create_conversation((await api.get_token("anna")).value, conversation, {})

    again = (await api.get_token("anna")).value
    other = (await api.get_token("bela")).value

    assert await api.is_open(again, conversation)
    with pytest.raises(NotParticipant):
        await api.routing_status(other, conversation)


async def test_another_guest_does_not_get_the_conversation(open_api: OpenApi) -> None:
    api, conversation = open_api(), new_id()
    await api.create_conversation((await api.get_token("same")).value, conversation, {})

    other = (await api.get_token("same")).value

    with pytest.raises(NotParticipant):
        await api.send(other, conversation, new_id(), "Hello")


async def test_identity_token_with_a_wrong_issuer_is_refused(open_api: OpenApi, identity_key: IdentityKey) -> None:
    api = open_api(replace(identity_key, issuer="somebody"))

    with pytest.raises(TokenRefused):
        await api.get_token("anna")


async def test_expired_and_revoked_tokens_are_refused(
    open_api: OpenApi, identity_key: IdentityKey, agents: Agents
) -> None:
    api = open_api(identity_key)
    expired, revoked = (await api.get_token("anna")).value, ""
    await agents.expire_tokens()
    revoked = (await api.get_token("anna")).value
    await api.revoke(revoked)

    for token in (expired, revoked, "nonsense"):
        with pytest.raises(TokenRefused):
            await api.create_conversation(token, new_id(), {})
        with pytest.raises(TokenRefused):
            async with api.open_stream(token, "0"):
                pass
    assert await agents.conversations() == []


async def test_ended_session_needs_a_new_one(open_api: OpenApi, agents: Agents) -> None:
    api, conversation = open_api(), new_id()
    token = (await api.get_token("unused")).value
    await api.create_conversation(token, conversation, {})
    await agents.end(conversation)

    with pytest.raises(NoSession):
        await api.send(token, conversation, new_id(), "One more thing")
    assert await agents.said(conversation) == []
    await api.send(token, conversation, new_id(), "One more thing", {"Again": "yes"})

    assert await agents.said(conversation) == ["One more thing"]
    assert [one["sessions"] for one in await agents.conversations()] == [2]


async def test_closed_conversation_takes_nothing(open_api: OpenApi, agents: Agents) -> None:
    api, conversation = open_api(), new_id()
    token = (await api.get_token("unused")).value
    await api.create_conversation(token, conversation, {})

    await api.close_conversation(token, conversation)
    await api.close_conversation(token, conversation)

    with pytest.raises(NotParticipant):
        await api.send(token, conversation, new_id(), "Hello")
    assert await agents.said(conversation) == []
    assert not await api.is_open(token, conversation)


async def test_organization_id_of_18_characters_is_cut_for_the_stream_alone(
    open_api: OpenApi, stand_in: StandIn
) -> None:
    api = open_api()
    token = (await api.get_token("unused")).value

    async with api.open_stream(token, "") as source:
        assert source.response.status_code == 200
    async with httpx.AsyncClient(trust_env=False) as http:
        headers = {"Authorization": f"Bearer {token}", "X-Org-Id": ORG_ID, "Accept": "text/event-stream"}
        refused = await http.get(f"{stand_in.url}/eventrouter/v1/sse", headers=headers)
    assert (refused.status_code, refused.json()["message"]) == (400, "OrgId in the header and token must match")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/conversation",
            {"conversationId": "A6D6D0D4-0A66-4A8A-B5C6-2B0F0A7C3C11", "esDeveloperName": DEVELOPER_NAME},
        ),
        ("/conversation", {"conversationId": new_id(), "esDeveloperName": DEVELOPER_NAME, "more": 1}),
        ("/conversation", {"conversationId": new_id(), "esDeveloperName": "Other"}),
        (
            "/conversation",
            {"conversationId": new_id(), "esDeveloperName": DEVELOPER_NAME, "routingAttributes": {"a": {"b": "c"}}},
        ),
    ],
    ids=["upper case", "unknown property", "other deployment", "nested attributes"],
)
async def test_body_that_the_service_does_not_know_is_rejected(
    open_api: OpenApi, stand_in: StandIn, agents: Agents, path: str, body: dict[str, object]
) -> None:
    token = (await open_api().get_token("unused")).value

    async with httpx.AsyncClient(trust_env=False) as http:
        headers = {"Authorization": f"Bearer {token}"}
        refused = await http.post(stand_in.url + PREFIX + path, json=body, headers=headers)

    assert refused.status_code == 400
    assert await agents.conversations() == []


async def test_receipt_for_an_unknown_entry_is_rejected(open_api: OpenApi) -> None:
    api, conversation = open_api(), new_id()
    token = (await api.get_token("unused")).value
    await api.create_conversation(token, conversation, {})

    with pytest.raises(Rejected):
        await api.acknowledge(token, conversation, new_id(), "Read")


async def test_fault_after_the_effect_leaves_the_message_there(open_api: OpenApi, agents: Agents) -> None:
    api, conversation = open_api(), new_id()
    token = (await api.get_token("unused")).value
    await api.create_conversation(token, conversation, {})
    await agents.fail("POST", "/message", 500, applied=True)

    with pytest.raises(Unreachable):
        await api.send(token, conversation, new_id(), "Hello")

    assert await agents.said(conversation) == ["Hello"]


class TestFewMessages:
    @pytest.fixture
    def options(self) -> Options:
        return Options(messages_per_minute=2)

    async def test_too_many_messages_are_refused_with_the_time_to_wait(self, open_api: OpenApi, agents: Agents) -> None:
        api, conversation = open_api(), new_id()
        token = (await api.get_token("unused")).value
        await api.create_conversation(token, conversation, {})
        for text in ("1", "2"):
            await api.send(token, conversation, new_id(), text)

        with pytest.raises(TooManyRequests) as refused:
            await api.send(token, conversation, new_id(), "3")

        assert refused.value.retry_after_seconds is not None
        assert 0 < refused.value.retry_after_seconds <= 61
        assert await agents.said(conversation) == ["1", "2"]
