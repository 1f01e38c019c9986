"""Every GraphQL sample of these pages is run by the test of its page."""

import re
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, parse

ROOT = Path(__file__).parents[2]
TESTS = {
    "docs/reference/consumers.md": "tests/docs/test_consumers_page.py",
    "docs/reference/timers.md": "tests/docs/test_timers_page.py",
    "docs/guides/agents.md": "tests/docs/test_agents_guides.py",
    "docs/guides/assignments.md": "tests/docs/test_agents_guides.py",
    "docs/guides/routing-by-apps.md": "tests/docs/test_routing_guide.py",
    "docs/guides/webhooks.md": "tests/docs/test_webhooks_guide.py",
}


def operations(page: str) -> list[str]:
    """The names of the operations in the samples of a page. Each sample is one operation with a name."""
    names = []
    for block in re.findall(r"```graphql\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL):
        (operation,) = parse(block).definitions
        assert isinstance(operation, OperationDefinitionNode)
        assert operation.name is not None
        names.append(operation.name.value)
    return names


@pytest.mark.parametrize("page", TESTS)
def test_every_sample_is_run_by_the_test_of_its_page(page: str) -> None:
    test = (ROOT / TESTS[page]).read_text(encoding="utf-8")
    names = operations(page)

    assert names
    assert len(set(names)) == len(names)
    assert [name for name in names if f'"{name}"' not in test] == []
