"""The client of Salesforce: sessions, limits, retries, and what a request contains."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from examples.salesforce_crm.salesforce.errors import Refused, SignInRefused, Unavailable
from examples.salesforce_crm.salesforce.rest import ATTEMPTS, Node, Salesforce
from examples.salesforce_crm.salesforce.soql import quote, select
from examples.salesforce_crm.settings import read_settings
from examples.salesforce_crm.stand_in.rows import Request, Response
from examples.salesforce_crm.stand_in.server import StandIn
from tests.examples.salesforce_crm.conftest import open_salesforce

KEY = "SwitchboardVisitorId__c"
REQUIRED = ("SWITCHBOARD_TOKEN", "SALESFORCE_CLIENT_ID", "SALESFORCE_USERNAME", "SALESFORCE_PRIVATE_KEY_FILE")
SETTINGS = dict.fromkeys(REQUIRED, "x") | {"CRM_LIMIT_POLL_SECONDS": "0.01"}


@pytest.fixture
async def salesforce(stand_in: StandIn) -> AsyncIterator[Salesforce]:
    async with open_salesforce(stand_in, read_settings(SETTINGS)) as opened:
        yield opened


def failure(status: int, code: str) -> Response:
    return Response(status, [{"errorCode": code, "message": "told by the test"}])


async def test_expired_session_is_replaced_once_for_all_requests(stand_in: StandIn, salesforce: Salesforce) -> None:
    await salesforce.create("Account", {"Name": "A"})
    stand_in.org.sessions.expire_all()

    await asyncio.gather(*(salesforce.create("Account", {"Name": name}) for name in "BCDE"))

    assert stand_in.org.sessions.started == 2
    assert len(stand_in.org.records.all("Account")) == 5


async def test_new_session_that_is_refused_at_once_is_an_error(stand_in: StandIn, salesforce: Salesforce) -> None:
    stand_in.org.faults.fail(failure(401, "INVALID_SESSION_ID"), times=2)

    with pytest.raises(SignInRefused, match="INVALID_SESSION_ID"):
        await salesforce.create("Account", {"Name": "A"})

    assert stand_in.org.records.all("Account") == []


@pytest.mark.parametrize(
    ("status", "code"), [(503, "SERVER_UNAVAILABLE"), (400, "UNABLE_TO_LOCK_ROW"), (500, "UNKNOWN_EXCEPTION")]
)
async def test_transient_refusals_are_retried(
    stand_in: StandIn, salesforce: Salesforce, status: int, code: str
) -> None:
    stand_in.org.faults.fail(failure(status, code), times=ATTEMPTS - 1)

    await salesforce.create("Account", {"Name": "A"})

    assert len(stand_in.org.records.all("Account")) == 1


async def test_outage_is_an_error_after_the_attempts(stand_in: StandIn, salesforce: Salesforce) -> None:
    stand_in.org.faults.fail(failure(503, "SERVER_UNAVAILABLE"), times=ATTEMPTS)

    with pytest.raises(Unavailable, match=f"failed {ATTEMPTS} times"):
        await salesforce.create("Account", {"Name": "A"})

    assert stand_in.org.records.all("Account") == []


async def test_refusal_for_good_is_not_retried(stand_in: StandIn, salesforce: Salesforce) -> None:
    with pytest.raises(Refused, match="REQUIRED_FIELD_MISSING") as refused:
        await salesforce.create("Account", {})

    assert refused.value.fields == ("Name",)
    assert len(stand_in.org.faults.requests) == 1


async def test_requests_wait_while_the_limit_is_reached(stand_in: StandIn, salesforce: Salesforce) -> None:
    await salesforce.create("Account", {"Name": "A"})
    stand_in.org.faults.limit = stand_in.org.faults.used
    waiting = [asyncio.create_task(salesforce.create("Account", {"Name": name})) for name in "BC"]
    _, pending = await asyncio.wait(waiting, timeout=0.1)
    assert len(pending) == 2
    assert len(stand_in.org.records.all("Account")) == 1

    stand_in.org.faults.limit = 10_000

    await asyncio.gather(*waiting)
    assert len(stand_in.org.records.all("Account")) == 3


async def test_reserved_requests_are_left_to_other_programs(stand_in: StandIn, salesforce: Salesforce) -> None:
    stand_in.org.faults.limit = 100
    stand_in.org.faults.used = 89
    await salesforce.create("Account", {"Name": "A"})
    waiting = asyncio.create_task(salesforce.create("Account", {"Name": "B"}))

    await asyncio.wait([waiting], timeout=0.1)

    assert not waiting.done()
    assert all(request.path.endswith("/limits") for request in stand_in.org.faults.requests[1:])
    stand_in.org.faults.limit = 10_000
    await waiting
    assert len(stand_in.org.records.all("Account")) == 2


async def test_external_id_is_encoded_and_not_in_the_body(stand_in: StandIn, salesforce: Salesforce) -> None:
    record_id = await salesforce.upsert("Contact", KEY, "a/b c?'ü", {"LastName": "A"})

    assert await salesforce.upsert("Contact", KEY, "a/b c?'ü", {"LastName": "B"}) == record_id
    assert await salesforce.find_id("Contact", KEY, "a/b c?'ü") == record_id
    (contact,) = stand_in.org.records.all("Contact")
    assert (contact[KEY], contact["LastName"]) == ("a/b c?'ü", "B")
    assert stand_in.org.faults.requests[0].body == {"LastName": "A"}


async def test_upsert_without_a_body_in_the_response_reads_the_id(stand_in: StandIn, salesforce: Salesforce) -> None:
    record_id = await salesforce.upsert("Contact", KEY, "v", {"LastName": "A"})
    stand_in.org.faults.fail(Response(204), matches=lambda request: request.method == "PATCH")

    assert await salesforce.upsert("Contact", KEY, "v", {"LastName": "A"}) == record_id


async def test_failed_graph_is_the_fault_of_its_cause_and_changes_nothing(
    stand_in: StandIn, salesforce: Salesforce
) -> None:
    case = stand_in.org.records.create("Case", {})
    nodes = [
        Node("first", "PATCH", f"sobjects/Case/{case}", {"Status": "Closed"}),
        Node("second", "POST", "sobjects/CaseComment", {"ParentId": case, "CommentBody": "x" * 4001}),
    ]

    with pytest.raises(Refused, match=r"^STRING_TOO_LONG"):
        await salesforce.graph("g", nodes)

    assert stand_in.org.records.all("Case")[0]["Status"] == "New"
    assert stand_in.org.records.all("CaseComment") == []


@pytest.mark.parametrize("name", ["O'Hara", "a\\b", "x' OR Id != null OR LastName = '", "line\nbreak", "100%", "\\'"])
async def test_quoted_text_is_compared_as_it_is(stand_in: StandIn, salesforce: Salesforce, name: str) -> None:
    stand_in.org.records.create("Contact", {"LastName": name})
    stand_in.org.records.create("Contact", {"LastName": "other"})

    found = await salesforce.query(select("Contact", ("LastName",), f"LastName = {quote(name)}", limit=5))

    assert [record["LastName"] for record in found] == [name]


async def test_address_of_a_request_has_the_version(stand_in: StandIn, salesforce: Salesforce) -> None:
    def is_versioned(request: Request) -> bool:
        return request.path.startswith("/services/data/v67.0/")

    await salesforce.query(select("Contact", ("Id",), "Id != null", limit=1))

    assert all(map(is_versioned, stand_in.org.faults.requests))
