"""The nested inputs of the API, as dictionaries with the names of the API."""

from collections.abc import Sequence
from datetime import datetime
from typing import Required, TypedDict

from switchboard_client.generated import enums
from switchboard_client.records import FieldValue


class AppDataOwner(TypedDict, total=False):
    roomId: str | None
    userId: str | None
    visitorId: str | None
    app: bool | None


"""The entity beside which your app keeps data."""


class AttachmentInput(TypedDict, total=False):
    name: Required[str]
    mimeType: Required[str]
    url: Required[str]
    bytes: int | None


"""A file that a message refers to."""


class ChoiceInput(TypedDict, total=False):
    id: Required[str]
    label: Required[str]
    url: str | None


"""An answer to offer to the reader of a message."""


class ChosenOptionInput(TypedDict, total=False):
    messageId: Required[str]
    choiceId: Required[str]


"""The choice of an earlier message of the same room."""

CustomFieldFilter = TypedDict(
    "CustomFieldFilter",
    {
        "key": Required[str],
        "eq": FieldValue | None,
        "ne": FieldValue | None,
        "in": Sequence[FieldValue] | None,
        "notIn": Sequence[FieldValue] | None,
        "gt": FieldValue | None,
        "gte": FieldValue | None,
        "lt": FieldValue | None,
        "lte": FieldValue | None,
        "contains": str | None,
        "startsWith": str | None,
        "exists": bool | None,
    },
    total=False,
)
"""Conditions on the value of a custom field. All of them must hold.

`INVALID_FIELD_VALUE` for a value of the wrong type, and for an operator that the field's type does not have. Null is not a value: use `exists` to find objects with or without a value.
"""


class CustomFieldInput(TypedDict, total=False):
    key: Required[str]
    value: FieldValue | None


"""A value to set or remove. Custom fields that are not listed keep their values."""


class CustomFieldRef(TypedDict, total=False):
    key: Required[str]
    value: Required[FieldValue]


"""The value of a unique custom field. It identifies at most one user, visitor or room."""


class FieldIncrementInput(TypedDict, total=False):
    key: Required[str]
    by: Required[float]


"""A number to add to a NUMBER field. Concurrent increments are all applied."""

IntFilter = TypedDict(
    "IntFilter",
    {
        "eq": int | None,
        "in": Sequence[int] | None,
        "gt": int | None,
        "gte": int | None,
        "lt": int | None,
        "lte": int | None,
    },
    total=False,
)
"""Conditions on a number. All of them must hold."""


class MessageSenderInput(TypedDict, total=False):
    userId: str | None
    visitorToken: str | None


"""The user or the visitor in whose name an app sends a message."""


class RoomBy(TypedDict, total=False):
    id: str | None
    customField: "CustomFieldRef"


"""How to identify a room."""

RoomFilter = TypedDict(
    "RoomFilter",
    {
        "and": Sequence["RoomFilter"],
        "or": Sequence["RoomFilter"],
        "not": "RoomFilter",
        "ids": Sequence[str] | None,
        "status": Sequence[enums.RoomStatus] | None,
        "departmentId": str | None,
        "servedById": str | None,
        "lastServedById": str | None,
        "visitorId": str | None,
        "hasDepartment": bool | None,
        "source": "StringFilter",
        "subject": "StringFilter",
        "hasTags": Sequence[str] | None,
        "hasAnyTags": Sequence[str] | None,
        "priority": "IntFilter",
        "startedAfter": datetime | None,
        "startedBefore": datetime | None,
        "queuedAfter": datetime | None,
        "queuedBefore": datetime | None,
        "closedAfter": datetime | None,
        "closedBefore": datetime | None,
        "customFields": Sequence["CustomFieldFilter"],
    },
    total=False,
)
"""A filter of rooms. A room matches if all conditions hold; `{}` matches all rooms. `INVALID_INPUT` for null: leave a condition out instead.

A filter may have 200 conditions, 10 levels, and 500 values in a list. `INVALID_INPUT` for more.
"""


class RoomOrder(TypedDict, total=False):
    field: Required[enums.RoomOrderField]
    direction: enums.OrderDirection
    customField: str | None


"""The order of a list of rooms."""


class SaveVisitorFields(TypedDict, total=False):
    token: Required[str]
    name: str | None
    email: str | None
    phone: str | None
    customFields: Sequence["CustomFieldInput"]


"""A visitor to save. Fields that are left out keep their values."""

StringFilter = TypedDict(
    "StringFilter",
    {
        "eq": str | None,
        "in": Sequence[str] | None,
        "contains": str | None,
        "startsWith": str | None,
        "ignoreCase": bool,
    },
    total=False,
)
"""Conditions on a text. All of them must hold. The case of usernames and email addresses is always ignored, the case of other texts only with `ignoreCase`."""


class TransferTarget(TypedDict, total=False):
    agentId: str | None
    departmentId: str | None


"""The agent or the department to transfer a room to."""


class UserBy(TypedDict, total=False):
    id: str | None
    username: str | None
    email: str | None
    customField: "CustomFieldRef"


"""How to identify a user."""

UserFilter = TypedDict(
    "UserFilter",
    {
        "and": Sequence["UserFilter"],
        "or": Sequence["UserFilter"],
        "not": "UserFilter",
        "ids": Sequence[str] | None,
        "username": "StringFilter",
        "name": "StringFilter",
        "email": "StringFilter",
        "type": enums.UserType | None,
        "active": bool | None,
        "presence": Sequence[enums.Presence] | None,
        "hasRoles": Sequence[str] | None,
        "isAgent": bool | None,
        "agentStatus": enums.AgentStatus | None,
        "departmentId": str | None,
        "customFields": Sequence["CustomFieldFilter"],
    },
    total=False,
)
"""A filter of users or agents. A user matches if all conditions hold; `{}` matches all users. `INVALID_INPUT` for null: leave a condition out instead.

A filter may have 200 conditions, 10 levels, and 500 values in a list. `INVALID_INPUT` for more.
"""


class UserOrder(TypedDict, total=False):
    field: Required[enums.UserOrderField]
    direction: enums.OrderDirection
    customField: str | None


"""The order of a list of users."""


class VisitorBy(TypedDict, total=False):
    id: str | None
    token: str | None
    email: str | None
    customField: "CustomFieldRef"


"""How to identify a visitor."""

VisitorFilter = TypedDict(
    "VisitorFilter",
    {
        "and": Sequence["VisitorFilter"],
        "or": Sequence["VisitorFilter"],
        "not": "VisitorFilter",
        "ids": Sequence[str] | None,
        "token": "StringFilter",
        "name": "StringFilter",
        "email": "StringFilter",
        "phone": "StringFilter",
        "customFields": Sequence["CustomFieldFilter"],
    },
    total=False,
)
"""A filter of visitors. A visitor matches if all conditions hold; `{}` matches all visitors. `INVALID_INPUT` for null: leave a condition out instead.

A filter may have 200 conditions, 10 levels, and 500 values in a list. `INVALID_INPUT` for more.
"""
