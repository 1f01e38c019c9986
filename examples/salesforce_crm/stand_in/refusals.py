"""How Salesforce's REST API refuses a request."""

from dataclasses import dataclass, field

from examples.salesforce_crm.stand_in.values import JSON


@dataclass(frozen=True, slots=True)
class SalesforceError:
    """One entry of the list that is the body of an error response."""

    code: str
    message: str
    fields: tuple[str, ...] = ()
    more: JSON = field(default_factory=dict)

    def as_json(self) -> JSON:
        fields: JSON = {"fields": list(self.fields)} if self.fields else {}
        return {"message": self.message, "errorCode": self.code} | fields | self.more


class Refused(Exception):
    """The response to a request is an error with this HTTP status."""

    def __init__(self, status: int, code: str, message: str, *fields: str, **more: object) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.error = SalesforceError(code, message, fields, dict(more))

    @property
    def body(self) -> list[JSON]:
        return [self.error.as_json()]


class SeveralMatch(Exception):
    """Several records have the value of an external id. The response is 300 and lists their addresses."""

    def __init__(self, urls: list[str]) -> None:
        super().__init__("several records match")
        self.urls = urls


def bad_request(code: str, message: str, *fields: str) -> Refused:
    return Refused(400, code, message, *fields)


def not_found(message: str = "The requested resource does not exist") -> Refused:
    return Refused(404, "NOT_FOUND", message)
