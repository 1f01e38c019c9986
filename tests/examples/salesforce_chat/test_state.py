"""What the bridge remembers of a room, its settings, and the entries that it parses."""

import json
from pathlib import Path

import pytest

from examples.salesforce_chat import __main__
from examples.salesforce_chat.salesforce.entries import (
    Ended,
    Entry,
    Joined,
    Left,
    Message,
    parse_entry,
    parse_event,
    parse_listed,
)
from examples.salesforce_chat.settings import BadSetting, read_settings
from examples.salesforce_chat.state import REMEMBERED, Conversation, Received, Remembered, Sent, derive_id
from switchboard_client import ConnectionLost
from tests.examples.salesforce_chat.world import environment

JSON = dict[str, object]


def test_ids_are_the_same_for_the_same_parts_and_in_lower_case() -> None:
    assert derive_id("room_1", "now", 0) == derive_id("room_1", "now", 0) == derive_id("room_1", "now", 0).lower()
    assert derive_id("room_1", "now", 0) != derive_id("room_1", "now", 1)


def test_handled_entries_stay_handled_when_more_come_than_are_remembered() -> None:
    received = Received("conversation", "")
    for number in range(2 * REMEMBERED):
        assert not received.has(f"entry-{number}", 1_000 + number)
        received = received.handled(f"entry-{number}", 1_000 + number, f"event-{number}")

    assert len(received.seen) == REMEMBERED
    assert all(received.has(f"entry-{number}", 1_000 + number) for number in range(2 * REMEMBERED))
    assert (received.moment, received.event_id) == (1_000 + 2 * REMEMBERED - 1, f"event-{2 * REMEMBERED - 1}")


def test_late_entry_of_an_earlier_moment_is_not_taken_for_a_handled_one() -> None:
    received = Received("conversation", "").handled("second", 2_000, "event-2")

    assert not received.has("first", 1_999)


def test_listed_entry_does_not_move_the_position_of_the_stream() -> None:
    assert Received("conversation", "event-1").handled("entry", 5, None).event_id == "event-1"


def test_largest_state_fits_in_the_app_data() -> None:
    received = Received("c" * 36, "e" * 64)
    for _ in range(REMEMBERED):
        received = received.handled("i" * 40, 1_800_000_000_000, None)

    assert len(json.dumps(received.to_json())) < 16 * 1024


def test_state_of_an_earlier_conversation_is_left_out() -> None:
    conversation = Conversation("new", "now", 1, 0, "OPEN", "subject", {}, 0, replaced=("old", "token"))
    stored = [json.loads(json.dumps(one.to_json())) for one in (conversation, Sent("old", 3), Received("new", "e", 5))]

    remembered = Remembered.from_json(*stored)

    assert remembered == Remembered(conversation, None, Received("new", "e", 5))


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ORG_ID", "00D", "SALESFORCE_CHAT_ORG_ID must be the 15 or 18 characters"),
        ("URL", "http://example.org", "SALESFORCE_CHAT_URL must be an https address"),
        ("WAIT_SECONDS", "-1", "SALESFORCE_CHAT_WAIT_SECONDS must be a number from 1 to 86400"),
        ("WHEN_ENDED", "maybe", "SALESFORCE_CHAT_WHEN_ENDED must be close or queue"),
        ("PRECHAT", "Case=room.caseId", "SALESFORCE_CHAT_PRECHAT: 'Case=room.caseId' must be ATTRIBUTE=SOURCE"),
        ("DEPLOYMENT", "", "SALESFORCE_CHAT_DEPLOYMENT must be set"),
        ("IDENTITY_KEY_FILE", "/does/not/exist", "SALESFORCE_CHAT_IDENTITY_KEY_FILE: "),
    ],
)
def test_wrong_setting_is_named(name: str, value: str, problem: str) -> None:
    with pytest.raises(BadSetting) as refused:
        read_settings(environment("http://127.0.0.1:1/graphql", "token", "http://127.0.0.1:2", "bot", **{name: value}))

    assert str(refused.value).startswith(problem)


def test_identity_key_that_cannot_sign_is_named(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("not a key", encoding="utf-8")
    more = {"IDENTITY_KEY_FILE": str(key), "IDENTITY_KEY_ID": "key-1", "IDENTITY_ISSUER": "switchboard"}

    with pytest.raises(BadSetting, match=r"^SALESFORCE_CHAT_IDENTITY_KEY_FILE: .* has no RSA private key in PEM"):
        read_settings(environment("http://127.0.0.1:1/graphql", "token", "http://127.0.0.1:2", "bot", **more))


def test_switchboard_that_cannot_be_reached_ends_the_program_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(*_: object) -> None:
        raise ConnectionLost("no connection")

    monkeypatch.setattr(__main__, "run", fail)
    for name, value in environment("http://127.0.0.1:1/graphql", "token", "http://127.0.0.1:2", "bot").items():
        monkeypatch.setenv(name, value)

    assert __main__.main() == 1

    assert capsys.readouterr().err == "Switchboard: no connection\n"


# ---------------------------------------------------------------- entries


def entry(entry_type: str, **payload: object) -> JSON:
    return {
        "entryType": entry_type,
        "identifier": "entry-1",
        "transcriptedTimestamp": 7,
        "senderDisplayName": "Sasha",
        "sender": {"role": "Agent"},
        "entryPayload": {"entryType": entry_type, **payload},
    }


def test_unknown_entry_is_an_entry_without_a_meaning() -> None:
    assert parse_entry("c", entry("SomethingOfTheFuture", more=[1])) == [Entry("c", "entry-1", 7, "Agent", "Sasha")]


def test_listed_entry_of_another_shape_does_not_hide_the_others() -> None:
    assert parse_listed("c", entry("Message", abstractMessage=None)) == [Entry("c", "entry-1", 7, "", "")]
    assert parse_listed("c", entry("CloseConversation")) == [Ended("c", "entry-1", 7, "Agent", "Sasha")]


def test_several_participants_have_identifiers_of_their_own() -> None:
    changes = [
        {"operation": operation, "displayName": name, "participant": {"role": "Agent"}}
        for operation, name in (("remove", "Sasha"), ("add", "Robin"))
    ]

    parsed = parse_entry("c", entry("ParticipantChanged", entries=changes))

    assert [(type(one), one.identifier) for one in parsed] == [(Left, "entry-1"), (Joined, "entry-1/1")]


@pytest.mark.parametrize(
    ("status", "kind"), [("Ended", Ended), ("Error", Ended), ("Inactive", Entry), ("Active", Entry)]
)
def test_only_an_ended_session_is_an_end(status: str, kind: type[Entry]) -> None:
    (parsed,) = parse_entry("c", entry("SessionStatusChanged", sessionStatus=status))

    assert type(parsed) is kind


def test_payload_of_an_event_is_a_text() -> None:
    message = entry("Message", abstractMessage={"staticContent": {"formatType": "Text", "text": "Hello\u2028you"}})
    event = {
        "conversationId": "c",
        "conversationEntry": {**message, "entryPayload": json.dumps(message["entryPayload"])},
    }

    (parsed,) = parse_event(json.dumps(event, ensure_ascii=False))

    assert isinstance(parsed, Message)
    assert parsed.text == "Hello\u2028you"


@pytest.mark.parametrize("data", ["{}", "[]", "3", "not JSON", '{"conversationId": 1, "conversationEntry": {}}'])
def test_event_of_another_shape_is_an_error(data: str) -> None:
    with pytest.raises(ValueError, match=r"unknown shape|Expecting value"):
        parse_event(data)
