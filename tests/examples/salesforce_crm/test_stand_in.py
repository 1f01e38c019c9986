"""Rules of the stand-in that neither simple-salesforce nor jsforce asks for: composite requests, versions and SOQL."""

from typing import Any
from urllib.parse import quote

import pytest

from examples.salesforce_crm.stand_in.composite import Composite
from examples.salesforce_crm.stand_in.records import Records
from examples.salesforce_crm.stand_in.refusals import Refused
from examples.salesforce_crm.stand_in.rows import Request, Response, Rows

BASE = "/services/data/v67.0"
KINDS = "/services/data/v{}.0/sobjects/Account"


class Api:
    """The stand-in without HTTP."""

    def __init__(self) -> None:
        self.records = Records()
        self.rows = Rows(self.records)
        self.composite = Composite(self.rows, self.records)

    def post(self, path: str, body: object) -> Any:
        return self.composite.serve(Request("POST", f"{BASE}/{path}", body)).body

    def serve(self, method: str, path: str, body: object = None) -> Response:
        return self.rows.serve(Request(method, path, body))

    def refuse(self, path: str, body: object) -> str:
        """The code of the refusal of a request that is not run at all."""
        with pytest.raises(Refused) as refused:
            self.post(path, body)
        return refused.value.error.code

    def names(self) -> list[object]:
        return [record["Name"] for record in self.records.all("Account")]


@pytest.fixture
def api() -> Api:
    return Api()


def create(reference: str, name: str | None = "A") -> dict[str, object]:
    url = f"{BASE}/sobjects/Account"
    return {"method": "POST", "url": url, "referenceId": reference, "body": {"Name": name} if name else {}}


def test_composite_runs_what_is_good_unless_it_is_all_or_none(api: Api) -> None:
    requests = [create("a"), create("b", None), create("c", "C")]

    some = api.post("composite", {"compositeRequest": requests})["compositeResponse"]
    none = api.post("composite", {"allOrNone": True, "compositeRequest": requests})["compositeResponse"]

    assert [one["httpStatusCode"] for one in some] == [201, 400, 201]
    codes = ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED"]
    assert [one["body"][0]["errorCode"] for one in none] == codes
    assert api.names() == ["A", "C"]


def test_references_are_replaced(api: Api) -> None:
    contact = {
        "method": "POST",
        "url": f"{BASE}/sobjects/Contact",
        "referenceId": "contact",
        "body": {"LastName": "Park", "AccountId": "@{account.id}"},
    }

    answered = api.post("composite", {"compositeRequest": [create("account"), contact]})["compositeResponse"]

    (record,) = api.records.all("Contact")
    assert record["AccountId"] == answered[0]["body"]["id"]


@pytest.mark.parametrize(
    ("requests", "code"),
    [
        ([create("a")] * 2, "INVALID_INPUT"),
        ([create("1a")], "INVALID_INPUT"),
        ([create("a") | {"body": {"Name": "@{later.id}"}}, create("later")], "INVALID_INPUT"),
        ([{"method": "POST", "url": f"{BASE}/sobjects/Account"}], "JSON_PARSER_ERROR"),
        ([create("a") | {"headers": {}}], "JSON_PARSER_ERROR"),
        ([create("a") | {"httpHeaders": {"Authorization": "Bearer x"}}], "INVALID_INPUT"),
        ([create(f"a{number}") for number in range(26)], "LIMIT_EXCEEDED"),
    ],
)
def test_malformed_composite_is_refused_as_a_whole(api: Api, requests: list[object], code: str) -> None:
    assert api.refuse("composite", {"compositeRequest": requests}) == code
    assert api.names() == []


def graph(name: str, *requests: dict[str, object]) -> dict[str, object]:
    return {"graphId": name, "compositeRequest": list(requests)}


