"""Signing in with a password, and out again."""

from datetime import datetime

from resolvers import sessions
from schema.base.fields import api_input, api_type, mutation_field
from schema.base.mutation_types import Input, MutationInput, MutationPayload
from schema.execution.context import Info
from schema.users import User


@api_input
class LoginInput(MutationInput):
    """Who wants in."""

    username: str
    """The username, in whatever case."""
    password: str
    """The password."""


@api_input
class LogoutInput(MutationInput):
    """Nothing needs to be said on leaving."""


@api_type
class LoginPayload(MutationPayload):
    """A session."""

    token: str
    """The session's token, shown this once. Send it as `Authorization: Bearer TOKEN`."""
    expires_at: datetime
    """When the session ends by itself."""
    user: User
    """Who signed in."""


@api_type
class LogoutPayload(MutationPayload):
    """The end of a session."""

    logged_out: bool
    """Always true: a session that cannot be ended is an error."""


@api_type
class SessionMutations:
    """Signing in and out."""

    @mutation_field(sessions.login, anonymous=True)
    async def login(self, info: Info, input: Input[LoginInput]) -> LoginPayload | None:
        """Signs a user in with a password. What the session may do is what the user's roles permit.

        `UNAUTHENTICATED` for a wrong password, an unknown username and an inactive user alike; `RATE_LIMITED`, with
        `retryAfterSeconds`, after too many attempts.
        """
        session = await sessions.login(
            info.context.mutation(input.client_mutation_id), username=input.username, password=input.password
        )
        return LoginPayload(
            token=session.token,
            expires_at=session.expires_at,
            user=User.from_record(session.user),
            client_mutation_id=input.client_mutation_id,
        )

    @mutation_field(sessions.logout)
    async def logout(self, info: Info, input: Input[LogoutInput]) -> LogoutPayload | None:
        """Ends the session whose token you sent, and its subscriptions. For signed-in users; `FORBIDDEN` for an app."""
        await sessions.logout(info.context.mutation(input.client_mutation_id))
        return LogoutPayload(logged_out=True, client_mutation_id=input.client_mutation_id)
