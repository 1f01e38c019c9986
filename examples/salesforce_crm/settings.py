"""The settings of the bridge, read from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import jwt


class InvalidSetting(Exception):
    """A variable of the environment is missing or malformed. The message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Each setting is the variable with the same name in upper case. Those without a default are required."""

    switchboard_token: str = field(repr=False)
    salesforce_client_id: str
    salesforce_username: str
    salesforce_private_key_file: str
    switchboard_url: str = "http://127.0.0.1:8000/graphql"
    salesforce_login_url: str = "https://login.salesforce.com"
    salesforce_audience: str = "https://login.salesforce.com"
    salesforce_api_version: str = "67.0"
    crm_consumer: str = "salesforce-crm"
    crm_room_field: str = "salesforceCaseId"
    crm_case_origin: str = "Web"
    crm_closed_status: str = "Closed"
    crm_duplicates: str = "existing"
    crm_staff_notes: str = "no"
    crm_reserved_percent: int = 10
    crm_limit_poll_seconds: float = 300.0

    @property
    def private_key(self) -> str:
        try:
            key = Path(self.salesforce_private_key_file).read_text(encoding="utf-8")
            jwt.encode({}, key, algorithm="RS256")
        except OSError as error:
            raise InvalidSetting(f"SALESFORCE_PRIVATE_KEY_FILE cannot be read: {error}") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise InvalidSetting("SALESFORCE_PRIVATE_KEY_FILE has no RSA private key in PEM") from None
        return key

    @property
    def with_staff_notes(self) -> bool:
        return self.crm_staff_notes == "yes"


#: The values that a setting with few values takes.
CHOICES = {"crm_duplicates": ("existing", "create"), "crm_staff_notes": ("yes", "no")}
RANGES = {"crm_reserved_percent": (0, 99), "crm_limit_poll_seconds": (0.01, 3600)}


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of an environment. Raises InvalidSetting."""
    values: dict[str, object] = {}
    for setting in fields(Settings):
        variable = setting.name.upper()
        text = environment.get(variable, "")
        if text:
            values[setting.name] = _parse(setting.name, variable, text, type(setting.default))
        elif not isinstance(setting.default, str | int | float):
            raise InvalidSetting(f"{variable} is not set")
    return Settings(**values)  # type: ignore[arg-type]  # each has the type of its default


def _parse(name: str, variable: str, text: str, kind: type) -> object:
    if kind not in (int, float):
        if name in CHOICES and text not in CHOICES[name]:
            raise InvalidSetting(f"{variable} is {text!r}, but must be one of: {', '.join(CHOICES[name])}")
        return text
    lowest, highest = RANGES[name]
    try:
        number = kind(text)
    except ValueError:
        raise InvalidSetting(f"{variable} is {text!r}, but must be a number") from None
    if not lowest <= number <= highest:
        raise InvalidSetting(f"{variable} is {text}, but must be from {lowest} to {highest}")
    return number
