"""The part of SOQL that clients of this size use, as Salesforce parses it.

SELECT fields or COUNT() FROM object [WHERE ...] [ORDER BY ...] [LIMIT n] [OFFSET n]. Fields of parents, such as
Contact.Email, are fields. Everything else is refused with MALFORMED_QUERY.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from examples.salesforce_crm.stand_in.refusals import Refused, bad_request
from examples.salesforce_crm.stand_in.values import parse_datetime

MAX_LENGTH = 100_000
TOKENS = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<datetime>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d))?)
    | (?P<number>[+-]?\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z][A-Za-z0-9_.]*)
    | (?P<sign><=|>=|!=|<>|[=<>(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "_": "_", "%": "%"}
OPERATORS = ("=", "!=", "<>", "<", "<=", ">", ">=")
KEYWORDS = ("AND", "OR", "NOT", "FROM", "WHERE", "ORDER", "LIMIT", "OFFSET", "LIKE", "IN", "SELECT")

Value = str | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator value`; `value` is a tuple for IN and NOT IN, and the text without its quotes for LIKE."""

    field: str
    operator: str
    value: Value | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Junction:
    """AND, OR or NOT over conditions."""

    operator: str
    conditions: tuple["Condition", ...]


Condition = Comparison | Junction


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query. `fields` is empty for COUNT()."""

    fields: tuple[str, ...]
    object: str
    where: Condition | None
    order: tuple[tuple[str, bool], ...]
    limit: int | None
    offset: int


def malformed(message: str) -> Refused:
    return bad_request("MALFORMED_QUERY", message)


def parse(text: str) -> Query:
    """Parse a query. Raises Refused with MALFORMED_QUERY."""
    if len(text) > MAX_LENGTH:
        raise malformed("SOQL statements cannot be longer than 100000 characters.")
    return _Parser(text).query()


def unquote(text: str, *, pattern: bool = False) -> str:
    r"""The text of a literal. In a pattern of LIKE, \_ and \% keep their backslash."""

    def replace(found: re.Match[str]) -> str:
        letter = found[1]
        if letter.lower() not in ESCAPES:
            raise malformed(f"Invalid string literal '{text[1:-1]}'. Illegal character sequence '{found[0]}'")
        return found[0] if pattern and letter in "_%\\" else ESCAPES[letter.lower()]

    return re.sub(r"\\(.)", replace, text[1:-1], flags=re.DOTALL)


class _Parser:
    """A recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            found = TOKENS.match(text, position)
            if found is None:
                raise malformed(f"unexpected token: '{text[position:].strip()[:20]}'")
            assert found.lastgroup is not None, "one group matched"
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()
        self._next = 0

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def _peek_word(self) -> str:
        return self._peek().upper()

    def _take(self) -> tuple[str, str]:
        if self._next == len(self._tokens):
            raise malformed("unexpected token: '<EOF>'")
        self._next += 1
        return self._tokens[self._next - 1]

    def _accept(self, *words: str) -> bool:
        if [text.upper() for _, text in self._tokens[self._next : self._next + len(words)]] == list(words):
            self._next += len(words)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise malformed(f"expecting '{word}', found '{self._peek() or '<EOF>'}'")

    def _name(self) -> str:
        kind, text = self._take()
        if kind != "word" or text.upper() in KEYWORDS:
            raise malformed(f"unexpected token: '{text}'")
        return text

    def _integer(self) -> int:
        kind, text = self._take()
        if kind != "number" or not text.isdigit():
            raise malformed(f"unexpected token: '{text}'")
        return int(text)

    def query(self) -> Query:
        self._expect("SELECT")
        fields: list[str] = []
        if not self._accept("COUNT", "(", ")"):
            fields.append(self._name())
            while self._accept(","):
                fields.append(self._name())
        self._expect("FROM")
        name = self._name()
        where = self._conditions() if self._accept("WHERE") else None
        order: list[tuple[str, bool]] = []
        if self._accept("ORDER", "BY"):
            order.append(self._ordering())
            while self._accept(","):
                order.append(self._ordering())
        limit = self._integer() if self._accept("LIMIT") else None
        offset = self._integer() if self._accept("OFFSET") else 0
        if self._peek():
            raise malformed(f"unexpected token: '{self._peek()}'")
        if duplicate := next((field for field in fields if fields.count(field) > 1), None):
            raise bad_request("INVALID_FIELD", f"duplicate field selected: {duplicate}")
        return Query(tuple(fields), name, where, tuple(order), limit, offset)

    def _ordering(self) -> tuple[str, bool]:
        field, descending = self._name(), False
        if self._accept("DESC"):
            descending = True
        else:
            self._accept("ASC")
        if self._accept("NULLS") and not (self._accept("FIRST") or self._accept("LAST")):
            raise malformed(f"unexpected token: '{self._peek()}'")
        return field, descending

    def _conditions(self) -> Condition:
        """Conditions joined by AND, or by OR. Salesforce wants parentheses around a mixture of both."""
        conditions = [self._condition()]
        operator = ""
        while self._peek_word() in ("AND", "OR"):
            found = self._take()[1].upper()
            if operator and found != operator:
                raise malformed(f"unexpected token: '{found}'")
            operator = found
            conditions.append(self._condition())
        return Junction(operator, tuple(conditions)) if operator else conditions[0]

    def _condition(self) -> Condition:
        if self._accept("NOT"):
            return Junction("NOT", (self._condition(),))
        if self._accept("("):
            inner = self._conditions()
            self._expect(")")
            return inner
        field = self._name()
        if self._accept("NOT", "IN"):
            return Comparison(field, "NOT IN", self._values())
        if self._accept("IN"):
            return Comparison(field, "IN", self._values())
        if self._accept("LIKE"):
            kind, text = self._take()
            if kind != "string":
                raise malformed(f"unexpected token: '{text}'")
            return Comparison(field, "LIKE", unquote(text, pattern=True))
        _, operator = self._take()
        if operator not in OPERATORS:
            raise malformed(f"unexpected token: '{operator}'")
        return Comparison(field, "!=" if operator == "<>" else operator, self._value())

    def _values(self) -> tuple[Value, ...]:
        self._expect("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _value(self) -> Value:
        kind, text = self._take()
        if kind == "string":
            return unquote(text)
        if kind == "number":
            return float(text)
        if kind == "datetime":
            moment = parse_datetime(text if "T" in text else f"{text}T00:00:00Z")
            if moment is None:
                raise malformed(f"unexpected token: '{text}'")
            return moment
        if kind == "word" and text.upper() in ("TRUE", "FALSE", "NULL"):
            return {"TRUE": True, "FALSE": False, "NULL": None}[text.upper()]
        raise malformed(f"unexpected token: '{text}'")
