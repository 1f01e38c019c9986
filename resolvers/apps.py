"""Apps: client programs with scopes and a token. Operations that list, create and revoke them."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from resolvers import validation
from resolvers.auth import access
from resolvers.auth.tokens import APP, new_token
from resolvers.context import Context
from resolvers.operations import MutationContext, mutation, query
from storage import apps, consumers, tokens, webhooks
from storage.errors import Duplicate, Invalid
from storage.facts import AppRevoked, AppTokenRotated
from storage.mongo.connection import new_id
from storage.records import ActorType, App, Record, Token
from storage.runtime import Storage
from storage.transactions.conflicts import Conflict
from storage.transactions.transaction import Transaction

DAY_SECONDS = 24 * 60 * 60
#: The id of the app with all scopes, which belongs to the operator of the deployment.
ADMIN_APP_ID = "admin"


class AppWithToken(Record, frozen=True, kw_only=False):
    """An app and its new token. Only the token's hash is stored."""

    app: App
    token: str


@query("apps:write")
async def find_many(context: Context, ids: Sequence[str]) -> dict[str, App]:
    """Apps by id; those that do not exist are absent."""
    return await apps.get_many(context.reader, ids)


@query()
async def find_own(context: Context) -> App | None:
    """The caller's own app; None for a user."""
    actor = context.caller.identified
    return await apps.find(context.reader, actor.id) if actor.type is ActorType.APP and actor.id else None


@query("apps:write")
async def list_apps(context: Context) -> list[App]:
    return await apps.list_all(context.reader)


@mutation("apps:write", idempotent=False)
async def create_app(change: MutationContext, *, name: str, scopes: Sequence[str]) -> AppWithToken:
    """Create an app. Its scopes must be scopes of the caller."""
    tx = change.tx
    wanted = validation.texts(scopes, "scopes", max_characters=64)
    if not wanted:
        raise Invalid("scopes must name at least one scope.", key="scopes")
    access.require_existing_scopes(wanted, key="scopes")
    access.require_held_by_app(change.caller, wanted, what="Creating this app")
    app = App(
        id=new_id(tx.now),
        name=validation.name(name, "name"),
        scopes=tuple(sorted(wanted)),
        created_at=tx.now,
    )
    return await _create(tx, app, new_token(APP))


@mutation("apps:write", lock=("app", "app_id"), idempotent=False)
async def rotate_app_token(change: MutationContext, *, app_id: str, overlap_seconds: int = 0) -> AppWithToken:
    """Give an app a new token. Its old tokens expire after `overlap_seconds`, which closes their subscriptions."""
    tx = change.tx
    validation.number(overlap_seconds, "overlapSeconds", minimum=0, maximum=7 * DAY_SECONDS)
    app = await _require_manageable(change, app_id)
    if not app.active:
        raise Invalid("The app is revoked and takes no new token; create another app.", key="appId")
    if overlap_seconds:
        await tokens.expire(tx, app_id, at=tx.now + timedelta(seconds=overlap_seconds))
    else:
        await tokens.delete(tx, app_id)
    token = new_token(APP)
    await _store(tx, app, token)
    return AppWithToken(await apps.update(tx, app, app, AppTokenRotated), token)


@mutation("apps:write", lock=("app", "app_id"))
async def revoke_app(change: MutationContext, *, app_id: str) -> App:
    """Revoke an app: delete its tokens, which closes its subscriptions, its consumers and its webhooks."""
    app = await _require_manageable(change, app_id)
    if app_id == ADMIN_APP_ID:
        raise Invalid("The admin app cannot be revoked; call rotateAppToken to give it a new token.", key="appId")
    if not app.active:
        return app
    await tokens.delete(change.tx, app_id)
    consumers.delete_by_owner(change.tx, app_id)
    webhooks.delete_by_owner(change.tx, app_id)
    return await apps.update(change.tx, app, msgspec.structs.replace(app, active=False), AppRevoked)


async def _require_manageable(change: MutationContext, app_id: str) -> App:
    app = await apps.get(change.tx, app_id)
    access.require_held_by_app(change.caller, app.scopes, what="Changing this app")
    return app


async def _create(tx: Transaction, app: App, token: str) -> AppWithToken:
    app = await apps.insert(tx, app)
    await _store(tx, app, token)
    return AppWithToken(app, token)


async def _store(tx: Transaction, app: App, token: str) -> None:
    record = Token(id=tokens.digest(token), holder_type=ActorType.APP, holder_id=app.id, created_at=tx.now)
    await tokens.insert(tx, record)


# ---------------------------------------------------------------- the admin app


async def ensure_admin(storage: Storage, given_token: str | None) -> str | None:
    """Create the admin app unless it exists. Returns its token if this call generated one.

    `given_token` is the token from the settings, if there is one. It replaces all other tokens of the admin app.
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
                raise Conflict from None  # another process created the app
            return None if given_token else token
        if given_token and not await _is_stored(tx, app, given_token):
            await tokens.delete(tx, app.id)
            await _store(tx, app, given_token)
            await apps.update(tx, app, app, AppTokenRotated)
        return None

    token, _ = await storage.transactions.run(ensure)
    return token


async def _is_stored(tx: Transaction, app: App, token: str) -> bool:
    """Whether the app has this token, without an expiry."""
    stored = await tokens.list_by_holder(tx, app.id)
    return any(record.id == tokens.digest(token) and record.expires_at is None for record in stored)
