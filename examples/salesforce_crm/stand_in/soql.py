"""Runs SOQL queries over the records."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from examples.salesforce_crm.stand_in.objects import OBJECTS, Field, Object
from examples.salesforce_crm.stand_in.records import Records
from examples.salesforce_crm.stand_in.refusals import bad_request
from examples.salesforce_crm.stand_in.soql_parser import Comparison, Condition, Junction, Query, Value, parse
from examples.salesforce_crm.stand_in.values import JSON, parse_datetime, parse_id

#: The types of literals that a field is compared with. Fields of other types are texts.
LITERALS: dict[str, tuple[type, str]] = {
    "boolean": (bool, "boolean"),
    "double": (float, "number"),
    "int": (float, "number"),
    "datetime": (datetime, "dateTime"),
}


def run_query(records: Records, text: str, version: str) -> tuple[list[JSON], int | None]:
    """The records that a query returns, and the count if it asks for COUNT()."""
    query = parse(text)
    one = next((one for one in OBJECTS.values() if one.name.lower() == query.object.lower()), None)
    if one is None:
        raise bad_request("INVALID_TYPE", f"sObject type '{query.object}' is not supported.")
    paths = [_resolve(one, path) for path in query.fields]
    holds = _compile(one, query.where, records)
    found = [record for record in records.all(one.name) if holds(record)]
    for path, descending in reversed(query.order):
        parents, field = _resolve(one, path)

        def key(record: JSON, parents: list[Field] = parents, field: Field = field) -> tuple[bool, Any]:
            value = _read(records, record, parents, field)
            return value is not None, value if isinstance(value, int | float) else str(value or "").casefold()

        found.sort(key=key, reverse=descending)
    found = found[query.offset :] if query.limit is None else found[query.offset : query.offset + query.limit]
    if not query.fields:
        return [], len(found)
    return [_project(records, one, query, paths, record, version) for record in found], None


def _resolve(one: Object, path: str) -> tuple[list[Field], Field]:
    """The reference fields on the way to a field, and the field. Raises Refused with INVALID_FIELD."""
    *steps, last = path.split(".")
    parents: list[Field] = []
    for step in steps:
        parent = next((field for field in one.fields if (field.relationship or "").lower() == step.lower()), None)
        if parent is None:
            raise bad_request("INVALID_FIELD", f"Didn't understand relationship '{step}' in field path.")
        parents.append(parent)
        one = OBJECTS[parent.refers_to[0]]
    field = one.field(last)
    if field is None:
        message = f"No such column '{last}' on entity '{one.name}'. If you are attempting to use a custom field, "
        raise bad_request("INVALID_FIELD", message + "be sure to append the '__c' after the custom field name.")
    return parents, field


def _read(records: Records, record: JSON, parents: list[Field], field: Field) -> Any:
    for parent in parents:
        found = records.find(parent.refers_to[0], record[parent.name])
        if found is None:
            return None
        record = found
    return record[field.name]


def _project(
    records: Records, one: Object, query: Query, paths: list[tuple[list[Field], Field]], record: JSON, version: str
) -> JSON:
    url = f"/services/data/v{version}/sobjects/{one.name}/{record['Id']}"
    projected: JSON = {"attributes": {"type": one.name, "url": url}}
    for parents, field in paths:
        value = _read(records, record, parents, field)
        if not parents:
            projected[field.name] = value
        elif records.find(parents[0].refers_to[0], record[parents[0].name]) is None:
            projected[str(parents[0].relationship)] = None
        else:
            nested = projected.setdefault(
                str(parents[0].relationship), {"attributes": {"type": parents[0].refers_to[0]}}
            )
            nested[field.name] = value
    return projected


def _compile(one: Object, where: Condition | None, records: Records) -> Callable[[JSON], bool]:
    """A predicate. Raises Refused before any record is read."""
    if where is None:
        return lambda _: True
    if isinstance(where, Junction):
        inner = [_compile(one, condition, records) for condition in where.conditions]
        if where.operator == "NOT":
            return lambda record: not inner[0](record)
        combine = all if where.operator == "AND" else any
        return lambda record: combine(holds(record) for holds in inner)
    parents, field = _resolve(one, where.field)
    _check_comparison(field, where)
    if where.operator == "LIKE":
        pattern = _like(str(where.value))
        return lambda record: pattern.fullmatch(str(_read(records, record, parents, field) or "")) is not None
    wanted = where.value if isinstance(where.value, tuple) else (where.value,)
    operands = [_comparable(field, value) for value in wanted]
    operator = where.operator

    def holds(record: JSON) -> bool:
        value = _comparable(field, _read(records, record, parents, field))
        if operator in ("=", "IN"):
            return value in operands
        if operator in ("!=", "NOT IN"):
            return value not in operands
        operand = operands[0]
        if value is None or operand is None:
            return False
        return bool(
            {"<": value < operand, "<=": value <= operand, ">": value > operand, ">=": value >= operand}[operator]
        )

    return holds


def _check_comparison(field: Field, comparison: Comparison) -> None:
    if not field.filterable:
        message = f"field '{field.name}' can not be filtered in a query call"
        raise bad_request("INVALID_FIELD", message)
    values = comparison.value if isinstance(comparison.value, tuple) else (comparison.value,)
    wanted, name = LITERALS.get(field.type, (str, "string"))
    for value in values:
        if value is not None and not isinstance(value, wanted):
            quotes = " and should be enclosed in quotes" if wanted is str else " and should not be enclosed in quotes"
            message = f"value of filter criterion for field '{field.name}' must be of type {name}{quotes}"
            raise bad_request("INVALID_FIELD", message)
        if field.type in ("id", "reference") and comparison.operator != "LIKE" and value and parse_id(value) is None:
            raise bad_request("INVALID_QUERY_FILTER_OPERATOR", f"{field.name}: invalid ID field: {value}")


def _comparable(field: Field, value: Value) -> Any:
    if value is None:
        return None
    if field.type in ("id", "reference"):
        return parse_id(value)
    if field.type == "datetime":
        return value if isinstance(value, datetime) else parse_datetime(str(value))
    if isinstance(value, str):
        # A unique field that is case-sensitive is compared exactly, other texts without case.
        return value if field.unique else value.casefold()
    return value


def _like(pattern: str) -> re.Pattern[str]:
    text = ""
    for part in re.findall(r"\\.|[^\\]", pattern, re.DOTALL):
        text += {"%": ".*", "_": "."}.get(part, re.escape(part[-1]))
    return re.compile(text, re.IGNORECASE | re.DOTALL)
