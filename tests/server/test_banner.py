"""The banner that the server prints when it is ready."""

import socket

import pytest

from server.process.run import banner
from server.settings import Settings


@pytest.mark.parametrize("introspection", [True, False])
def test_banner_names_graphiql_only_where_it_is_served(introspection: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
        text = banner(Settings(introspection=introspection), bound, 0.0, None)

    assert ("GraphiQL" in text) is introspection
    assert f"  GraphQL      http://127.0.0.1:{port}/graphql" in text
