"""No secret of an app is in the text of its settings, which tracebacks and logs show."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from examples.bots.settings import Environment
from examples.dialogflow_bot import settings as dialogflow
from examples.external_routing import settings as external
from examples.rasa_bot import settings as rasa
from examples.salesforce_chat import settings as chat
from examples.salesforce_chat.salesforce.tokens import AccessToken
from examples.salesforce_chat.state import Conversation
from examples.salesforce_crm import settings as crm

SECRET = "the-secret"
ENVIRONMENT = {
    "SWITCHBOARD_TOKEN": SECRET,
    "RASA_TOKEN": SECRET,
    "RASA_CHANNEL": "callback",
    "RASA_CALLBACK_SECRET": SECRET,
    "DIALOGFLOW_AGENT": "projects/p/agent",
    "OUTSIDE_URL": "http://127.0.0.1:1",
    "OUTSIDE_TOKEN": SECRET,
    "SALESFORCE_CLIENT_ID": "client",
    "SALESFORCE_USERNAME": "bridge@example.org",
    "SALESFORCE_PRIVATE_KEY_FILE": "key.pem",
    "SALESFORCE_CHAT_URL": "http://127.0.0.1:2",
    "SALESFORCE_CHAT_ORG_ID": "00D000000000001",
    "SALESFORCE_CHAT_DEPLOYMENT": "web",
}


@pytest.mark.parametrize(
    "read",
    [
        lambda: rasa.read_settings(Environment(ENVIRONMENT)),
        lambda: dialogflow.read_settings(Environment(ENVIRONMENT)),
        lambda: external.Settings.from_environment(ENVIRONMENT),
        lambda: crm.read_settings(ENVIRONMENT),
        lambda: chat.read_settings(ENVIRONMENT),
        lambda: Conversation("id", "now", 1, 0, "OPEN", "subject", {}, 0, token=SECRET, replaced=("old", SECRET)),
        lambda: AccessToken(SECRET, 0.0, "0"),
    ],
    ids=["rasa_bot", "dialogflow_bot", "external_routing", "salesforce_crm", "salesforce_chat", "state", "token"],
)
def test_text_of_settings_has_no_secret(read: Callable[[], object]) -> None:
    assert SECRET not in repr(read())


def test_text_of_settings_has_no_private_key(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    file = tmp_path / "key.pem"
    file.write_text(pem)
    names = {"IDENTITY_KEY_FILE": str(file), "IDENTITY_KEY_ID": "key-1", "IDENTITY_ISSUER": "switchboard"}

    settings = chat.read_settings(ENVIRONMENT | {f"SALESFORCE_CHAT_{name}": value for name, value in names.items()})

    assert "PRIVATE KEY" not in repr(settings)
