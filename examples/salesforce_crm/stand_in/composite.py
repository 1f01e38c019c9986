"""POST /composite, /composite/graph and /composite/batch."""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from examples.salesforce_crm.stand_in.records import Records
from examples.salesforce_crm.stand_in.refusals import bad_request
from examples.salesforce_crm.stand_in.rows import Request, Response, Rows, split_version
from examples.salesforce_crm.stand_in.values import JSON

MAX_SUBREQUESTS = 25
MAX_QUERIES = 5
MAX_GRAPHS = 75
MAX_NODES = 500
MAX_DEPTH = 15
MAX_KINDS = 15
MAX_FAILED_GRAPHS = 14
REFERENCE = re.compile(r"@\{([A-Za-z][A-Za-z0-9_]*)((?:\.[A-Za-z0-9_]+|\[\d+\])+)\}")
ROLLED_BACK = "The transaction was rolled back since another operation in the same transaction failed."
ALLOWED_HEADERS = ("sforce-", "if-", "accept", "content-type", "x-")


class _GraphFailed(Exception):
    """A node of the graph failed."""


class Composite:
    """Serves requests that contain other requests."""

    def __init__(self, rows: Rows, records: Records) -> None:
        self._rows = rows
        self._records = records

    def serve(self, request: Request) -> Response:
        """Answer a composite request. Raises Refused if it is not run at all."""
        version, segments = split_version(urlsplit(request.path).path)
        if request.method != "POST":
            raise bad_request("METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed. Allowed are POST")
        body = request.body
        if not isinstance(body, dict):
            raise bad_request("JSON_PARSER_ERROR", "The request body must be a JSON object")
        match segments:
            case ["composite"]:
                return self._composite(body)
            case ["composite", "graph"] if int(version.split(".")[0]) >= 50:
                return self._graphs(body)
            case ["composite", "batch"]:
                return self._batch(body)
        raise bad_request("NOT_FOUND", "The requested resource does not exist")

    def _composite(self, body: JSON) -> Response:
        requests = _subrequests(body, {"allOrNone", "collateSubrequests", "compositeRequest"}, MAX_SUBREQUESTS)
        queries = sum("/query" in one["url"] for one in requests)
        if queries > MAX_QUERIES:
            raise bad_request("LIMIT_EXCEEDED", f"A composite request has at most {MAX_QUERIES} queries")
        if body.get("allOrNone") is not True:
            return Response(200, {"compositeResponse": self._run(requests, stop_at_failure=False)})
        try:
            with self._records.all_or_nothing():
                return Response(200, {"compositeResponse": self._run_all_or_none(requests)})
        except _GraphFailed as failed:
            return Response(200, {"compositeResponse": failed.args[0]})

    def _graphs(self, body: JSON) -> Response:
        graphs = body.get("graphs")
        if set(body) != {"graphs"} or not isinstance(graphs, list) or not graphs:
            raise bad_request("JSON_PARSER_ERROR", "The body of a graph request has the property graphs")
        if len(graphs) > MAX_GRAPHS:
            raise bad_request("LIMIT_EXCEEDED", f"A request has at most {MAX_GRAPHS} graphs")
        planned = [
            (str(graph.get("graphId")), _subrequests(graph, {"graphId", "compositeRequest"}, MAX_NODES))
            for graph in graphs
        ]
        _check_graph_limits([requests for _, requests in planned])
        answered: list[JSON] = []
        for graph_id, requests in planned:
            if sum(not graph["isSuccessful"] for graph in answered) > MAX_FAILED_GRAPHS:
                responses, successful = [_halted(one["referenceId"]) for one in requests], False
            else:
                try:
                    with self._records.all_or_nothing():
                        responses, successful = self._run_all_or_none(requests), True
                except _GraphFailed as failed:
                    responses, successful = failed.args[0], False
            graph = {"graphId": graph_id, "graphResponse": {"compositeResponse": responses}}
            answered.append(graph | {"isSuccessful": successful})
        return Response(200, {"graphs": answered})

    def _batch(self, body: JSON) -> Response:
        requests = body.get("batchRequests")
        if not isinstance(requests, list) or not 0 < len(requests) <= MAX_SUBREQUESTS:
            raise bad_request("LIMIT_EXCEEDED", f"A batch has 1 to {MAX_SUBREQUESTS} requests")
        results: list[JSON] = []
        failed = False
        for one in requests:
            if failed and body.get("haltOnError"):
                halted = [{"errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing halted per request"}]
                results.append({"statusCode": 412, "result": halted})
                continue
            url = one["url"] if one["url"].startswith("/") else f"/services/data/{one['url']}"
            response = self._rows.serve(Request(one["method"], url, one.get("richInput")))
            failed = failed or response.status >= 400
            results.append({"statusCode": response.status, "result": response.body})
        return Response(200, {"hasErrors": failed, "results": results})

    def _run_all_or_none(self, requests: list[JSON]) -> list[JSON]:
        """Run subrequests of which none has an effect if one fails. Raises _GraphFailed with the responses."""
        responses = self._run(requests, stop_at_failure=True)
        if any(response["httpStatusCode"] >= 400 for response in responses):
            raise _GraphFailed(
                [one if one["httpStatusCode"] >= 400 else _halted(one["referenceId"]) for one in responses]
            )
        return responses

    def _run(self, requests: list[JSON], *, stop_at_failure: bool) -> list[JSON]:
        bodies: dict[str, Any] = {}
        responses: list[JSON] = []
        for one in requests:
            if stop_at_failure and responses and responses[-1]["httpStatusCode"] >= 400:
                responses.append(_halted(one["referenceId"]))
                continue
            try:
                url = _resolve(one["url"], bodies)
                headers = {name.lower(): value for name, value in (one.get("httpHeaders") or {}).items()}
                response = self._rows.serve(Request(one["method"], url, _resolve(one.get("body"), bodies), headers))
            except KeyError as unresolved:
                message = f"Invalid reference specified. No value for {unresolved.args[0]} found"
                response = Response(400, [{"errorCode": "PROCESSING_HALTED", "message": message}])
            if response.status < 400:
                bodies[one["referenceId"]] = response.body
            if isinstance(response.body, bytes):
                response = replace(response, status=400, body=[{"errorCode": "NOT_SUPPORTED", "message": "a file"}])
            responses.append(
                {
                    "body": response.body,
                    "httpHeaders": response.headers,
                    "httpStatusCode": response.status,
                    "referenceId": one["referenceId"],
                }
            )
        return responses


