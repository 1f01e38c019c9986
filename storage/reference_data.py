"""Roles and departments as one process knows them: few, rarely changed, and named by almost everything that is read.

What is decided about a department is decided on what the database holds; this is for showing them.
"""

from collections.abc import Iterable

from storage import departments, roles
from storage.facts import DepartmentSaved, Fact, RoleCreated
from storage.mongo.reader import Reader
from storage.records import Department, Role


class ReferenceDataCache:
    """Read once, kept current by the facts about them; what is unknown is looked for in the database."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._roles: dict[str, Role] = {}
        self._departments: dict[str, Department] = {}

    async def refresh(self) -> None:
        """Read all of them anew."""
        for role in await roles.list_all(self._reader):
            self._roles[role.name] = role
        for department in await departments.list_all(self._reader):
            self._apply_department(department)

    def apply(self, fact: Fact) -> None:
        """Take in what a fact says, unless something newer is known."""
        match fact:
            case RoleCreated(role=role):
                self._roles[role.name] = role
            case DepartmentSaved(department=department):
                self._apply_department(department)

    async def roles(self, names: Iterable[str]) -> dict[str, Role]:
        """The roles with those names, by name; those that do not exist are absent."""
        wanted = set(names)
        if unknown := wanted - self._roles.keys():
            self._roles.update(await roles.get_many(self._reader, unknown))
        return {name: self._roles[name] for name in wanted if name in self._roles}

    async def departments(self, ids: Iterable[str]) -> dict[str, Department]:
        """The departments with those ids, by id; those that do not exist are absent."""
        wanted = set(ids)
        if unknown := wanted - self._departments.keys():
            for department in (await departments.get_many(self._reader, unknown)).values():
                self._apply_department(department)
        return {one: self._departments[one] for one in wanted if one in self._departments}

    def _apply_department(self, department: Department) -> None:
        known = self._departments.get(department.id)
        if known is None or known.version < department.version:
            self._departments[department.id] = department
