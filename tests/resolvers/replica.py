"""What somebody knows who read the state once and has heard every fact since: the state, if facts tell everything."""

from typing import Any, assert_never

import msgspec

from resolvers.context import Context
from storage import entities, facts, message_records, records, rooms, users, visitors
from storage.mongo.connection import to_record

#: Collections whose documents are what facts tell of.
KINDS = {
    "apps": records.App,
    "custom_fields": records.FieldDefinition,
    "departments": records.Department,
    "messages": message_records.Message,
    "roles": records.Role,
    "rooms": records.Room,
    "users": records.User,
    "visitors": records.Visitor,
}


class Mirror:
    """Entities by collection and id, without what is the database's own business: versions and counts of facts."""

    def __init__(self, known: dict[str, dict[str, Any]]) -> None:
        self.known = known
        self._versions: dict[str, int] = {}

    @classmethod
    async def read(cls, context: Context) -> "Mirror":
        """The state as it is now."""
        kinds: dict[str, Any] = {"rooms": rooms.KIND, "users": users.KIND, "visitors": visitors.KIND}
        found: dict[str, dict[str, Any]] = {}
        values: list[Any]
        for name, record in KINDS.items():
            documents = await context.storage.database[name].find({}).to_list(None)
            if name in kinds:
                values = await entities.decode(context.reader, kinds[name], documents)
            else:
                values = [to_record(document, record) for document in documents]
            found[name] = {one.id: plain(one) for one in values}
        return cls(found)

    def hear(self, fact: facts.AnyFact) -> None:
        """Let the fact tell what became of what it is about, and of everybody around a room."""
        match fact:
            case facts.RoomFact():
                self._know("rooms", fact.room.room)
                for user in (fact.room.served_by, fact.room.former):
                    if user is not None:
                        self._know("users", user)
                if isinstance(fact, facts.MessageFact):
                    self._know("messages", fact.message)
            case facts.UserFact():
                self._know("users", fact.user)
            case facts.VisitorSaved():
                self._know("visitors", fact.visitor)
            case facts.DepartmentSaved():
                self._know("departments", fact.department)
            case facts.RoleCreated():
                self._know("roles", fact.role)
            case facts.CustomFieldRemoved():
                self._remove_field(fact.definition)
            case facts.CustomFieldDefined() | facts.CustomFieldUpdated():
                self._know("custom_fields", fact.definition)
            case facts.AppCreated() | facts.AppTokenRotated() | facts.AppRevoked():
                self._know("apps", fact.app)
            case _:
                assert_never(fact)

    def _know(self, collection: str, entity: Any) -> None:
        if not isinstance(entity, records.Entity):
            self.known[collection][entity.id] = entity
            return
        # Facts about one thing come in order, but an agent is also told of by facts about several rooms, which do not.
        # Whoever hears of it twice in the same version hears the same.
        heard = self._versions.get(entity.id, 0)
        if entity.version == heard:
            assert plain(entity) == self.known[collection][entity.id]
        elif entity.version > heard:
            self._versions[entity.id] = entity.version
            self.known[collection][entity.id] = plain(entity)

    def _remove_field(self, definition: records.FieldDefinition) -> None:
        del self.known["custom_fields"][definition.id]
        collection = f"{definition.target.value.lower()}s"
        for known_id, known in self.known[collection].items():
            fields = {key: value for key, value in known.custom_fields.items() if key != definition.key}
            self.known[collection][known_id] = msgspec.structs.replace(known, custom_fields=fields)


def plain(entity: Any) -> Any:
    """The entity as everybody may know it."""
    if isinstance(entity, records.Entity):
        entity = msgspec.structs.replace(entity, version=0, fact_count=0)
    return entity