def _halted(reference: str) -> JSON:
    body = [{"errorCode": "PROCESSING_HALTED", "message": ROLLED_BACK}]
    return {"body": body, "httpHeaders": {}, "httpStatusCode": 400, "referenceId": reference}


def _subrequests(body: JSON, allowed: set[str], limit: int) -> list[JSON]:
    """The subrequests in order. Raises Refused for what makes Salesforce refuse the whole request."""
    if unknown := set(body) - allowed:
        raise bad_request("JSON_PARSER_ERROR", f'Unrecognized field "{sorted(unknown)[0]}"')
    requests = body.get("compositeRequest")
    if not isinstance(requests, list) or not requests:
        raise bad_request("JSON_PARSER_ERROR", "compositeRequest must be a list with a subrequest")
    if len(requests) > limit:
        raise bad_request("LIMIT_EXCEEDED", f"The request has {len(requests)} subrequests, at most {limit} are allowed")
    seen: set[str] = set()
    for one in requests:
        for name in ("method", "url", "referenceId"):
            if not isinstance(one.get(name), str):
                raise bad_request("JSON_PARSER_ERROR", f"A subrequest has no {name}")
        if unknown := set(one) - {"method", "url", "referenceId", "body", "httpHeaders"}:
            raise bad_request("JSON_PARSER_ERROR", f'Unrecognized field "{sorted(unknown)[0]}"')
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", one["referenceId"]):
            raise bad_request("INVALID_INPUT", f"Invalid reference id: {one['referenceId']}")
        if one["referenceId"] in seen:
            raise bad_request("INVALID_INPUT", f"Duplicate reference id: {one['referenceId']}")
        for header in one.get("httpHeaders") or {}:
            if not header.lower().startswith(ALLOWED_HEADERS):
                raise bad_request("INVALID_INPUT", f"Header not allowed in a subrequest: {header}")
        for reference, _ in REFERENCE.findall(repr(one)):
            if reference not in seen:
                raise bad_request("INVALID_INPUT", f"Invalid reference specified: {reference} is no earlier subrequest")
        seen.add(one["referenceId"])
    return requests


def _check_graph_limits(graphs: list[list[JSON]]) -> None:
    if sum(map(len, graphs)) > MAX_NODES:
        raise bad_request("LIMIT_EXCEEDED", f"A request has at most {MAX_NODES} nodes")
    kinds = set()
    for requests in graphs:
        depths: dict[str, int] = {}
        for one in requests:
            version, segments = split_version(urlsplit(one["url"]).path)
            if segments[:1] not in (["sobjects"], ["query"]):
                raise bad_request("INVALID_INPUT", f"A graph does not support {one['url']}")
            kinds.add((version, one["method"], segments[1].lower() if len(segments) > 1 else segments[0]))
            parents = [depths[reference] for reference, _ in REFERENCE.findall(repr(one))]
            depths[one["referenceId"]] = max(parents, default=0) + 1
        if max(depths.values()) > MAX_DEPTH:
            raise bad_request("LIMIT_EXCEEDED", f"A graph has at most the depth {MAX_DEPTH}")
    if len(kinds) > MAX_KINDS:
        raise bad_request("LIMIT_EXCEEDED", f"A request has at most {MAX_KINDS} different nodes")


def _resolve(value: Any, bodies: dict[str, Any]) -> Any:
    """The value with references replaced. Raises KeyError with the reference that has no value."""
    if isinstance(value, dict):
        return {key: _resolve(inner, bodies) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolve(inner, bodies) for inner in value]
    if not isinstance(value, str):
        return value

    def replace_one(found: re.Match[str]) -> str:
        current: Any = bodies.get(found[1])
        for name, index in re.findall(r"\.([A-Za-z0-9_]+)|\[(\d+)\]", found[2]):
            try:
                current = current[name] if name else current[int(index)]
            except (KeyError, IndexError, TypeError):
                raise KeyError(found[0]) from None
        return str(current)

    return REFERENCE.sub(replace_one, value)
