"""Contacts of visitors: found by the visitor's id or email, or else created.

A visitor who types an email address has not proved that it is theirs. So a contact that somebody else created is
linked, but its values are never replaced, and of the bridge's own contacts only values that nobody changed since.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from examples.salesforce_crm.salesforce.errors import JSON, DuplicatesDetected, Refused
from examples.salesforce_crm.salesforce.rest import Salesforce
from examples.salesforce_crm.salesforce.soql import quote, select

logger = logging.getLogger(__name__)

KEY = "SwitchboardVisitorId__c"
#: The lengths of the fields in Salesforce. A longer value is cut.
LENGTHS = {"FirstName": 40, "LastName": 80, "Email": 80, "Phone": 40}
#: More contacts with one email address are not looked at.
MAX_MATCHES = 50

Save = Callable[[Mapping[str, str]], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Person:
    """What a visitor has told about themselves."""

    visitor_id: str
    name: str | None
    email: str | None
    phone: str | None

    @property
    def anonymous(self) -> bool:
        return not (self.name or self.email or self.phone)


def contact_fields(person: Person) -> dict[str, str]:
    """The fields of a contact that a visitor has values for. A contact needs a LastName."""
    first, _, last = (person.name or "").strip().rpartition(" ")
    values = {
        "FirstName": first.strip(),
        "LastName": last or person.email or person.phone or "",
        "Email": person.email or "",
        "Phone": person.phone or "",
    }
    return {name: value[: LENGTHS[name]].strip() for name, value in values.items() if value.strip()}


class Contacts:
    """The contacts of an org."""

    def __init__(self, salesforce: Salesforce, *, create_duplicates: bool) -> None:
        self._salesforce = salesforce
        self._create_duplicates = create_duplicates
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def ensure(self, person: Person) -> str | None:
        """The id of the visitor's contact, which is created if there is none. None for an anonymous visitor.

        Raises SalesforceError.
        """
        if person.anonymous:
            return None
        # Neither two events of a visitor nor two visitors with one email address are looked up at the same time: both
        # would find no contact.
        async with self._locked(person.visitor_id), self._locked(person.email or ""):
            found = await self._find(person)
            if found is None:
                return await self._create(person)
            if found[KEY] is None:
                await self._salesforce.update("Contact", found["Id"], {KEY: person.visitor_id})
            return str(found["Id"])

    async def apply_changes(self, contact_id: str, before: Person, after: Person) -> None:
        """Change the fields that still have the visitor's value from before, or none. Raises SalesforceError."""
        found = await self._read(contact_id, KEY, *LENGTHS)
        if found is None or found[KEY] != after.visitor_id:
            return
        old, new = contact_fields(before), contact_fields(after)
        changes = {
            name: value
            for name, value in new.items()
            if value != found[name] and found[name] in (None, "", old.get(name))
        }
        if changes:
            await self._without_invalid_email(changes, lambda values: self._update(contact_id, values))

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncIterator[None]:
        if not key:
            yield
            return
        lock = self._locks.setdefault(key.casefold(), asyncio.Lock())
        async with lock:
            yield

    async def _find(self, person: Person) -> JSON | None:
        """The visitor's own contact, or else the oldest one with the email that no visitor has, or else the oldest."""
        condition = f"{KEY} = {quote(person.visitor_id)}"
        if person.email:
            condition += f" OR Email = {quote(person.email)}"
        matches = await self._salesforce.query(select("Contact", ("Id", KEY), condition, limit=MAX_MATCHES))
        own = [match for match in matches if match[KEY] == person.visitor_id]
        free = [match for match in matches if match[KEY] is None]
        return next(iter(own + free + matches), None)

    async def _create(self, person: Person) -> str:
        async def upsert(values: Mapping[str, str], allow: bool = self._create_duplicates) -> str:
            return await self._salesforce.upsert("Contact", KEY, person.visitor_id, values, allow_duplicates=allow)

        try:
            return await self._without_invalid_email(contact_fields(person), upsert)
        except DuplicatesDetected as detected:
            if not detected.matches:
                raise
            # The org's own rule says which contact this person is.
            return await self._link(detected.matches[0], person)

    async def _link(self, contact_id: str, person: Person) -> str:
        """Link an existing contact to the visitor, unless it has another visitor."""
        found = await self._read(contact_id, KEY)
        if found is not None and found[KEY] is None:
            await self._salesforce.update("Contact", contact_id, {KEY: person.visitor_id})
        return contact_id

    async def _read(self, contact_id: str, *fields: str) -> JSON | None:
        found = await self._salesforce.query(select("Contact", fields, f"Id = {quote(contact_id)}", limit=1))
        return found[0] if found else None

    async def _update(self, contact_id: str, values: Mapping[str, str]) -> str:
        await self._salesforce.update("Contact", contact_id, values)
        return contact_id

    async def _without_invalid_email(self, values: dict[str, str], save: Save) -> str:
        """Save the values, without the email address if Salesforce does not take it for one."""
        try:
            return await save(values)
        except Refused as refused:
            rest = {name: value for name, value in values.items() if name != "Email"}
            if refused.code != "INVALID_EMAIL_ADDRESS" or "Email" not in values or not rest:
                raise
            logger.warning("The contact is saved without its email address: %s", refused)
            return await save(rest)
