"""The format of tokens, which is checked before the database is read."""

import pytest

from resolvers.auth.access import INVALID_TOKEN_CALLER, authenticate, token_id_of
from resolvers.auth.tokens import APP, SESSION, is_mistyped, new_token
from storage.tokens import digest


@pytest.mark.parametrize("kind", [APP, SESSION])
def test_new_token_has_its_prefix_and_a_valid_checksum_and_is_random(kind: str) -> None:
    one, other = new_token(kind), new_token(kind)

    assert one.startswith(f"sb_{kind}_")
    assert len(one) == len(f"sb_{kind}_") + 46
    assert one != other
    assert not is_mistyped(one)


def test_every_typing_error_is_detected() -> None:
    token = new_token(APP)
    mistyped = [token[:at] + ("1" if token[at] != "1" else "2") + token[at + 1 :] for at in range(7, len(token))]
    mistyped += [token[:-1], token + "0", token.replace("app", "session"), "sb_app_", "sb_app_\ud800"]

    assert all(is_mistyped(text) for text in mistyped)


@pytest.mark.parametrize("token", ["", "anything", "sb_", "sb_app", "sb_other_abcdef", "SB_APP_abc"])
def test_text_without_the_prefix_of_a_token_is_not_mistyped(token: str) -> None:
    assert not is_mistyped(token)


async def test_mistyped_token_is_refused_without_a_database_read() -> None:
    assert await authenticate(None, "sb_app_mistyped") is INVALID_TOKEN_CALLER  # type: ignore[arg-type]


def test_configured_admin_token_may_have_a_wrong_checksum() -> None:
    configured = "sb_app_of-my-own"

    assert token_id_of(configured) is None
    assert token_id_of(configured, configured_tokens={digest(configured)}) == digest(configured)
