"""A replica of the stored entities: read once, and then updated by facts alone. It shows whether facts are complete."""

from typing import Any, assert_never

import msgspec

from resolvers.context import Context
from storage import entities, facts, message_records, records, rooms, users, visitors
from storage.mongo.connection import to_record

#: The collections whose changes are recorded as facts.
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


class Replica:
    """Entities by collection and id, without versions and counts of facts."""

    def __init__(self, entities: dict[str, dict[str, Any]]) -> None:
        self.entities = entities
        self._versions: dict[str, int] = {}

    @classmethod
    async def read(cls, context: Context) -> "Replica":
        """The stored state."""
        kinds: dict[str, Any] = {"rooms": rooms.KIND, "users": users.KIND, "visitors": visitors.KIND}
        found: dict[str, dict[str, Any]] = {}
        values: list[Any]
        for name, record in KINDS.items():
            documents = await context.storage.database[name].find({}).to_list(None)
            if name in kinds:
                values = await entities.decode(context.reader, kinds[name], documents)
            else:
                values = [to_record(document, record) for document in documents]
            found[name] = {one.id: without_versions(one) for one in values}
        return cls(found)

    def apply(self, fact: facts.AnyFact) -> None:
        """Store the subject of the fact, and the agents in the fact of a room."""
        match fact:
            case facts.RoomFact():
                self._put("rooms", fact.room.room)
                for user in (fact.room.served_by, fact.room.former):
                    if user is not None:
                        self._put("users", user)
                if isinstance(fact, facts.MessageFact):
                    self._put("messages", fact.message)
            case facts.UserFact():
                self._put("users", fact.user)
            case facts.VisitorSaved():
                self._put("visitors", fact.visitor)
            case facts.DepartmentSaved():
                self._put("departments", fact.department)
            case facts.RoleCreated() | facts.RoleUpdated():
                self._put("roles", fact.role)
            case facts.CustomFieldRemoved():
                self._remove_field(fact.definition)
            case facts.CustomFieldDefined() | facts.CustomFieldUpdated():
                self._put("custom_fields", fact.definition)
            case facts.AppCreated() | facts.AppTokenRotated() | facts.AppRevoked():
                self._put("apps", fact.app)
            case _:
                assert_never(fact)

    def _put(self, collection: str, entity: Any) -> None:
        if not isinstance(entity, records.Entity):
            self.entities[collection][entity.id] = without_versions(entity)
            return
        # The facts of one subject are in order, but an agent is also in the facts of several rooms, which are not in
        # the order of its versions. Two facts with the same version of an entity have the same entity.
        version = self._versions.get(entity.id, 0)
        if entity.version == version:
            assert without_versions(entity) == self.entities[collection][entity.id]
        elif entity.version > version:
            self._versions[entity.id] = entity.version
            self.entities[collection][entity.id] = without_versions(entity)

    def _remove_field(self, definition: records.FieldDefinition) -> None:
        del self.entities["custom_fields"][definition.id]
        collection = f"{definition.target.value.lower()}s"
        for entity_id, entity in self.entities[collection].items():
            fields = {key: value for key, value in entity.custom_fields.items() if key != definition.key}
            self.entities[collection][entity_id] = msgspec.structs.replace(entity, custom_fields=fields)


def without_versions(entity: Any) -> Any:
    """The entity with the version and the count of facts that all entities of a replica have.

    The version of a message also increases with an edit that changes nothing, of which there is no fact.
    """
    if isinstance(entity, message_records.Message):
        return msgspec.structs.replace(entity, version=0)
    if isinstance(entity, records.Entity):
        entity = msgspec.structs.replace(entity, version=0, fact_count=0)
    return entity
