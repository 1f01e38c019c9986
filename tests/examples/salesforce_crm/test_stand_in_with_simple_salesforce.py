"""simple-salesforce, which knows nothing of the stand-in, as its client.

It insists on https and on the host of the login, so that an adapter sends its requests to the stand-in instead.
"""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)
from typing_extensions import override

from examples.salesforce_crm.stand_in.duplicates import DuplicateRule
from examples.salesforce_crm.stand_in.server import CLIENT_ID, CLIENT_SECRET, USERNAME, StandIn

INSTANCE = "acme.my.salesforce.com"
KEY = "SwitchboardVisitorId__c"


class _ToStandIn(HTTPAdapter):
    """Sends requests to the stand-in, whichever host they are for."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    @override
    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        assert request.url is not None
        request.url = re.sub(r"^https://[^/]+", self._url, request.url)
        return super().send(request, *args, **kwargs)


@pytest.fixture
def web(stand_in: StandIn) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.mount("https://", _ToStandIn(stand_in.url))
        yield session


def sign_in(stand_in: StandIn, web: requests.Session, **changes: str) -> Any:
    """A client that signed in by JWT bearer. Its attributes for the objects of the org have no types."""
    arguments: dict[str, Any] = {
        "username": USERNAME,
        "consumer_key": CLIENT_ID,
        "privatekey": stand_in.private_key,
        "version": "67.0",
    }
    return Salesforce(session=web, **(arguments | changes))


def with_token(stand_in: StandIn, web: requests.Session) -> Any:
    """Signed in with client credentials."""
    form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    granted = web.post(f"https://{INSTANCE}/services/oauth2/token", data=form).json()
    return Salesforce(session=web, instance=INSTANCE, session_id=granted["access_token"], version="67.0")


async def test_jwt_bearer_opens_a_session(stand_in: StandIn, web: requests.Session) -> None:
    def drive() -> None:
        salesforce = sign_in(stand_in, web)
        assert salesforce.query("SELECT Id FROM Contact")["totalSize"] == 0

    await asyncio.to_thread(drive)
    assert stand_in.org.sessions.started == 1


async def test_unknown_user_and_unknown_app_are_refused(stand_in: StandIn, web: requests.Session) -> None:
    def drive() -> None:
        unapproved = pytest.raises(SalesforceAuthenticationFailed, match="hasn't approved this consumer")
        with pytest.warns(UserWarning, match="authorize this"), unapproved:
            sign_in(stand_in, web, username="somebody@example.com")
        with pytest.raises(SalesforceAuthenticationFailed, match="client identifier invalid"):
            sign_in(stand_in, web, consumer_key="another")

    await asyncio.to_thread(drive)
    assert stand_in.org.sessions.started == 0


async def test_records_are_created_read_changed_upserted_and_deleted(stand_in: StandIn, web: requests.Session) -> None:
    def drive() -> None:
        salesforce = with_token(stand_in, web)
        contacts = salesforce.Contact
        created = contacts.create({"LastName": "Haddad", "Email": "noor@example.com"})
        assert created["success"] is True
        assert contacts.get(created["id"])["Name"] == "Haddad"
        assert contacts.update(created["id"], {"FirstName": "Noor"}) == 204
        assert contacts.upsert(f"{KEY}/vis_1", {"LastName": "Park"}) == 201
        assert contacts.upsert(f"{KEY}/vis_1", {"LastName": "Lee"}) == 200
        assert contacts.get_by_custom_id(KEY, "vis_1")["LastName"] == "Lee"
        found = salesforce.query("SELECT Id, Name FROM Contact WHERE Email = 'NOOR@example.com'")
        assert [record["Name"] for record in found["records"]] == ["Noor Haddad"]
        assert contacts.delete(created["id"]) == 204
        with pytest.raises(SalesforceResourceNotFound, match="entity is deleted"):
            contacts.get(created["id"])
        fields = contacts.describe()["fields"]
        assert [field["name"] for field in fields if field["externalId"]] == [KEY]

    await asyncio.to_thread(drive)


async def test_long_results_come_in_pages(stand_in: StandIn, web: requests.Session) -> None:
    for number in range(450):
        stand_in.org.records.create("Account", {"Name": f"Account {number:03}"})

    def drive() -> list[str]:
        salesforce = with_token(stand_in, web)
        salesforce.headers["Sforce-Query-Options"] = "batchSize=200"
        pages = salesforce.query_all_iter("SELECT Name FROM Account ORDER BY Name")
        return [record["Name"] for record in pages]

    assert await asyncio.to_thread(drive) == [f"Account {number:03}" for number in range(450)]


async def test_refusals_have_the_codes_of_salesforce(stand_in: StandIn, web: requests.Session) -> None:
    stand_in.org.records.duplicate_rules.append(DuplicateRule("Standard_Rule", "Contact", "Email", allow_save=True))
    first = stand_in.org.records.create("Contact", {"LastName": "A", "Email": "a@example.com"})

    def drive() -> None:
        salesforce = with_token(stand_in, web)

        def code(values: dict[str, object]) -> str:
            with pytest.raises(SalesforceMalformedRequest) as refused:
                salesforce.Contact.create(values)
            content: Any = refused.value.content
            return str(content[0]["errorCode"])

        assert code({"FirstName": "A"}) == "REQUIRED_FIELD_MISSING"
        assert code({"LastName": "A" * 81}) == "STRING_TOO_LONG"
        assert code({"LastName": "A", "Email": "nobody"}) == "INVALID_EMAIL_ADDRESS"
        assert code({"LastName": "A", "Shoes__c": 1}) == "INVALID_FIELD"
        assert code({"LastName": "A", "LeadSource": "Moon"}) == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        assert code({"LastName": "A", "AccountId": first}) == "FIELD_INTEGRITY_EXCEPTION"
        assert code({"LastName": "A", "Email": "A@example.com"}) == "DUPLICATES_DETECTED"
        allowed = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
        assert salesforce.Contact.create({"LastName": "A", "Email": "A@example.com"}, headers=allowed)["success"]
        with pytest.raises(SalesforceMalformedRequest, match="unexpected token"):
            salesforce.query("SELECT Id FROM Contact WHERE Email = 'a' AND Id = null OR Id = null")

    await asyncio.to_thread(drive)
    assert len(stand_in.org.records.all("Contact")) == 2


async def test_external_id_that_several_records_have_is_answered_with_their_addresses(
    stand_in: StandIn, web: requests.Session
) -> None:
    table = stand_in.org.records.all
    ids = [stand_in.org.records.create("Contact", {"LastName": name, KEY: name}) for name in ("A", "B")]
    for record in table("Contact"):
        record[KEY] = "vis_1"

    def drive() -> None:
        with pytest.raises(SalesforceMoreThanOneRecord) as refused:
            with_token(stand_in, web).Contact.upsert(f"{KEY}/vis_1", {"LastName": "C"})
        content: Any = refused.value.content
        assert content == [f"/services/data/v67.0/sobjects/Contact/{one}" for one in ids]

    await asyncio.to_thread(drive)
    assert [record["LastName"] for record in table("Contact")] == ["A", "B"]


async def test_expired_session_is_refused(stand_in: StandIn, web: requests.Session) -> None:
    def drive() -> None:
        salesforce = with_token(stand_in, web)
        stand_in.org.sessions.expire_all()
        with pytest.raises(SalesforceExpiredSession, match="Session expired or invalid"):
            salesforce.query("SELECT Id FROM Contact")

    await asyncio.to_thread(drive)
