"""Departments: groups of agents, each with its own routing method."""

from collections.abc import Iterable

from storage import entities
from storage.changes import changes_between
from storage.entities import Kind
from storage.facts import DepartmentSaved
from storage.mongo.reader import Reader
from storage.records import AgentGoneAction, Department
from storage.transactions.transaction import Transaction

KIND = Kind("departments", Department, noun="department")


async def get(reader: Reader, department_id: str, *, key: str = "departmentId") -> Department:
    return await entities.get(reader, KIND, department_id, key=key)


async def get_recent(tx: Transaction, department_id: str, *, key: str = "departmentId") -> Department:
    """Return what `get` returns, from the memory of this process if possible. The commit requires its version then."""
    recent: Department | None = tx.recent(KIND.collection, department_id)
    if recent is not None:
        tx.require_version(KIND.collection, recent)
        return recent
    department = await get(tx, department_id, key=key)
    tx.put_recent(KIND.collection, department_id, department, version=department.version)
    return department


async def get_many(reader: Reader, ids: Iterable[str]) -> dict[str, Department]:
    return await entities.get_many(reader, KIND, ids)


async def list_all(reader: Reader) -> list[Department]:
    """Return all departments in the order of their creation."""
    return await entities.list_all(reader, KIND, {}, skip_undecodable=True)


async def list_requeueing(reader: Reader) -> list[Department]:
    """Return the departments that return the rooms of gone agents to the queue."""
    return await entities.list_all(
        reader, KIND, {"whenAgentGone": AgentGoneAction.REQUEUE.value}, skip_undecodable=True
    )


async def insert(tx: Transaction, department: Department) -> Department:
    department = await entities.insert(tx, KIND, department)
    tx.record_fact(DepartmentSaved, department, department=department)
    tx.remember(KIND.collection, department.id, department, version=department.version)
    return department


async def update(tx: Transaction, before: Department, after: Department) -> Department:
    after = await entities.replace(tx, KIND, before, after)
    changes = changes_between(before, after, DepartmentSaved.fields)
    tx.record_fact(DepartmentSaved, after, department=after, changes=changes)
    tx.remember(KIND.collection, after.id, after, version=after.version)
    return after
