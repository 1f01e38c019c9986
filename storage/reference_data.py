"""A cache of all roles and departments in one process: they are few, change rarely, and most results contain them.

It is for results only. Decisions about a department, such as routing, read it from the database.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from storage import departments, roles
from storage.facts import DepartmentSaved, Fact, RoleCreated, RoleUpdated
from storage.mongo.reader import Reader
from storage.records import Department, Role

T = TypeVar("T")


class ReferenceDataCache:
    """Caches roles and departments. Facts update the cache, and a missing entry is read from the database."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._roles: dict[str, Role] = {}
        self._departments: dict[str, Department] = {}
        #: Grows with every change of the cache.
        self.revision = 0

    async def refresh(self) -> None:
        """Read all roles and departments from the database."""
        for role in await roles.list_all(self._reader):
            self._apply_role(role)
        for department in await departments.list_all(self._reader):
            self._apply_department(department)

    def apply(self, fact: Fact) -> None:
        """Update the cache from a fact, unless the cache has a newer version."""
        match fact:
            case RoleCreated(role=role) | RoleUpdated(role=role):
                self._apply_role(role)
            case DepartmentSaved(department=department):
                self._apply_department(department)

    def cached_roles(self, names: Sequence[str]) -> list[Role] | None:
        """The roles with those names; None if one of them is not cached."""
        return _all_of(self._roles, names)

    def cached_departments(self, ids: Sequence[str]) -> list[Department] | None:
        """The departments with those ids; None if one of them is not cached."""
        return _all_of(self._departments, ids)

    async def roles(self, names: Iterable[str]) -> dict[str, Role]:
        """Return the roles with those names, by name. Missing ones are left out."""
        wanted = set(names)
        if missing := wanted - self._roles.keys():
            for role in (await roles.get_many(self._reader, missing)).values():
                self._apply_role(role)
        return {name: self._roles[name] for name in wanted if name in self._roles}

    async def departments(self, ids: Iterable[str]) -> dict[str, Department]:
        """Return the departments with those ids, by id. Missing ones are left out."""
        wanted = set(ids)
        if missing := wanted - self._departments.keys():
            for department in (await departments.get_many(self._reader, missing)).values():
                self._apply_department(department)
        return {
            department_id: self._departments[department_id]
            for department_id in wanted
            if department_id in self._departments
        }

    def _apply_role(self, role: Role) -> None:
        cached = self._roles.get(role.name)
        if cached is None or cached.version < role.version:
            self._roles[role.name] = role
            self.revision += 1

    def _apply_department(self, department: Department) -> None:
        cached = self._departments.get(department.id)
        if cached is None or cached.version < department.version:
            self._departments[department.id] = department
            self.revision += 1


def _all_of(cached: Mapping[str, T], keys: Sequence[str]) -> list[T] | None:
    try:
        return [cached[key] for key in keys]
    except KeyError:
        return None
