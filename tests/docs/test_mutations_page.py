"""The rules of reference/mutations.md apply to every mutation."""

import importlib
import pkgutil
import re
from pathlib import Path

from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type

import resolvers
from resolvers.operations import Mutation
from schema.schema import schema
from storage.mongo.indexes import IDEMPOTENCY_SECONDS
from storage.timings import DEFAULT_TIMINGS

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "reference" / "mutations.md").read_text(encoding="utf-8").split())
MUTATION = schema._schema.mutation_type
assert MUTATION is not None
FIELDS = MUTATION.fields


def pascal_case(name: str) -> str:
    return name[0].upper() + name[1:]


def test_every_mutation_takes_an_input_and_returns_a_payload_of_its_own() -> None:
    shapes = {
        name: ({key: str(argument.type) for key, argument in field.args.items()}, str(field.type))
        for name, field in FIELDS.items()
    }

    assert shapes == {name: ({"input": f"{pascal_case(name)}Input!"}, f"{pascal_case(name)}Payload") for name in FIELDS}


def test_every_input_and_payload_has_a_client_mutation_id() -> None:
    inputs = [get_named_type(field.args["input"].type) for field in FIELDS.values()]
    payloads = [get_named_type(field.type) for field in FIELDS.values()]

    assert [one for one in inputs if not isinstance(one, GraphQLInputObjectType)] == []
    assert [one for one in payloads if not isinstance(one, GraphQLObjectType)] == []
    assert [str(one) for one in (*inputs, *payloads) if "clientMutationId" not in one.fields] == []


def test_mutations_whose_result_is_not_stored_are_named() -> None:
    (named,) = re.findall(r"- ((?:`\w+`[, and]*)+) return a secret", PAGE)
    modules = [
        importlib.import_module(f"resolvers.{module.name}") for module in pkgutil.iter_modules(resolvers.__path__)
    ]
    not_stored = {
        # After the check of the password, login runs the mutation _begin.
        {"_begin": "login"}.get(name, name)
        for module in modules
        for name, operation in vars(module).items()
        if isinstance(operation, Mutation) and not operation._idempotent
    }

    assert {re.sub("([A-Z])", r"_\1", name).lower() for name in re.findall(r"`(\w+)`", named)} == not_stored


def test_periods_are_those_of_the_code() -> None:
    assert f"For {IDEMPOTENCY_SECONDS // 3600} hours" in PAGE
    assert f"within {DEFAULT_TIMINGS.transaction:.0f} seconds" in PAGE
