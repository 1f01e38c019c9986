"""Finds or creates the user of Switchboard that stands for Salesforce's agents."""

import logging

from examples.salesforce_chat import queries
from examples.salesforce_chat.settings import PREFIX, BadSetting, Settings
from examples.salesforce_chat.switchboard import Switchboard
from switchboard_client import Api
from switchboard_client.errors import UsernameTaken
from switchboard_client.types import UserType

_log = logging.getLogger(__name__)


async def prepare(api: Api, settings: Settings) -> Switchboard:
    """The bridge's agent, with its department. Raises BadSetting."""
    user = await api.user(by={"username": settings.agent_username})
    if user is None:
        try:
            await api.create_user(username=settings.agent_username, name="Salesforce", type=UserType.BOT, roles=["bot"])
        except UsernameTaken:
            _log.info("another process created %s", settings.agent_username)
        user = await api.user(by={"username": settings.agent_username})
    if user is None:
        raise BadSetting(f"{PREFIX}AGENT: the user {settings.agent_username} cannot be read.")
    in_department = bool(settings.department)
    # The role bot keeps it routable: nobody signs in as this user.
    agent = (await api.add_agent(user_id=user.id, max_rooms=settings.max_rooms, accepts_routing=in_department)).agent
    await api.update_agent(agent_id=agent.id, max_rooms=settings.max_rooms, accepts_routing=in_department)
    departments = await _departments(api)
    if settings.department:
        department_id = departments.get(settings.department)
        if department_id is None:
            department_id = (await api.create_department(name=settings.department)).department.id
        await api.set_department_agents(department_id=department_id, add=[agent.id])
    fallback = settings.fallback_department
    if fallback and fallback not in departments:
        raise BadSetting(f"{PREFIX}FALLBACK_DEPARTMENT: there is no department {fallback!r}.")
    return Switchboard(api, user.id, agent.id, departments[fallback] if fallback else None)


async def _departments(api: Api) -> dict[str, str]:
    """The ids of the departments by their names."""
    found: list[queries.DepartmentShape] | None = await api.query(
        queries.DEPARTMENTS, type=list[queries.DepartmentShape] | None
    )
    return {department.name: department.id for department in found or ()}
