"""Creates what a bot needs in Switchboard, and finds mistakes in its settings before a visitor does."""

import logging
from collections.abc import Sequence

import msgspec

from examples.bots.engine import Misconfigured
from examples.bots.handover import find_department
from examples.bots.rooms import FALLBACKS_FIELD
from examples.bots.settings import BotSettings
from switchboard_client import Api, App
from switchboard_client.errors import DuplicateValue, UsernameTaken
from switchboard_client.types import Department, FieldTarget, FieldType, UserType

log = logging.getLogger(__name__)

#: The unique custom field by which the bot's user is found.
BOT_FIELD = "botId"
SCOPES = (
    "agents:write",
    "events:read",
    "fields:write",
    "messages:read",
    "messages:write",
    "roles:write",
    "rooms:assign",
    "rooms:read",
    "rooms:write",
    "users:read",
    "users:write",
    "visitors:read",
)


class Installed(msgspec.Struct, frozen=True):
    """The bot in Switchboard."""

    agent_id: str
    user_id: str


async def install(app: App, settings: BotSettings) -> Installed:
    """Create or update the custom fields, the consumer and the bot. Raises Misconfigured."""
    api = app.api
    await _check_scopes(api)
    departments = await api.departments() or ()
    served = [_department(departments, wanted, "BOT_DEPARTMENTS") for wanted in settings.departments]
    if settings.hand_over_department is not None:
        _department(departments, settings.hand_over_department, "BOT_HANDOVER_DEPARTMENT")
    await _ensure_field(api, FieldTarget.USER, BOT_FIELD, FieldType.TEXT, unique=True)
    await _ensure_field(api, FieldTarget.ROOM, FALLBACKS_FIELD, FieldType.NUMBER, unique=False)
    await app.ensure_consumer()  # before the bot can get a room
    try:
        ensured = await api.ensure_agent(
            by={"key": BOT_FIELD, "value": settings.username},
            username=settings.username,
            name=settings.display_name,
            type=UserType.BOT,
            roles=["bot"],
            max_rooms=settings.max_rooms,
            department_ids=[one.id for one in served],
        )
    except UsernameTaken as error:
        raise Misconfigured(
            f"A user {settings.username!r} exists and was not created by this app; set BOT_USERNAME to another name."
        ) from error
    names = ", ".join(one.name for one in served) or "rooms without a department"
    log.info("The bot %s serves %s.", settings.username, names)
    return Installed(ensured.agent.id, ensured.agent.user_id)


async def _check_scopes(api: Api) -> None:
    missing = sorted(set(SCOPES) - set((await api.viewer()).scopes))
    if missing:
        raise Misconfigured(f"The app of SWITCHBOARD_TOKEN lacks scopes: {', '.join(missing)}.")


def _department(departments: tuple[Department, ...], wanted: str, setting: str) -> Department:
    found = find_department(departments, wanted)
    if found is None:
        names: Sequence[str] = [one.name for one in departments]
        raise Misconfigured(
            f"{setting} names the department {wanted!r}, which does not exist; there are: {', '.join(names) or 'none'}."
        )
    return found


async def _ensure_field(api: Api, target: FieldTarget, key: str, type: FieldType, *, unique: bool) -> None:
    for attempt in range(2):
        for definition in await api.custom_field_definitions(target=target) or ():
            if definition.key == key:
                if definition.type != type or definition.unique is not unique:
                    wanted = f"{type.value}{', unique' if unique else ', not unique'}"
                    raise Misconfigured(f"The {target.value} field {key!r} exists, but is not {wanted}.")
                return
        if attempt == 0:
            try:
                await api.define_custom_field(target=target, key=key, type=type, unique=unique)
                return
            except DuplicateValue:
                continue  # another process defines it
