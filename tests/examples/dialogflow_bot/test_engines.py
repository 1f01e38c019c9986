"""Requests and answers of both editions fit Google's discovery documents, and rich messages become replies."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.cloud import dialogflow_v2 as es
from google.cloud import dialogflowcx_v3 as cx

from examples.bots.answers import Choice, HandOver, Reply
from examples.bots.engine import EngineFailed, Misconfigured, Said
from examples.bots.settings import Environment
from examples.dialogflow_bot.__main__ import engine_for
from examples.dialogflow_bot.engine import DialogflowEngine
from examples.dialogflow_bot.rich_messages import cx_replies, es_replies
from examples.dialogflow_bot.settings import read_settings
from examples.dialogflow_bot.stand_in.discovery import violations
from examples.dialogflow_bot.stand_in.server import DialogflowStandIn, dialogflow_stand_in, encode_answer

AGENTS = {"v2": "projects/p/agent", "v3": "projects/p/locations/global/agents/a"}
REQUESTS = {
    "v2": "GoogleCloudDialogflowV2DetectIntentRequest",
    "v3": "GoogleCloudDialogflowCxV3DetectIntentRequest",
}


@pytest.fixture
async def google() -> AsyncIterator[tuple[DialogflowStandIn, str]]:
    async with dialogflow_stand_in() as made:
        yield made


def engine(agent: str, address: str) -> DialogflowEngine:
    settings = {"SWITCHBOARD_TOKEN": "t", "DIALOGFLOW_AGENT": agent, "DIALOGFLOW_INSECURE_ENDPOINT": address}
    return engine_for(read_settings(Environment(settings))[1])


def said(text: str, *, is_event: bool = False) -> Said:
    return Said("room_01HV", "msg_1", text, is_event, {})


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_requests_fit_the_discovery_document(google: tuple[DialogflowStandIn, str], version: str) -> None:
    stand_in, address = google
    client = engine(AGENTS[version], address)
    await client.check()
    await client.ask(said("WELCOME", is_event=True))
    await client.ask(said("Track a parcel"))
    await client.aclose()

    for request in stand_in.requests:
        session = request.pop("session")
        assert session.endswith("/sessions/room_01HV")
        assert violations(version, REQUESTS[version], request) == []
    assert len(stand_in.requests) == 2


def test_a_value_that_does_not_fit_is_named() -> None:
    request = {"queryInput": {"text": {"text": 5, "languageCode": "en"}}, "session": "s"}

    found = violations("v2", REQUESTS["v2"], request)

    assert sorted(found) == [
        "$.queryInput.text.text: 5 is not of type 'string'",
        "$: Additional properties are not allowed ('session' was unexpected)",
    ]


@pytest.mark.parametrize(
    ("version", "message", "schema"),
    [
        ("v2", es.DetectIntentResponse, "GoogleCloudDialogflowV2DetectIntentResponse"),
        ("v3", cx.DetectIntentResponse, "GoogleCloudDialogflowCxV3DetectIntentResponse"),
    ],
)
def test_the_stand_in_sends_no_answer_that_does_not_fit_the_discovery_document(
    version: str, message: Any, schema: str
) -> None:
    fits = {"responseId": "r", "queryResult": {"languageCode": "en"}}
    assert message.deserialize(encode_answer(version, schema, message, fits)).response_id == "r"

    for wrong in ({"responseId": 5}, {"queryResult": {"languageCode": "en", "nonsense": True}}):
        with pytest.raises(AssertionError, match=r"\$"):
            encode_answer(version, schema, message, wrong)


async def test_the_stand_in_refuses_what_google_refuses(google: tuple[DialogflowStandIn, str]) -> None:
    client = es.SessionsAsyncClient(
        transport=es.SessionsAsyncClient.get_transport_class("grpc_asyncio")(
            channel=grpc.aio.insecure_channel(google[1])
        )
    )
    for session, text, language in (
        (f"projects/p/agent/sessions/{'s' * 37}", "hi", "en"),
        ("projects/p/sessions/s", "hi", "en"),
        ("projects/p/agent/sessions/s", "x" * 257, "en"),
        ("projects/p/agent/sessions/s", "", "en"),
        ("projects/p/agent/sessions/s", "hi", ""),
    ):
        query = es.QueryInput(text=es.TextInput(text=text, language_code=language))
        with pytest.raises(Exception, match="400"):
            await client.detect_intent(es.DetectIntentRequest(session=session, query_input=query), retry=None)
    await client.transport.close()
    assert google[0].processed("s") == []


async def test_a_long_text_is_shortened_for_es_alone(google: tuple[DialogflowStandIn, str]) -> None:
    stand_in, address = google
    for version in ("v2", "v3"):
        client = engine(AGENTS[version], address)
        await client.ask(said("x" * 300))
        await client.aclose()

    assert [len(request["queryInput"]["text"]["text"]) for request in stand_in.requests] == [256, 300]


@pytest.mark.parametrize("version", ["v2", "v3"])
async def test_payloads_hand_over_and_end(google: tuple[DialogflowStandIn, str], version: str) -> None:
    client = engine(AGENTS[version], google[1])
    billing = await client.ask(said("billing"))
    person = await client.ask(said("Talk to a person"))
    bye = await client.ask(said("bye"))
    unknown = await client.ask(said("Hm?"))
    await client.aclose()

    assert billing.hand_over == HandOver("Billing", "The customer asks about an invoice.")
    assert billing.replies == (Reply("That is for my colleagues of Billing."),)
    assert person.hand_over is not None
    assert person.hand_over.department is None
    assert (bye.close, bye.hand_over) == (True, None)
    assert (unknown.fallback, billing.fallback) == (True, False)


async def test_an_agent_that_is_unreachable_has_failed() -> None:
    client = engine(AGENTS["v2"], "127.0.0.1:1")
    with pytest.raises(EngineFailed):
        await client.ask(said("hi"))
    await client.aclose()


def test_an_agent_of_another_shape_is_named() -> None:
    settings = {"SWITCHBOARD_TOKEN": "t", "DIALOGFLOW_AGENT": "my-agent"}
    with pytest.raises(Misconfigured, match=r"^DIALOGFLOW_AGENT is 'my-agent'; it must be projects/PROJECT/agent"):
        read_settings(Environment(settings))


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"text": {"text": ["", "Hello"]}}], [Reply("Hello")]),
        ([{"text": {"text": ["Hi"]}, "platform": "FACEBOOK"}], []),
        (
            [{"quickReplies": {"title": "Choose", "quickReplies": ["A", "B"]}}],
            [Reply("Choose", (Choice("A", "A"), Choice("B", "B")))],
        ),
        (
            [{"card": {"title": "T", "subtitle": "S", "buttons": [{"text": "Go", "postback": "https://a.example/b"}]}}],
            [Reply("T\nS", (Choice("Go", "https://a.example/b", "https://a.example/b"),))],
        ),
        ([{"payload": {"handover": True}}], []),
        ([{"payload": {"colour": "red", "close": True}}], [Reply(data={"colour": "red"})]),
        ([{"text": {"text": "not a list"}}, {"card": None}, {"payload": [1]}, "text"], []),
    ],
)
def test_messages_of_es(messages: list[Any], expected: list[Reply]) -> None:
    assert es_replies({"fulfillmentMessages": messages}) == expected


def test_messages_of_cx() -> None:
    chips = [{"type": "chips", "options": [{"text": "A"}, {"text": "B", "link": "https://a.example"}]}]
    messages = [
        {"text": {"text": ["Hello"]}},
        {"payload": {"richContent": [[{"type": "info", "title": "T", "subtitle": "S"}, *chips]]}},
        {"liveAgentHandoff": {"metadata": {}}},
        {"endInteraction": {}},
    ]

    assert cx_replies({"responseMessages": messages}) == [
        Reply("Hello"),
        Reply("T\nS", (Choice("A", "A"), Choice("B", "B", "https://a.example"))),
    ]


@pytest.mark.parametrize("agent", AGENTS.values())
def test_missing_credentials_end_in_a_sentence_that_says_what_to_do(
    agent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/does/not/exist.json")
    _, settings = read_settings(Environment({"SWITCHBOARD_TOKEN": "t", "DIALOGFLOW_AGENT": agent}))

    with pytest.raises(
        Misconfigured, match=r"set GOOGLE_APPLICATION_CREDENTIALS .* /does/not/exist\.json was not found"
    ):
        engine_for(settings)
