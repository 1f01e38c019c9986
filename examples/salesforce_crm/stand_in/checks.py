"""Checks of the values of fields."""

import base64
import binascii
import re

from examples.salesforce_crm.stand_in.objects import Field
from examples.salesforce_crm.stand_in.refusals import Refused, bad_request
from examples.salesforce_crm.stand_in.values import format_datetime, parse_datetime

EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*/=?^_+\-`{|}~]+(\.[A-Za-z0-9!#$%&'*/=?^_+\-`{|}~]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"
)
#: The largest file in the JSON of a request, before base64.
MAX_FILE_BYTES = 37_500_000


def check_value(field: Field, value: object) -> object:
    """The value as the record stores it. Raises Refused."""
    if value is None or value == "":
        return False if field.type == "boolean" else None
    match field.type:
        case "boolean":
            return value if isinstance(value, bool) else _refuse_type(field, value)
        case "double" | "int":
            return (
                value if isinstance(value, int | float) and not isinstance(value, bool) else _refuse_type(field, value)
            )
        case "datetime":
            moment = parse_datetime(value) if isinstance(value, str) else None
            return format_datetime(moment) if moment else _refuse_type(field, value)
        case "base64":
            return _check_file(field, value)
    if not isinstance(value, str):
        return _refuse_type(field, value)
    if field.type != "reference":
        _check_length(field, value)
    if field.type == "email" and not EMAIL.fullmatch(value):
        raise bad_request("INVALID_EMAIL_ADDRESS", f"{field.name}: invalid email address: {value}", field.name)
    if field.type == "picklist" and value not in field.options:
        message = f"{field.name}: bad value for restricted picklist field: {value}"
        raise bad_request("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, field.name)
    return value


def _check_length(field: Field, value: str) -> None:
    length = len(value.encode()) if field.type == "bytes" else len(value)
    if field.length and length > field.length:
        message = f"{field.label or field.name}: data value too large: {value[:255]} (max length={field.length})"
        raise bad_request("STRING_TOO_LONG", message, field.name)


def _check_file(field: Field, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type(field, value)
    try:
        size = len(base64.b64decode(value, validate=True))
    except binascii.Error:
        raise _wrong_type(field, value[:40]) from None
    if size > MAX_FILE_BYTES:
        raise bad_request("FIELD_INTEGRITY_EXCEPTION", f"{field.name}: the file is larger than 37.5 MB", field.name)
    return value


def _wrong_type(field: Field, value: object) -> Refused:
    return bad_request("JSON_PARSER_ERROR", f"Cannot deserialize instance of {field.type} from {value!r}", field.name)


def _refuse_type(field: Field, value: object) -> object:
    raise _wrong_type(field, value)
