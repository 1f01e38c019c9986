"""Parses a text whose size is within the limits."""

import re
from itertools import islice
from typing import cast

from graphql import DocumentNode, GraphQLSyntaxError, Token, parse

from schema.execution.cost_limits import Limits
from storage.errors import QueryTooComplex

#: One token of graphql-core. In a text that is not GraphQL, there may be fewer matches than tokens. All repetitions are
#: possessive, so that matching takes one pass over the text.
_TOKEN = re.compile(
    r'"""(?:\\"""|[^"]|"(?!""))*+(?:"""|\Z)'
    r'|"(?:\\.|[^"\\\n\r])*+"?'
    r"|[_A-Za-z][_0-9A-Za-z]*+"
    r"|-?[0-9][0-9.eE+-]*+"
    r"|\.\.\."
    r"|(?P<ignored>\#[^\n\r]*+)"
    r"|[^\s,\ufeff]"
)


def parse_within(text: str, limits: Limits) -> tuple[DocumentNode, int]:
    """The syntax tree and its number of tokens.

    Raises QueryTooComplex for a text that is too large, before parsing it, and the errors of the parser.
    """
    if len(text) > limits.characters:
        raise QueryTooComplex(f"The document has {len(text)} characters; the maximum is {limits.characters}.")
    tokens = count_tokens(text, most=limits.tokens)
    if tokens > limits.tokens:
        raise _too_many_tokens(limits)
    try:
        node = parse(text, max_tokens=limits.tokens)
    except GraphQLSyntaxError as error:
        if "Parsing aborted" in error.description:
            raise _too_many_tokens(limits) from None
        raise
    _unlink_tokens(node)
    return node, tokens


def count_tokens(text: str, *, most: int) -> int:
    """The number of tokens of the text, at most `most` + 1. Counting is ten times as fast as parsing."""
    found = (match for match in _TOKEN.finditer(text) if match["ignored"] is None)
    return sum(1 for _ in islice(found, most + 1))


def _too_many_tokens(limits: Limits) -> QueryTooComplex:
    return QueryTooComplex(f"The document has more than {limits.tokens} tokens, which is the maximum.")


def _unlink_tokens(node: DocumentNode) -> None:
    """Remove the links between the tokens.

    The tokens are a doubly linked list, which is a reference cycle: the memory of an unused syntax tree would stay in
    use until the garbage collector runs.
    """
    token = cast("Token | None", node.loc and node.loc.start_token)
    while token is not None:
        following = token.next
        token.prev = token.next = None
        token = following
