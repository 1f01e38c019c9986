"""Which contact a visitor has."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from examples.salesforce_crm.contacts import Contacts, Person, contact_fields
from examples.salesforce_crm.settings import read_settings
from examples.salesforce_crm.stand_in.server import StandIn
from tests.examples.salesforce_crm.conftest import open_salesforce
from tests.examples.salesforce_crm.test_rest import SETTINGS

KEY = "SwitchboardVisitorId__c"


@pytest.fixture
async def contacts(stand_in: StandIn) -> AsyncIterator[Contacts]:
    async with open_salesforce(stand_in, read_settings(SETTINGS)) as salesforce:
        yield Contacts(salesforce, create_duplicates=False)


def person(number: int, **values: str) -> Person:
    fields: dict[str, str | None] = {"name": "Ada Park", "email": None, "phone": None}
    return Person(f"vis_{number}", **(fields | values))


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Ada", None, "Ada"),
        ("Ada Park", "Ada", "Park"),
        ("  Ada  M.  Park ", "Ada  M.", "Park"),
        ("A" * 99, None, "A" * 80),
    ],
)
def test_last_word_of_a_name_is_the_last_name(name: str, first: str | None, last: str) -> None:
    fields = contact_fields(person(1, name=name))

    assert (fields.get("FirstName"), fields["LastName"]) == (first, last)


async def test_visitors_with_one_email_address_share_a_contact(stand_in: StandIn, contacts: Contacts) -> None:
    visitors = [person(number, email="ada@example.com") for number in range(5)]

    ids = await asyncio.gather(*map(contacts.ensure, visitors))

    (contact,) = stand_in.org.records.all("Contact")
    assert set(ids) == {contact["Id"]}


async def test_contact_of_no_visitor_is_preferred(stand_in: StandIn, contacts: Contacts) -> None:
    create = stand_in.org.records.create
    create("Contact", {"LastName": "A", "Email": "ada@example.com", KEY: "vis_9"})
    free = create("Contact", {"LastName": "B", "Email": "ada@example.com"})

    assert await contacts.ensure(person(1, email="ada@example.com")) == free
    assert await contacts.ensure(person(1, email="ada@example.com")) == free


async def test_repeated_change_is_not_written_twice(stand_in: StandIn, contacts: Contacts) -> None:
    before, after = person(1, phone="1"), person(1, phone="2")
    contact_id = await contacts.ensure(before)
    assert contact_id is not None
    await contacts.apply_changes(contact_id, before, after)
    requests = len(stand_in.org.faults.requests)

    await contacts.apply_changes(contact_id, before, after)

    assert [request.method for request in stand_in.org.faults.requests[requests:]] == ["GET"]
    assert stand_in.org.records.all("Contact")[0]["Phone"] == "2"


async def test_change_does_not_reach_the_contact_of_another_visitor(stand_in: StandIn, contacts: Contacts) -> None:
    other = stand_in.org.records.create("Contact", {"LastName": "A", "Phone": "1", KEY: "vis_9"})

    await contacts.apply_changes(other, person(1, phone="1"), person(1, phone="2"))

    assert stand_in.org.records.all("Contact")[0]["Phone"] == "1"
