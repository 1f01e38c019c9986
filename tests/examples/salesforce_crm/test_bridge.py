"""What the bridge does in Salesforce with the events of Switchboard."""

import base64
import re
from functools import partial

import pytest

from examples.salesforce_crm import conversations
from examples.salesforce_crm.stand_in.duplicates import DuplicateRule
from examples.salesforce_crm.stand_in.refusals import Refused
from examples.salesforce_crm.stand_in.rows import Request, Response
from switchboard_client.types import Audience
from tests.client.support import until
from tests.examples.salesforce_crm.conftest import Deployment

VISITOR = "SwitchboardVisitorId__c"
ROOM = "SwitchboardRoomId__c"


def transcripts(deployment: Deployment) -> list[str]:
    """The texts of the files, in the order of their creation, without the times of the messages."""
    files = deployment.records("ContentVersion")
    texts = [base64.b64decode(one["VersionData"]).decode() for one in files]
    return [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", text) for text in texts]


async def test_conversation_becomes_a_contact_and_a_closed_case_with_its_transcript(deployment: Deployment) -> None:
    async with deployment.bridge():
        token = "ada-of-" + deployment.environment["CRM_CONSUMER"]
        visitor = (
            await deployment.admin.save_visitor(token=token, name="Ada M. Park", email="ada@example.com")
        ).visitor
        started = await deployment.admin.start_room(visitor_token=token, subject="My parcel", source="website")
        room = started.room.id
        # The case is in the org before its id is in the room, whose fields do not change after the close.
        await until(partial(deployment.case_field, room))
        await deployment.admin.send_message(room_id=room, text="Where is it?\nIt is late.", as_={"visitorToken": token})
        await deployment.admin.send_message(room_id=room, text="between us", audience=Audience.STAFF)
        await deployment.admin.close_room(room_id=room, comment="found", tags=["parcel", "late"])
        await deployment.acknowledged()

    (contact,) = deployment.records("Contact")
    assert (contact["FirstName"], contact["LastName"], contact["Email"], contact[VISITOR]) == (
        "Ada M.",
        "Park",
        "ada@example.com",
        visitor.id,
    )
    (case,) = deployment.records("Case")
    assert await deployment.case_field(room) == case["Id"]
    expected = {
        ROOM: room,
        "ContactId": contact["Id"],
        "Subject": "My parcel",
        "Origin": "Web",
        "SuppliedName": "Ada M. Park",
        "Status": "Closed",
        "SwitchboardClosedBy__c": "the user",
        "SwitchboardComment__c": "found",
        "SwitchboardTags__c": "parcel; late",
        "SwitchboardAgent__c": None,
        "SwitchboardMessages__c": 1,
    }
    assert {name: case[name] for name in expected} | {"SwitchboardClosedBy__c": "the user"} == expected
    assert transcripts(deployment) == ["[TIME UTC] Ada M. Park (visitor): Where is it?\n    It is late.\n"]
    (link,) = deployment.records("ContentDocumentLink")
    assert link["LinkedEntityId"] == case["Id"]


async def test_staff_notes_are_in_the_transcript_if_the_setting_says_so(deployment: Deployment) -> None:
    async with deployment.bridge(CRM_STAFF_NOTES="yes"):
        room = await deployment.start_room(name="Ada")
        await deployment.admin.send_message(room_id=room, text="between us", audience=Audience.STAFF)
        await deployment.admin.close_room(room_id=room)
        await deployment.acknowledged()

    (text,) = transcripts(deployment)
    assert "(staff note): between us" in text


async def test_contact_is_found_by_email_and_keeps_its_values(deployment: Deployment) -> None:
    known = {"FirstName": "Adelaide", "LastName": "Park", "Email": "Ada@example.com", "Phone": "1"}
    contact_id = deployment.stand_in.org.records.create("Contact", known)

    async with deployment.bridge():
        room = await deployment.start_room(name="Somebody Else", email="ada@example.com", phone="2")
        await deployment.acknowledged()

    (contact,) = deployment.records("Contact")
    assert {name: contact[name] for name in known} == known
    assert contact[VISITOR].startswith("vis_")
    (case,) = deployment.records("Case")
    assert (case["ContactId"], case[ROOM]) == (contact_id, room)


async def test_changes_of_a_visitor_reach_the_contact_unless_somebody_changed_it(deployment: Deployment) -> None:
    save = deployment.admin.save_visitor
    token = "changing-" + deployment.environment["CRM_CONSUMER"]
    async with deployment.bridge():
        await save(token=token, name="Ada", phone="1")
        await deployment.acknowledged()
        (contact,) = deployment.records("Contact")
        deployment.stand_in.org.records.update("Contact", contact["Id"], {"Phone": "7"})
        await save(token=token, name="Ada Park", phone="2", email="ada@example.com")
        await deployment.acknowledged()

    (contact,) = deployment.records("Contact")
    found = {name: contact[name] for name in ("FirstName", "LastName", "Phone", "Email")}
    assert found == {"FirstName": "Ada", "LastName": "Park", "Phone": "7", "Email": "ada@example.com"}


async def test_anonymous_visitor_has_no_contact_and_its_room_has_a_case(deployment: Deployment) -> None:
    async with deployment.bridge():
        room = await deployment.start_room()
        await deployment.acknowledged()

    assert deployment.records("Contact") == []
    (case,) = deployment.records("Case")
    assert (case[ROOM], case["ContactId"], case["Subject"]) == (room, None, "Conversation with a visitor")


@pytest.mark.parametrize(
    ("setting", "allow_save", "contacts"), [("existing", True, 1), ("create", True, 2), ("create", False, 1)]
)
async def test_duplicate_is_the_contact_that_the_rule_found_unless_the_org_allows_another(
    deployment: Deployment, setting: str, allow_save: bool, contacts: int
) -> None:
    rule = DuplicateRule("Same phone", "Contact", "Phone", allow_save)
    deployment.stand_in.org.records.duplicate_rules.append(rule)
    existing = deployment.stand_in.org.records.create("Contact", {"LastName": "Park", "Phone": "1"})

    async with deployment.bridge(CRM_DUPLICATES=setting):
        await deployment.start_room(name="Ada Park", phone="1")
        await deployment.acknowledged()

    assert len(deployment.records("Contact")) == contacts
    (case,) = deployment.records("Case")
    assert (case["ContactId"] == existing) is (contacts == 1)
    (linked,) = [one for one in deployment.records("Contact") if one[VISITOR]]
    assert case["ContactId"] == linked["Id"]


async def test_email_address_that_salesforce_refuses_is_left_out(deployment: Deployment) -> None:
    async with deployment.bridge():
        await deployment.start_room(name="Ada Park", email="ada@localhost")
        await deployment.acknowledged()

    (contact,), (case,) = deployment.records("Contact"), deployment.records("Case")
    assert (contact["LastName"], contact["Email"], case["SuppliedEmail"]) == ("Park", None, None)
    assert case["ContactId"] == contact["Id"]


async def test_case_of_another_room_in_the_field_of_a_room_is_not_touched(deployment: Deployment) -> None:
    """A visitor may set custom fields of the room that it starts."""
    other = deployment.stand_in.org.records.create("Case", {"Subject": "of somebody else"})

    async with deployment.bridge():
        room = await deployment.start_room(custom_fields=[{"key": "salesforceCaseId", "value": other}])
        await deployment.admin.close_room(room_id=room)
        await deployment.acknowledged()

    untouched, case = deployment.records("Case")
    assert (untouched["Id"], untouched["Status"], case["Status"], case[ROOM]) == (other, "New", "Closed", room)


async def test_long_transcript_is_several_files(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MESSAGES_PER_FILE", 2)
    async with deployment.bridge():
        room = await deployment.start_room(name="Ada")
        for text in "12345":
            await deployment.admin.send_message(room_id=room, text=text)
        await deployment.admin.close_room(room_id=room)
        await deployment.acknowledged()

    assert [re.findall(r": (\d)\n", text) for text in transcripts(deployment)] == [["1", "2"], ["3", "4"], ["5"]]
    keys = [one["SwitchboardTranscriptKey__c"] for one in deployment.records("ContentVersion")]
    assert keys == [f"{room}/1", f"{room}/2", f"{room}/3"]
    (case,) = deployment.records("Case")
    assert case["SwitchboardMessages__c"] == 5


async def test_refused_case_is_a_note_to_the_staff(deployment: Deployment) -> None:
    def rule(name: str, record: object) -> None:
        if name == "Case":
            raise Refused(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Choose a product", "Product__c")

    deployment.stand_in.org.records.validation_rules.append(rule)
    async with deployment.bridge():
        room = await deployment.start_room(name="Ada")
        await deployment.acknowledged()

    assert deployment.records("Case") == []
    assert await deployment.case_field(room) is None
    assert await deployment.staff_notes(room) == [
        "Salesforce has no case of this conversation: FIELD_CUSTOM_VALIDATION_EXCEPTION: Choose a product"
    ]


async def test_outage_delays_the_case(deployment: Deployment) -> None:
    out = Response(503, [{"errorCode": "SERVER_UNAVAILABLE", "message": "maintenance"}])

    def saves_case(request: Request) -> bool:
        return "/sobjects/Case/" in request.path

    deployment.stand_in.org.faults.fail(out, matches=saves_case, times=5)
    async with deployment.bridge():
        room = await deployment.start_room(name="Ada")
        await deployment.acknowledged()

    (case,) = deployment.records("Case")
    assert await deployment.case_field(room) == case["Id"]
    assert await deployment.staff_notes(room) == []
