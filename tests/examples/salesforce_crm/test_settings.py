"""Settings, and what the documentation and the metadata say of the fields."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from examples.salesforce_crm import cases, contacts, settings, transcripts
from examples.salesforce_crm.settings import InvalidSetting, Settings, read_settings
from examples.salesforce_crm.stand_in.objects import OBJECTS

FOLDER = Path(settings.__file__).parent
REQUIRED = {
    "SWITCHBOARD_TOKEN": "token",
    "SALESFORCE_CLIENT_ID": "id",
    "SALESFORCE_USERNAME": "user",
    "SALESFORCE_PRIVATE_KEY_FILE": "key.pem",
}


def test_defaults_hold_where_nothing_is_set() -> None:
    read = read_settings(REQUIRED)

    assert (read.crm_room_field, read.crm_reserved_percent, read.with_staff_notes) == ("salesforceCaseId", 10, False)


@pytest.mark.parametrize("name", REQUIRED)
def test_required_setting_is_named(name: str) -> None:
    with pytest.raises(InvalidSetting, match=f"^{name} is not set$"):
        read_settings({key: value for key, value in REQUIRED.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CRM_DUPLICATES", "merge", "CRM_DUPLICATES is 'merge', but must be one of: existing, create"),
        ("CRM_RESERVED_PERCENT", "100", "CRM_RESERVED_PERCENT is 100, but must be from 0 to 99"),
        ("CRM_RESERVED_PERCENT", "ten", "CRM_RESERVED_PERCENT is 'ten', but must be a number"),
    ],
)
def test_malformed_setting_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        read_settings(REQUIRED | {name: value})

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("content", "message"), [("not a key", "has no RSA private key in PEM"), (None, "cannot be read")]
)
def test_private_key_that_cannot_sign_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "bridge.pem"
    if content is not None:
        file.write_text(content, encoding="utf-8")

    with pytest.raises(InvalidSetting, match=f"^SALESFORCE_PRIVATE_KEY_FILE {message}"):
        _ = read_settings(REQUIRED | {"SALESFORCE_PRIVATE_KEY_FILE": str(file)}).private_key


def test_secrets_are_not_shown() -> None:
    assert "token" not in repr(read_settings(REQUIRED)).replace("switchboard_token", "")


def test_readme_lists_every_setting_with_its_default() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([A-Z_]+)` \| (?:`([^`]*)`|required) \|", readme, re.MULTILINE))

    defaults = {one.name.upper(): one.default for one in fields(Settings)}
    shown = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in defaults.items()}
    assert listed == {name: "" if name in REQUIRED else value for name, value in shown.items()}


def test_metadata_has_every_custom_field_that_the_bridge_writes() -> None:
    sources = "".join(Path(str(one.__file__)).read_text(encoding="utf-8") for one in (cases, contacts, transcripts))
    written = set(re.findall(r"Switchboard\w+__c", sources))
    defined = {field.name for one in OBJECTS.values() for field in one.fields if field.name.endswith("__c")}

    assert written == defined


def test_package_and_permission_set_list_every_custom_field() -> None:
    defined = {f"{one.name}.{field.name}" for one in OBJECTS.values() for field in one.fields if "__c" in field.name}
    package = (FOLDER / "metadata" / "package.xml").read_text(encoding="utf-8")
    permissions = (FOLDER / "metadata" / "permissionsets" / "SwitchboardBridge.permissionset").read_text(
        encoding="utf-8"
    )

    assert set(re.findall(r"<members>(\w+\.\w+)</members>", package)) == defined
    assert set(re.findall(r"<field>(\w+\.\w+)</field>", permissions)) == defined
