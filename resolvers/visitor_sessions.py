"""Visitors' own sessions: tokens with which a visitor's page opens the visitor's rooms and nothing else."""

from datetime import datetime, timedelta

from resolvers import validation
from resolvers.auth import access
from resolvers.auth.tokens import VISITOR, new_token
from resolvers.operations import MutationContext, mutation
from resolvers.visitors import require_by_token
from storage import tokens
from storage.errors import Forbidden
from storage.records import ActorType, Record, Token, Visitor

#: The longest session: 30 days.
MAX_SECONDS = 30 * 24 * 60 * 60
#: The most sessions of one visitor. The oldest is ended when another begins.
MAX_SESSIONS = 100


class VisitorSession(Record, frozen=True, kw_only=False):
    """The answer of create_visitor_session. Only the token's hash is stored."""

    token: str
    expires_at: datetime
    visitor: Visitor


@mutation("visitors:write", lock=("visitor", "visitor_token"), idempotent=False)
async def create_visitor_session(change: MutationContext, *, visitor_token: str, seconds: int = 3600) -> VisitorSession:
    """Create a token for the visitor. With `seconds` 0, end all sessions of the visitor; the token is not valid."""
    validation.number(seconds, "seconds", minimum=0, maximum=MAX_SECONDS)
    if seconds and change.caller.user is not None and not change.caller.has_scope(access.ADMIN):
        raise Forbidden(
            "A logged-in user needs the scope admin to create a visitor's session: it opens all rooms of the visitor.",
            scope=access.ADMIN,
        )
    tx = change.tx
    visitor = await require_by_token(tx, visitor_token)
    token, expires_at = new_token(VISITOR), tx.now + timedelta(seconds=seconds)
    if seconds == 0:
        await tokens.delete(tx, visitor.id)
        return VisitorSession(token, expires_at, visitor)
    await tokens.insert_limited(
        tx,
        Token(
            id=tokens.digest(token),
            holder_type=ActorType.VISITOR,
            holder_id=visitor.id,
            created_at=tx.now,
            expires_at=expires_at,
        ),
        most=MAX_SESSIONS,
    )
    return VisitorSession(token, expires_at, visitor)
