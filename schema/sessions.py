"""Sessions: login and logout of users, and the sessions of visitors."""

from datetime import datetime

from resolvers import sessions, visitor_sessions
from schema.base.fields import api_input, api_type, mutation_field
from schema.base.mutation_types import Input, MutationInputWithoutAck, MutationPayload
from schema.execution.context import Info
from schema.users import User
from schema.visitors import Visitor


@api_input
class LoginInput(MutationInputWithoutAck):
    """Input of `login`."""

    username: str
    """The username; case is ignored."""
    password: str
    """The password."""


@api_input
class LogoutInput(MutationInputWithoutAck):
    """Input of `logout`."""


@api_input
class CreateVisitorSessionInput(MutationInputWithoutAck):
    """Input of `createVisitorSession`."""

    visitor_token: str
    """The token that identifies the visitor in your application. `NOT_FOUND` if no visitor was saved with it."""
    seconds: int = 3600
    """How long the session lasts, up to 2,592,000 seconds (30 days). 0 ends all sessions of the visitor.
    Logged-in users need the scope `admin`, except for 0."""


@api_type
class LoginPayload(MutationPayload):
    """Result of `login`: a session."""

    token: str
    """The token of the session. It is not shown again. Send it as `Authorization: Bearer TOKEN`."""
    expires_at: datetime
    """The time at which the session ends unless it was ended before."""
    user: User
    """The user who logged in."""


@api_type
class LogoutPayload(MutationPayload):
    """Result of `logout`."""

    logged_out: bool
    """Always true. If the session cannot be ended, the mutation returns an error."""


@api_type
class CreateVisitorSessionPayload(MutationPayload):
    """Result of `createVisitorSession`: a session of a visitor."""

    token: str
    """The token of the session. It is not shown again. It is not valid if all sessions were ended."""
    expires_at: datetime
    """The time at which the session ends unless it is ended before."""
    visitor: Visitor
    """The visitor."""


@api_type
class SessionMutations:
    """Mutations of sessions."""

    @mutation_field(sessions.login, anonymous=True)
    async def login(self, info: Info, input: Input[LoginInput]) -> LoginPayload | None:
        """Signs a user in with a password. The session has the permissions of the user's roles.

        `UNAUTHENTICATED` for a wrong password, an unknown username or an inactive user. `RATE_LIMITED`, with
        `retryAfterSeconds`, after too many attempts. A `clientMutationId` is returned but not stored: a repeated login
        creates another session.
        """
        session = await sessions.login(info.context.mutation(input), username=input.username, password=input.password)
        return LoginPayload(
            token=session.token,
            expires_at=session.expires_at,
            user=User.from_record(session.user),
            client_mutation_id=input.client_mutation_id,
        )

    @mutation_field(sessions.logout)
    async def logout(self, info: Info, input: Input[LogoutInput]) -> LogoutPayload | None:
        """Ends the session of the token in the request, and its subscriptions. For logged-in users; `FORBIDDEN` for an
        app."""
        await sessions.logout(info.context.mutation(input))
        return LogoutPayload(logged_out=True, client_mutation_id=input.client_mutation_id)

    @mutation_field(visitor_sessions.create_visitor_session)
    async def create_visitor_session(
        self, info: Info, input: Input[CreateVisitorSessionInput]
    ) -> CreateVisitorSessionPayload | None:
        """Creates a token for a visitor's own page, which sees the visitor's rooms and nothing else.

        A visitor has up to 100 sessions; the oldest is ended when another begins. With `seconds: 0`, all sessions of
        the visitor end, and their websockets are closed. A `clientMutationId` is returned but not stored: a repeated
        call creates another session.
        """
        session = await visitor_sessions.create_visitor_session(
            info.context.mutation(input),
            visitor_token=input.visitor_token,
            seconds=input.seconds,
        )
        return CreateVisitorSessionPayload(
            token=session.token,
            expires_at=session.expires_at,
            visitor=Visitor.from_record(session.visitor),
            client_mutation_id=input.client_mutation_id,
        )
