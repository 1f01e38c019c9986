"""Apps: outside programs, created with scopes and a token that is shown once."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from resolvers import validation
from resolvers.auth import access
from resolvers.auth.tokens import APP, new_token
from resolvers.context import Context
from resolvers.operations import MutationContext, mutation, query
from storage import apps, tokens
from storage.errors import Duplicate, Forbidden, Invalid
from storage.facts import AppRevoked, AppTokenRotated
from storage.mongo.connection import new_id
from storage.records import ActorType, App, Record, Token
from storage.runtime import Storage
from storage.transactions.transaction import Conflict, Transaction

DAY_SECONDS = 24 * 60 * 60
#: The app that stands for whoever runs the deployment.
ADMIN_APP_ID = "admin"


class AppWithToken(Record, frozen=True, kw_only=False):
    """An app and its token, which nobody can read again."""

    app: App
    token: str


@query("apps:write")
async def list_apps(context: Context) -> list[App]:
    return await apps.list_all(context.reader)


@mutation("apps:write", idempotent=False)
async def create_app(change: MutationContext, *, name: str, scopes: Sequence[str]) -> AppWithToken:
    """Create an app with scopes that the caller holds itself."""
    tx = change.tx
    wanted = validation.texts(scopes, "scopes", max_characters=64)
    if not wanted:
        raise Invalid("An app that may do nothing is of no use: name a scope.", key="scopes")
    access.require_known(wanted, key="scopes")
    for scope in wanted:
        if not change.caller.has_scope(scope):
            raise Forbidden(f"This token cannot grant the scope {scope}, which it does not have.", scope=scope)
    app = App(
        id=new_id(tx.now),
        name=validation.name(name, "name"),
        scopes=tuple(sorted(wanted)),
        created_at=tx.now,
    )
    return await _create(tx, app, new_token(APP))


@mutation("apps:write", lock=("app", "app_id"), idempotent=False)
async def rotate_app_token(change: MutationContext, *, app_id: str, overlap_seconds: int = 0) -> AppWithToken:
    """Give an app a new token. The old ones end after `overlap_seconds`, and their subscriptions with them."""
    tx = change.tx
    validation.number(overlap_seconds, "overlapSeconds", minimum=0, maximum=7 * DAY_SECONDS)
    app = await _manageable(change, app_id)
    if not app.active:
        raise Invalid("The app was revoked; create another one.", key="appId")
    if overlap_seconds:
        await tokens.expire(tx, app_id, at=tx.now + timedelta(seconds=overlap_seconds))
    else:
        await tokens.delete(tx, app_id)
    token = new_token(APP)
    await _store(tx, app, token)
    return AppWithToken(await apps.update(tx, app, app, AppTokenRotated), token)


@mutation("apps:write", lock=("app", "app_id"))
async def revoke_app(change: MutationContext, *, app_id: str) -> App:
    """End an app: its tokens are void and its subscriptions are closed at once."""
    app = await _manageable(change, app_id)
    if app_id == ADMIN_APP_ID:
        raise Invalid("The admin app is the way back in and stays; give it a new token instead.", key="appId")
    if not app.active:
        return app
    await tokens.delete(change.tx, app_id)
    return await apps.update(change.tx, app, msgspec.structs.replace(app, active=False), AppRevoked)


async def _manageable(change: MutationContext, app_id: str) -> App:
    app = await apps.get(change.tx, app_id)
    beyond = [scope for scope in app.scopes if not change.caller.has_scope(scope)]
    if beyond:
        raise Forbidden(f"This app may do what this token may not: {', '.join(beyond)}.", scope=beyond[0])
    return app


async def _create(tx: Transaction, app: App, token: str) -> AppWithToken:
    app = await apps.insert(tx, app)
    await _store(tx, app, token)
    return AppWithToken(app, token)


async def _store(tx: Transaction, app: App, token: str) -> None:
    record = Token(id=tokens.digest(token), holder_type=ActorType.APP, holder_id=app.id, created_at=tx.now)
    await tokens.insert(tx, record)


# ---------------------------------------------------------------- whoever runs the deployment


async def ensure_admin(storage: Storage, given_token: str | None) -> str | None:
    """See to it that there is an app with all scopes. Returns its token when it was made up just now, to be shown once.

    `given_token`, if set, is the token of this deployment; one that was given before and is not any more is void.
    """

    async def ensure(tx: Transaction) -> str | None:
        app = await apps.find(tx, ADMIN_APP_ID)
        if app is None:
            token = given_token or new_token(APP)
            app = App(id=ADMIN_APP_ID, name="admin", scopes=(access.ADMIN,), created_at=tx.now)
            try:
                await _create(tx, app, token)
                await tx.flush()
            except Duplicate:
                raise Conflict from None  # another process starts on the same database, and was quicker
            return None if given_token else token
        if given_token and not await _is_stored(tx, app, given_token):
            await tokens.delete(tx, app.id)
            await _store(tx, app, given_token)
            await apps.update(tx, app, app, AppTokenRotated)
        return None

    token, _ = await storage.transactions.run(ensure)
    return token


async def _is_stored(tx: Transaction, app: App, token: str) -> bool:
    """Whether it is a token of the app, and will be until it is revoked."""
    kept = await tokens.list_by_holder(tx, app.id)
    return any(one.id == tokens.digest(token) and one.expires_at is None for one in kept)
