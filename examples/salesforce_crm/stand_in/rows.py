"""The requests of REST about records and queries. Composite requests consist of these, too."""

import base64
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from examples.salesforce_crm.stand_in.objects import OBJECTS, Object, describe, get_object
from examples.salesforce_crm.stand_in.records import Records
from examples.salesforce_crm.stand_in.refusals import Refused, SeveralMatch, bad_request, not_found
from examples.salesforce_crm.stand_in.soql import run_query
from examples.salesforce_crm.stand_in.values import JSON

CURRENT_VERSION = 67
OLDEST_VERSION = 31
BATCH_SIZE = 2000
ALLOW_SAVE = re.compile(r"allowSave\s*=\s*true", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Request:
    """A request: `path` with its query, `body` as parsed JSON, the names of `headers` in lower case."""

    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """`body` is JSON, bytes of a file, or None."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def split_version(path: str) -> tuple[str, list[str]]:
    """The version and the segments after it, decoded: ("67.0", ["sobjects", "Case"]). Raises Refused."""
    found = re.fullmatch(r"/services/data/v(\d+)\.0(?:/(.*))?", path)
    if found is None:
        raise not_found()
    version = int(found[1])
    if version > CURRENT_VERSION:
        raise not_found()
    if version < OLDEST_VERSION:
        raise Refused(410, "UNSUPPORTED_API_VERSION", f"API version {version}.0 is retired.")
    return f"{version}.0", [unquote(part) for part in (found[2] or "").split("/") if part]


class Rows:
    """Serves requests on records. Every error of a request is a Response, never an exception."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._open_queries: dict[str, list[JSON]] = {}

    def serve(self, request: Request) -> Response:
        """Answer a request. A refused one changes nothing."""
        try:
            with self._records.all_or_nothing():
                return self.serve_or_raise(request)
        except Refused as refused:
            return Response(refused.status, refused.body)
        except SeveralMatch as several:
            version, _ = split_version(urlsplit(request.path).path)
            return Response(300, [f"/services/data/v{version}{url}" for url in several.urls])

    def serve_or_raise(self, request: Request) -> Response:
        parts = urlsplit(request.path)
        version, segments = split_version(parts.path)
        query = dict(parse_qsl(parts.query))
        match segments:
            case ["query" | "queryAll"]:
                self._allow(request, "GET", "HEAD")
                if "q" not in query:
                    raise bad_request("MALFORMED_QUERY", "A query string has to be specified")
                return self._query(request, query["q"], version)
            case ["query" | "queryAll", locator]:
                return self._query_more(request, locator, version)
            case ["sobjects"]:
                self._allow(request, "GET", "HEAD")
                return Response(200, {"encoding": "UTF-8", "sobjects": [_listed(one) for one in OBJECTS.values()]})
            case ["sobjects", name]:
                return self._collection(request, get_object(name), version)
            case ["sobjects", name, "describe"]:
                self._allow(request, "GET", "HEAD")
                return Response(200, describe(get_object(name)))
            case ["sobjects", name, record_id]:
                return self._record(request, get_object(name), record_id, query)
            case ["sobjects", name, record_id, "VersionData"] if get_object(name).name == "ContentVersion":
                self._allow(request, "GET", "HEAD")
                data = self._records.get(get_object(name), record_id)["VersionData"]
                return Response(200, base64.b64decode(data), {"content-type": "application/octetstream"})
            case ["sobjects", name, key, value]:
                return self._keyed(request, get_object(name), key, value, query)
        raise not_found()

    def _allow(self, request: Request, *methods: str) -> None:
        if request.method not in methods:
            message = f"HTTP Method '{request.method}' not allowed. Allowed are {','.join(methods)}"
            raise Refused(405, "METHOD_NOT_ALLOWED", message)

    def _body(self, request: Request) -> JSON:
        if not isinstance(request.body, dict):
            raise bad_request("JSON_PARSER_ERROR", "The request body must be a JSON object")
        return request.body

    def _allows_duplicates(self, request: Request) -> bool:
        return ALLOW_SAVE.search(request.headers.get("sforce-duplicate-rule-header", "")) is not None

    def _query(self, request: Request, text: str, version: str) -> Response:
        found, count = run_query(self._records, text, version)
        if count is not None:
            return Response(200, {"totalSize": count, "done": True, "records": []})
        wanted = re.search(r"batchSize=(\d+)", request.headers.get("sforce-query-options", ""))
        size = min(max(int(wanted[1]), 200), BATCH_SIZE) if wanted else BATCH_SIZE
        return self._batch(f"0r8Ws{len(self._open_queries):013d}", found, 0, size, version)

    def _batch(self, locator: str, found: list[JSON], start: int, size: int, version: str) -> Response:
        end = start + size
        body: JSON = {"totalSize": len(found), "done": end >= len(found)}
        if end < len(found):
            self._open_queries[locator] = found
            body["nextRecordsUrl"] = f"/services/data/v{version}/query/{locator}-{end}"
        return Response(200, body | {"records": found[start:end]})

    def _query_more(self, request: Request, text: str, version: str) -> Response:
        self._allow(request, "GET", "HEAD")
        locator, _, start = text.partition("-")
        if locator not in self._open_queries or not start.isdigit():
            raise bad_request("INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._batch(locator, self._open_queries[locator], int(start), BATCH_SIZE, version)

    def _collection(self, request: Request, one: Object, version: str) -> Response:
        self._allow(request, "HEAD", "GET", "POST")
        if request.method != "POST":
            return Response(200, {"objectDescribe": _listed(one), "recentItems": []})
        allowed = self._allows_duplicates(request)
        record_id = self._records.create(one.name, self._body(request), allow_duplicates=allowed)
        location = f"/services/data/v{version}/sobjects/{one.name}/{record_id}"
        return Response(201, {"id": record_id, "success": True, "errors": []}, {"Location": location})

    def _record(self, request: Request, one: Object, record_id: str, query: dict[str, str]) -> Response:
        self._allow(request, "DELETE", "GET", "HEAD", "PATCH")
        if request.method == "PATCH":
            self._records.update(one.name, record_id, self._body(request))
            return Response(204)
        if request.method == "DELETE":
            self._records.delete(one.name, record_id)
            return Response(204)
        return self._shown(one, self._records.get(one, record_id), query)

    def _keyed(self, request: Request, one: Object, key: str, value: str, query: dict[str, str]) -> Response:
        self._allow(request, "DELETE", "GET", "HEAD", "PATCH")
        if request.method == "PATCH":
            record_id, created = self._records.upsert(
                one.name,
                key,
                value,
                self._body(request),
                update_only=query.get("updateOnly") == "true",
                allow_duplicates=self._allows_duplicates(request),
            )
            body = {"id": record_id, "success": True, "errors": [], "created": created}
            return Response(201 if created else 200, body)
        record = self._records.get_by_external_id(one, key, value)
        if request.method == "DELETE":
            self._records.delete(one.name, str(record["Id"]))
            return Response(204)
        return self._shown(one, record, query)

    def _shown(self, one: Object, record: JSON, query: dict[str, str]) -> Response:
        names = query["fields"].split(",") if "fields" in query else [field.name for field in one.fields]
        url = f"/services/data/v{CURRENT_VERSION}.0/sobjects/{one.name}/{record['Id']}"
        shown: JSON = {"attributes": {"type": one.name, "url": url}}
        for name in names:
            shown[one.get_field(name.strip()).name] = record[one.get_field(name.strip()).name]
        if "VersionData" in shown:
            shown["VersionData"] = f"{url}/VersionData"
        return Response(200, shown)


def _listed(one: Object) -> JSON:
    return {name: value for name, value in describe(one).items() if name != "fields"}
