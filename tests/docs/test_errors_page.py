import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from schema.base.error_codes import MEANINGS, ErrorCode
from schema.base.errors import INTERNAL, PARSE_FAILED, PERSISTED_QUERY_NOT_SUPPORTED, VALIDATION_FAILED
from storage.errors import SwitchboardError

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


#: The optional data of errors, by code.
SOMETIMES = {"offenders", "holder"}


def error_classes(root: type[SwitchboardError]) -> Iterator[type[SwitchboardError]]:
    """The class and its subclasses, without those that inherit their code."""
    if "code" in vars(root):
        yield root
    for kind in root.__subclasses__():
        yield from error_classes(kind)


def data_of(kind: type[SwitchboardError]) -> set[str]:
    """The names of the data of an error that is created with all of its arguments."""
    parameters = inspect.signature(kind).parameters.values()
    values = {
        parameter.name: 1 if "int" in str(parameter.annotation) else "x"
        for parameter in parameters
        if parameter.name != "data"
    }
    create: Callable[..., SwitchboardError] = kind
    return set(create(**values).data)


def rows() -> list[list[str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| `[A-Z_]+` \|", line)
    ]


def test_every_code_has_one_row() -> None:
    assert sorted(row[0].strip("`") for row in rows()) == sorted(ErrorCode)


def test_every_code_that_is_sent_is_in_the_enum() -> None:
    of_graphql = {INTERNAL, PARSE_FAILED, PERSISTED_QUERY_NOT_SUPPORTED, VALIDATION_FAILED}

    assert {*(kind.code for kind in error_classes(SwitchboardError)), *of_graphql} <= set(ErrorCode)


def test_every_row_gives_the_meaning_that_the_api_gives() -> None:
    assert {row[0].strip("`"): row[2] for row in rows()} == {
        code.value: " ".join(meaning.split()) for code, meaning in MEANINGS.items()
    }


def test_every_row_names_a_cause_and_a_remedy() -> None:
    assert [row[0] for row in rows() if len(row) != 4 or not row[2].endswith(".") or not row[3].endswith(".")] == []


def test_every_row_names_the_data_of_its_error() -> None:
    named = {row[0].strip("`"): set(re.findall(r"`([a-z]\w+)`", re.sub(r":[^;]*", "", row[1]))) for row in rows()}
    classes = [kind for kind in error_classes(SwitchboardError) if kind is not SwitchboardError]

    assert {kind.code: named[kind.code] - SOMETIMES for kind in classes} == {
        kind.code: data_of(kind) for kind in classes
    }