def test_each_graph_has_its_effect_or_none(api: Api) -> None:
    graphs = [graph("1", create("a"), create("b", None)), graph("2", create("a", "C"))]

    answered = api.post("composite/graph", {"graphs": graphs})

    assert [one["isSuccessful"] for one in answered["graphs"]] == [False, True]
    assert api.names() == ["C"]


def test_graphs_are_halted_after_many_failures(api: Api) -> None:
    graphs = [graph(str(number), create("a", None)) for number in range(16)] + [graph("good", create("a"))]

    answered = api.post("composite/graph", {"graphs": graphs})["graphs"]

    codes = [one["graphResponse"]["compositeResponse"][0]["body"][0]["errorCode"] for one in answered]
    assert codes == ["REQUIRED_FIELD_MISSING"] * 15 + ["PROCESSING_HALTED"] * 2
    assert api.names() == []


def chain(length: int) -> dict[str, object]:
    followers = (create(f"n{number}", f"@{{n{number - 1}.id}}") for number in range(1, length))
    return graph("chain", create("n0"), *followers)


@pytest.mark.parametrize(
    "graphs",
    [
        [graph(str(number), create("a")) for number in range(76)],
        [graph("1", *(create(f"a{number}") for number in range(501)))],
        [chain(16)],
        [graph("1", *(create(f"a{number}") | {"url": KINDS.format(number)} for number in range(52, 68)))],
    ],
    ids=["graphs", "nodes", "depth", "kinds"],
)
def test_limits_of_graphs(api: Api, graphs: list[object]) -> None:
    assert api.refuse("composite/graph", {"graphs": graphs}) == "LIMIT_EXCEEDED"
    assert api.names() == []


def test_batch_stops_at_an_error_if_it_is_told_to(api: Api) -> None:
    requests = [{"method": "GET", "url": "v67.0/sobjects/Nothing"}, {"method": "GET", "url": "v67.0/sobjects/Account"}]

    answered = api.post("composite/batch", {"haltOnError": True, "batchRequests": requests})

    assert [one["statusCode"] for one in answered["results"]] == [404, 412]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/services/data/v99.0/sobjects", 404, "NOT_FOUND"),
        ("GET", "/services/data/v20.0/sobjects", 410, "UNSUPPORTED_API_VERSION"),
        ("GET", f"{BASE}/sobjects/Nothing/describe", 404, "NOT_FOUND"),
        ("PUT", f"{BASE}/sobjects/Account", 405, "METHOD_NOT_ALLOWED"),
        ("PATCH", f"{BASE}/sobjects/Contact/Email/a@b.co", 404, "NOT_FOUND"),
        ("PATCH", f"{BASE}/sobjects/Contact/SwitchboardVisitorId__c/v?updateOnly=true", 404, "NOT_FOUND"),
        ("GET", f"{BASE}/query", 400, "MALFORMED_QUERY"),
    ],
)
def test_request_that_salesforce_refuses(api: Api, method: str, path: str, status: int, code: str) -> None:
    response = api.serve(method, path, {"LastName": "A"})

    assert (response.status, response.body[0]["errorCode"]) == (status, code)
    assert api.records.all("Contact") == []


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ('SELECT Id FROM Contact WHERE Email = "a"', "MALFORMED_QUERY"),
        ("SELECT Id, FROM Contact", "MALFORMED_QUERY"),
        ("SELECT * FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Email = 'a\\x'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Email = 'a' OR Phone = 'b' AND Phone = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact LIMIT many", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contacts", "INVALID_TYPE"),
        ("SELECT Nothing FROM Contact", "INVALID_FIELD"),
        ("SELECT Id, Id FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Email = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE CreatedDate > '2026'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Description = 'a'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Id = 'a'", "INVALID_QUERY_FILTER_OPERATOR"),
    ],
)
def test_query_that_salesforce_refuses(api: Api, soql: str, code: str) -> None:
    response = api.serve("GET", f"{BASE}/query?q={quote(soql)}")

    assert (response.status, response.body[0]["errorCode"]) == (400, code)
