"""Fingerprints of mutations, which show whether a call repeats another."""

import msgspec
import pytest

from resolvers.custom_fields.values import FieldAssignment
from resolvers.fingerprints import fingerprint
from storage.records import Record

DEFAULTS = {"name": None, "order": 0, "tags": msgspec.UNSET}


class Before(Record, frozen=True):
    key: str


class After(Record, frozen=True):
    key: str
    added: int = 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"id": "a"}, {"id": "a", "name": None, "order": 0, "tags": msgspec.UNSET}),
        ({"id": "a", "order": 1}, {"order": 1, "id": "a"}),
        ({"tags": ["x"]}, {"tags": ("x",)}),
        ({"fields": [FieldAssignment("k", 1)]}, {"fields": (FieldAssignment("k", 1.0),)}),
        ({"value": Before(key="k")}, {"value": After(key="k")}),
        ({"value": {"a": 1, "b": 2}}, {"value": {"b": 2.0, "a": 1}}),
    ],
)
def test_equal_arguments_have_the_same_fingerprint(one: dict[str, object], other: dict[str, object]) -> None:
    assert fingerprint("act", one, DEFAULTS) == fingerprint("act", other, DEFAULTS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"id": "a"}, {"id": "b"}),
        ({"id": "a"}, {"id": "a", "name": ""}),
        ({"id": "a"}, {"id": "a", "tags": None}),
        ({"id": "a"}, {"id": "a", "order": 1}),
        ({"tags": ["x", "y"]}, {"tags": ["y", "x"]}),
        ({"fields": [FieldAssignment("k", None)]}, {"fields": [FieldAssignment("k", "")]}),
        ({"value": After(key="k")}, {"value": After(key="k", added=2)}),
    ],
)
def test_different_arguments_have_different_fingerprints(one: dict[str, object], other: dict[str, object]) -> None:
    assert fingerprint("act", one, DEFAULTS) != fingerprint("act", other, DEFAULTS)


def test_different_operations_have_different_fingerprints() -> None:
    assert fingerprint("act", {}, DEFAULTS) != fingerprint("react", {}, DEFAULTS)
