"""Every operation of the API as a method, and its document."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from switchboard_client.generated import enums, inputs, types
from switchboard_client.generated.events import Event
from switchboard_client.operation import Operation

T = TypeVar("T")


class Operations(ABC):
    """The operations of the API."""

    @abstractmethod
    async def _query(self, operation: Operation[T], variables: Mapping[str, Any]) -> T:
        """Run a query. Arguments that are None are left out."""

    @abstractmethod
    async def _mutate(
        self, operation: Operation[T], fields: Mapping[str, Any], client_mutation_id: str | None, ack: Event | None
    ) -> T:
        """Run a mutation. Fields that are UNSET are left out."""

    @abstractmethod
    def _subscribe(self, operation: Operation[T], variables: Mapping[str, Any]) -> AsyncGenerator[T, None]:
        """Subscribe, and subscribe again when the connection is lost. Arguments that are None are left out."""

    async def viewer(self) -> types.Viewer:
        """The app, user or visitor that your token belongs to, and the scopes of the token. `UNAUTHENTICATED` without a valid token.

        Needs a valid token. Open to visitors without a scope, for their own rooms.
        """
        return await self._query(QUERY_VIEWER, {})

    async def error_codes(self) -> tuple[types.ErrorCodeInfo, ...]:
        """All codes of errors.

        Needs no token.
        """
        return await self._query(QUERY_ERROR_CODES, {})

    async def user(self, *, by: inputs.UserBy) -> types.User | None:
        """One user. Null if there is no such user.

        Needs the scope `users:read`.
        """
        return await self._query(QUERY_USER, {"by": by})

    async def users(
        self,
        *,
        where: inputs.UserFilter | None = None,
        order_by: inputs.UserOrder | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> types.UserConnection | None:
        """The users that match the filter, including agents and inactive users.

        Needs the scope `users:read`.
        """
        return await self._query(
            QUERY_USERS,
            {"where": where, "orderBy": order_by, "first": first, "after": after, "last": last, "before": before},
        )

    async def agent(self, *, id: str) -> types.Agent | None:
        """One agent. Null if there is no such user, or if the user is not an agent.

        Needs the scope `users:read`.
        """
        return await self._query(QUERY_AGENT, {"id": id})

    async def agents(
        self,
        *,
        where: inputs.UserFilter | None = None,
        routable: bool | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> types.AgentConnection | None:
        """The omnichannel agents that match the filter, in the order in which their users were created.

        Needs the scope `users:read`.
        """
        return await self._query(
            QUERY_AGENTS,
            {"where": where, "routable": routable, "first": first, "after": after, "last": last, "before": before},
        )

    async def roles(self) -> tuple[types.Role, ...] | None:
        """All roles, including the built-in ones, in the order in which they were created.

        Needs the scope `users:read`.
        """
        return await self._query(QUERY_ROLES, {})

    async def departments(self) -> tuple[types.Department, ...] | None:
        """All departments, including disabled ones, in the order in which they were created.

        Needs the scope `users:read`.
        """
        return await self._query(QUERY_DEPARTMENTS, {})

    async def visitor(self, *, by: inputs.VisitorBy) -> types.Visitor | None:
        """One visitor. Null if there is no such visitor.

        Needs the scope `visitors:read`.
        """
        return await self._query(QUERY_VISITOR, {"by": by})

    async def visitors(
        self,
        *,
        where: inputs.VisitorFilter | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> types.VisitorConnection | None:
        """The visitors that match the filter, in the order in which they were first saved.

        Needs the scope `visitors:read`.
        """
        return await self._query(
            QUERY_VISITORS, {"where": where, "first": first, "after": after, "last": last, "before": before}
        )

    async def visitor_export(
        self, *, visitor_id: str, first: int | None = None, after: str | None = None
    ) -> types.VisitorExportPage | None:
        """Everything that is stored about a visitor, record by record: the visitor, its rooms, their messages and events, and what apps keep beside them. `NOT_FOUND` if there is no such visitor. Needs no other scope.

        Needs the scope `visitors:export`.
        """
        return await self._query(QUERY_VISITOR_EXPORT, {"visitorId": visitor_id, "first": first, "after": after})

    async def room(self, *, by: inputs.RoomBy) -> types.Room | None:
        """One room. Null if there is no such room that you may read.

        Needs the scope `rooms:read`. Open to visitors without a scope, for their own rooms.
        """
        return await self._query(QUERY_ROOM, {"by": by})

    async def rooms(
        self,
        *,
        where: inputs.RoomFilter | None = None,
        order_by: inputs.RoomOrder | None = None,
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> types.RoomConnection | None:
        """The rooms that match the filter and that you may read.

        Apps and admins may read all rooms, managers the rooms of their departments, and agents the rooms they serve and the queued rooms they could take.

        Needs the scope `rooms:read`. Open to visitors without a scope, for their own rooms.
        """
        return await self._query(
            QUERY_ROOMS,
            {"where": where, "orderBy": order_by, "first": first, "after": after, "last": last, "before": before},
        )

    async def room_counts(
        self, *, by: Sequence[enums.RoomGrouping], where: inputs.RoomFilter | None = None
    ) -> types.RoomCounts | None:
        """The numbers of rooms that match the filter and that you may read, in groups.

        `QUERY_TOO_COMPLEX` if there are more than 10,000 groups.

        Needs the scope `rooms:read`.
        """
        return await self._query(QUERY_ROOM_COUNTS, {"by": by, "where": where})

    async def explain_routing(self, *, room_id: str) -> types.RoutingExplanation | None:
        """Why nobody serves a waiting room, and what routing does next. Null if there is no such room that you may read.

        Needs the scopes `rooms:read` and `users:read`.
        """
        return await self._query(QUERY_EXPLAIN_ROUTING, {"roomId": room_id})

    async def timers(self, *, room_id: str) -> tuple[types.Timer, ...] | None:
        """The timers of a room, those of all callers, in the order in which they are due. Null if there is no such room that you may read.

        Needs the scope `rooms:read`.
        """
        return await self._query(QUERY_TIMERS, {"roomId": room_id})

    async def custom_field_definitions(
        self, *, target: enums.FieldTarget | None = None
    ) -> tuple[types.CustomFieldDefinition, ...] | None:
        """The custom fields, sorted by target and then in the order in which they were defined.

        Needs a valid token.
        """
        return await self._query(QUERY_CUSTOM_FIELD_DEFINITIONS, {"target": target})

    async def custom_field_removals(self) -> tuple[types.CustomFieldRemoval, ...] | None:
        """The removed custom fields, in the order of removal. A field is listed until one day after its last value was deleted.

        The values of a removed field cannot be read from the removal on. They are deleted in the background; this query returns the progress.

        Needs a valid token.
        """
        return await self._query(QUERY_CUSTOM_FIELD_REMOVALS, {})

    async def event_cursor(self) -> str | None:
        """The cursor of the last event in the log.

        It is read before all other fields of the operation. So read your state in the same operation, and subscribe with this cursor as `after`: you miss no event in between.

        Needs the scope `events:read`. Open to visitors without a scope, for their own rooms.
        """
        return await self._query(QUERY_EVENT_CURSOR, {})

    async def consumers(self) -> tuple[types.Consumer, ...] | None:
        """Your consumers, ordered by name. With the scope `admin`: those of everybody, ordered by owner and name, up to 10,000.

        Needs the scope `events:read`.
        """
        return await self._query(QUERY_CONSUMERS, {})

    async def apps(self) -> tuple[types.App, ...] | None:
        """All apps, including revoked ones, in the order in which they were created.

        Needs the scope `apps:write`.
        """
        return await self._query(QUERY_APPS, {})

    async def webhook(self, *, id: str) -> types.Webhook | None:
        """The webhook with this id. Null if there is none that you may see.

        Needs the scope `webhooks:write`.
        """
        return await self._query(QUERY_WEBHOOK, {"id": id})

    async def webhooks(self) -> tuple[types.Webhook, ...] | None:
        """Your webhooks, ordered by name. With the scope `admin`: those of everybody, ordered by owner and name.

        Needs the scope `webhooks:write`.
        """
        return await self._query(QUERY_WEBHOOKS, {})

    async def define_custom_field(
        self,
        *,
        target: enums.FieldTarget,
        key: str,
        type: enums.FieldType,
        label: str | UnsetType | None = UNSET,
        required: bool | UnsetType = UNSET,
        unique: bool | UnsetType = UNSET,
        options: Sequence[str] | UnsetType | None = UNSET,
        pattern: str | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.DefineCustomFieldPayload:
        """Defines a custom field. The field can be written and used in filters at once.

        If the field is required, every object of the target that is created from now on must have a value. Existing objects may remain without one. Records `CustomFieldDefined`.

        Needs the scope `fields:write`.

        Args:
            target: The kind of object that has the field.
            key: The name of the field in inputs, filters and results: 1 to 64 letters, digits, `_` and `-`. `DUPLICATE_VALUE` if the target has a field with this key.
            type: The type of the values.
            label: The display name, up to 200 characters. The key if null.
            required: Whether objects of the target that are created from now on must have a value.
            unique: Whether each value may occur only once among the objects of the target.
            options: The options of a SELECT or MULTI_SELECT: 1 to 200 texts of up to 128 characters. Required for these types, `INVALID_INPUT` for others.
            pattern: A regular expression in RE2 syntax, up to 512 characters, that the whole value of a TEXT must match. `INVALID_INPUT` for other types.
        """
        return await self._mutate(
            MUTATION_DEFINE_CUSTOM_FIELD,
            {
                "target": target,
                "key": key,
                "type": type,
                "label": label,
                "required": required,
                "unique": unique,
                "options": options,
                "pattern": pattern,
            },
            client_mutation_id,
            ack,
        )

    async def update_custom_field(
        self,
        *,
        id: str,
        label: str | UnsetType | None = UNSET,
        required: bool | UnsetType | None = UNSET,
        unique: bool | UnsetType | None = UNSET,
        options: Sequence[str] | UnsetType | None = UNSET,
        pattern: str | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.UpdateCustomFieldPayload:
        """Changes the label or the constraints of a custom field. Its key, target and type cannot be changed.

        If existing values violate a new constraint, the mutation is refused with `DUPLICATE_VALUE`, `FIELD_REQUIRED` (closed rooms may have no value) or `INVALID_FIELD_VALUE`, and `offenders` of the error lists the first ids. Records `CustomFieldUpdated`.

        Needs the scope `fields:write`.

        Args:
            id: The id of the definition. `NOT_FOUND` if there is no such definition.
            label: The display name; null sets it to the key.
            required: Whether every object of the target must have a value. `FIELD_REQUIRED` if some have none. null is the same as false.
            unique: Whether each value may occur only once among the objects of the target. `DUPLICATE_VALUE` if one occurs twice. null is the same as false.
            options: The options of a SELECT or MULTI_SELECT, replacing the current ones.
            pattern: A regular expression in RE2 syntax that the whole value of a TEXT must match; null removes it.
        """
        return await self._mutate(
            MUTATION_UPDATE_CUSTOM_FIELD,
            {"id": id, "label": label, "required": required, "unique": unique, "options": options, "pattern": pattern},
            client_mutation_id,
            ack,
        )

    async def remove_custom_field(
        self, *, id: str, ack: Event | None = None, client_mutation_id: str | None = None
    ) -> types.RemoveCustomFieldPayload:
        """Removes a custom field and all of its values. This cannot be undone.

        The values cannot be read from now on. A new field with the same key has no values. Records `CustomFieldRemoved`.

        Needs the scope `fields:write`.

        Args:
            id: The id of the definition. `NOT_FOUND` if there is no such definition.
        """
        return await self._mutate(MUTATION_REMOVE_CUSTOM_FIELD, {"id": id}, client_mutation_id, ack)

    async def create_user(
        self,
        *,
        username: str,
        name: str | UnsetType | None = UNSET,
        emails: Sequence[str] | UnsetType | None = UNSET,
        type: enums.UserType | UnsetType = UNSET,
        password: str | UnsetType | None = UNSET,
        roles: Sequence[str] | UnsetType | None = UNSET,
        custom_fields: Sequence[inputs.CustomFieldInput] | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.CreateUserPayload:
        """Creates a user with its roles and custom fields, atomically. Records `UserCreated`.

        Needs the scope `users:write`.

        Args:
            username: The username to log in with: 1 to 64 characters without white space. `USERNAME_TAKEN` if another user has it; case is ignored.
            name: The display name, up to 128 characters.
            emails: Up to 10 email addresses. Their order is kept.
            type: Whether the user is a person, a bot or an app.
            password: The password to log in with, 8 to 256 characters. Without a password, the user cannot log in. Stored as an argon2id hash and never returned.
            roles: Names of the user's roles. `UNKNOWN_ROLE` if one does not exist. Also needs the scope `roles:write`.
            custom_fields: Values of custom fields. `FIELD_REQUIRED` if a required field has no value, `DUPLICATE_VALUE` if another user has the same value of a unique field.
        """
        return await self._mutate(
            MUTATION_CREATE_USER,
            {
                "username": username,
                "name": name,
                "emails": emails,
                "type": type,
                "password": password,
                "roles": roles,
                "customFields": custom_fields,
            },
            client_mutation_id,
            ack,
        )

    async def update_user(
        self,
        *,
        user_id: str,
        username: str | UnsetType | None = UNSET,
        name: str | UnsetType | None = UNSET,
        emails: Sequence[str] | UnsetType | None = UNSET,
        password: str | UnsetType | None = UNSET,
        custom_fields: Sequence[inputs.CustomFieldInput] | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.UpdateUserPayload:
        """Changes a user's names, email addresses, password and custom fields. Records `UserUpdated`, unless nothing changed.

        Needs the scope `users:write`.

        Args:
            user_id: The id of the user. `NOT_FOUND` if there is no such user.
            username: The new username. `USERNAME_TAKEN` if another user has it; case is ignored. `INVALID_INPUT` for null.
            name: The new display name; null removes it.
            emails: The email addresses, replacing the current ones; null removes them.
            password: The new password; null removes it, and the user can no longer log in. Either ends the user's sessions. `FORBIDDEN` if the user has permissions that you do not have.
            custom_fields: Custom field values to change. They are merged with the user's values key by key, so concurrent changes of different fields do not overwrite each other.
        """
        return await self._mutate(
            MUTATION_UPDATE_USER,
            {
                "userId": user_id,
                "username": username,
                "name": name,
                "emails": emails,
                "password": password,
                "customFields": custom_fields,
            },
            client_mutation_id,
            ack,
        )

    async def set_user_active(
        self, *, user_id: str, active: bool, ack: Event | None = None, client_mutation_id: str | None = None
    ) -> types.SetUserActivePayload:
        """Activates or deactivates a user.

        Deactivation ends the user's sessions, and the rooms the user serves return to the queue, the first 50 at once and the others in the background. `FORBIDDEN` if the user has permissions that you do not have. Records `UserUpdated`, unless nothing changed, and then `AgentUnassigned` with the cause AGENT_REMOVED for each of these rooms.

        Needs the scope `users:write`.

        Args:
            user_id: The id of the user. `NOT_FOUND` if there is no such user.
            active: Whether the user may log in and serve rooms.
        """
        return await self._mutate(
            MUTATION_SET_USER_ACTIVE, {"userId": user_id, "active": active}, client_mutation_id, ack
        )

    async def set_presence(
        self,
        *,
        user_id: str,
        presence: enums.Presence,
        lease_seconds: int | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.SetPresencePayload:
        """Sets a user's presence. Users may set their own presence; for other users, it needs the scope `users:write`.

        If an agent is no longer OFFLINE, queued rooms may be routed to it at once. An agent that is OFFLINE keeps its rooms and gets no new ones, unless it has the role `bot`. The presence becomes OFFLINE when its lease ends and, if the user set it, when the user's last session ends. Records `UserPresenceChanged`, unless the presence is the same.

        Needs the scope `users:write`.

        Args:
            user_id: The id of the user. `NOT_FOUND` if there is no such user.
            presence: The new presence.
            lease_seconds: The number of seconds, 1 to 31,536,000, after which the presence becomes OFFLINE unless it is set again. No time limit if null. Ignored for OFFLINE.
        """
        return await self._mutate(
            MUTATION_SET_PRESENCE,
            {"userId": user_id, "presence": presence, "leaseSeconds": lease_seconds},
            client_mutation_id,
            ack,
        )

    async def add_roles(
        self, *, user_id: str, roles: Sequence[str], ack: Event | None = None, client_mutation_id: str | None = None
    ) -> types.AddRolesPayload:
        """Adds roles to a user, atomically.

        `FORBIDDEN` if a role has permissions that you do not have. Records `UserRolesChanged`, unless the user had all of the roles.

        Needs the scope `roles:write`.

        Args:
            user_id: The id of the user. `NOT_FOUND` if there is no such user.
            roles: Names of roles. `UNKNOWN_ROLE` if one does not exist. Roles that the user has already are ignored.
        """
        return await self._mutate(MUTATION_ADD_ROLES, {"userId": user_id, "roles": roles}, client_mutation_id, ack)

    async def remove_roles(
        self, *, user_id: str, roles: Sequence[str], ack: Event | None = None, client_mutation_id: str | None = None
    ) -> types.RemoveRolesPayload:
        """Removes roles from a user, atomically.

        `FORBIDDEN` if the user has permissions that you do not have. `INVALID_INPUT` for the role `livechat-agent` of an agent; use `removeAgent`. Records `UserRolesChanged`, unless the user had none of the roles.

        Needs the scope `roles:write`.

        Args:
            user_id: The id of the user. `NOT_FOUND` if there is no such user.
            roles: Names of roles. `UNKNOWN_ROLE` if one does not exist. Roles that the user does not have are ignored.
        """
        return await self._mutate(MUTATION_REMOVE_ROLES, {"userId": user_id, "roles": roles}, client_mutation_id, ack)

    async def create_role(
        self,
        *,
        name: str,
        description: str | UnsetType | None = UNSET,
        scopes: Sequence[str] | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.CreateRolePayload:
        """Creates a role. Roles cannot be renamed or removed. Records `RoleCreated`.

        Needs the scope `roles:write`.

        Args:
            name: The name, 1 to 64 characters. `DUPLICATE_VALUE` if a role has this name.
            description: A description for people, up to 1,000 characters.
            scopes: The scopes of the users who hold the role; none if null. `FORBIDDEN` for scopes that you do not have, `INVALID_INPUT` for unknown scopes.
        """
        return await self._mutate(
            MUTATION_CREATE_ROLE, {"name": name, "description": description, "scopes": scopes}, client_mutation_id, ack
        )

    async def update_role(
        self,
        *,
        role_id: str,
        description: str | UnsetType | None = UNSET,
        scopes: Sequence[str] | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.UpdateRolePayload:
        """Changes the description or the scopes of a role that is not built in.

        Users who hold the role have the new scopes at once; subscriptions whose permissions change end with 4403. `FORBIDDEN` if the role has scopes, before or after the change, that you do not have. Records `RoleUpdated` unless nothing changes.

        Needs the scope `roles:write`.

        Args:
            role_id: The role. `NOT_FOUND` if it does not exist, `INVALID_INPUT` if it is built in.
            description: A description for people, up to 1,000 characters; null removes it.
            scopes: All scopes of the role; null removes them all. `FORBIDDEN` for scopes that you do not have, `INVALID_INPUT` for unknown scopes.
        """
        return await self._mutate(
            MUTATION_UPDATE_ROLE,
            {"roleId": role_id, "description": description, "scopes": scopes},
            client_mutation_id,
            ack,
        )

    async def add_agent(
        self,
        *,
        user_id: str,
        status: enums.AgentStatus | UnsetType = UNSET,
        accepts_routing: bool | UnsetType = UNSET,
        max_rooms: int | UnsetType | None = UNSET,
        department_ids: Sequence[str] | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.AddAgentPayload:
        """Makes a user an omnichannel agent and adds the role `livechat-agent`.

        If the user is an agent already, nothing changes, whatever the other arguments are; use `updateAgent` to change an agent.

        Unless `acceptsRouting` is false, queued rooms may be routed to the agent at once. Records `AgentAdded`, and `UserRolesChanged` if the user did not have the role.

        Needs the scope `agents:write`.

        Args:
            user_id: The id of the user. `NOT_FOUND` if there is no such user.
            status: Whether the agent takes new rooms.
            accepts_routing: Whether routing offers rooms to the agent. If false, the agent gets rooms only by `assignAgent`, `takeRoom` and `transferRoom`.
            max_rooms: The maximum number of rooms the agent may have ASSIGNED at once, 0 to 100,000. No limit if null.
            department_ids: The departments the agent works in, up to 100. `NOT_FOUND` if one does not exist.
        """
        return await self._mutate(
            MUTATION_ADD_AGENT,
            {
                "userId": user_id,
                "status": status,
                "acceptsRouting": accepts_routing,
                "maxRooms": max_rooms,
                "departmentIds": department_ids,
            },
            client_mutation_id,
            ack,
        )

    async def remove_agent(
        self, *, user_id: str, ack: Event | None = None, client_mutation_id: str | None = None
    ) -> types.RemoveAgentPayload:
        """Makes an agent an ordinary user and removes the role `livechat-agent`.

        The rooms the agent serves return to the queue, the first 50 at once and the others in the background. Records `AgentRemoved` and, for each of these rooms, `AgentUnassigned` with the cause AGENT_REMOVED.

        Needs the scope `agents:write`.

        Args:
            user_id: The id of the user. `NOT_FOUND` if there is no such user, `NOT_AN_AGENT` if the user is not an agent.
        """
        return await self._mutate(MUTATION_REMOVE_AGENT, {"userId": user_id}, client_mutation_id, ack)

    async def set_agent_status(
        self,
        *,
        agent_id: str,
        status: enums.AgentStatus,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.SetAgentStatusPayload:
        """Sets whether an agent takes new rooms. Agents may set their own status; for other agents, it needs the scope `agents:write`.

        If the agent becomes AVAILABLE, queued rooms may be routed to it at once. If it becomes NOT_AVAILABLE, it keeps its rooms. Records `AgentStatusChanged`, unless nothing changed.

        Needs the scope `agents:write`.

        Args:
            agent_id: The id of the agent. `NOT_FOUND` if there is no such user, `NOT_AN_AGENT` if the user is not an agent.
            status: The new status.
        """
        return await self._mutate(
            MUTATION_SET_AGENT_STATUS, {"agentId": agent_id, "status": status}, client_mutation_id, ack
        )

    async def update_agent(
        self,
        *,
        agent_id: str,
        accepts_routing: bool | UnsetType | None = UNSET,
        max_rooms: int | UnsetType | None = UNSET,
        department_ids: Sequence[str] | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.UpdateAgentPayload:
        """Changes an agent's room limit, its departments, and whether routing offers it rooms.

        A higher limit, a new department or `acceptsRouting: true` may cause queued rooms to be routed to the agent at once. Records `AgentUpdated`, unless nothing changed.

        Needs the scope `agents:write`.

        Args:
            agent_id: The id of the agent. `NOT_FOUND` if there is no such user, `NOT_AN_AGENT` if the user is not an agent.
            accepts_routing: Whether routing offers rooms to the agent; `INVALID_INPUT` for null. The agent keeps the rooms it has.
            max_rooms: The maximum number of rooms the agent may have ASSIGNED at once; null removes the limit. If the agent has more rooms than a new limit allows, it keeps them.
            department_ids: The departments the agent works in, replacing the current ones; null removes the agent from all departments.
        """
        return await self._mutate(
            MUTATION_UPDATE_AGENT,
            {
                "agentId": agent_id,
                "acceptsRouting": accepts_routing,
                "maxRooms": max_rooms,
                "departmentIds": department_ids,
            },
            client_mutation_id,
            ack,
        )

    async def ensure_agent(
        self,
        *,
        by: inputs.CustomFieldRef,
        username: str,
        name: str | UnsetType | None = UNSET,
        emails: Sequence[str] | UnsetType | None = UNSET,
        type: enums.UserType | UnsetType = UNSET,
        roles: Sequence[str] | UnsetType | None = UNSET,
        status: enums.AgentStatus | UnsetType | None = UNSET,
        accepts_routing: bool | UnsetType | None = UNSET,
        max_rooms: int | UnsetType | None = UNSET,
        department_ids: Sequence[str] | UnsetType | None = UNSET,
        custom_fields: Sequence[inputs.CustomFieldInput] | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.EnsureAgentPayload:
        """Finds the user with a unique custom field value, or creates it, and makes it an agent, atomically.

        Concurrent calls with the same value result in one user and one agent, and all return it. An existing agent is updated with the fields that are given. Records `UserCreated`, `UserUpdated`, `UserRolesChanged`, `AgentAdded`, `AgentUpdated` and `AgentStatusChanged`, each only if it applies.

        Needs the scopes `agents:write` and `users:write`.

        Args:
            by: The unique custom field and the value that identify the user. A user that is created gets this value.
            username: The username. `USERNAME_TAKEN` if another user has it.
            name: The display name.
            emails: The email addresses.
            type: The type of a user that is created. An existing user keeps its type.
            roles: Names of roles to add to the user's roles. Also needs the scope `roles:write`.
            status: Whether the agent takes new rooms. If null, a new agent is AVAILABLE and an existing agent keeps its status.
            accepts_routing: Whether routing offers rooms to the agent. If null, it does for a new agent, and an existing agent keeps its setting. A program that assigns rooms itself sets it to false.
            max_rooms: The maximum number of rooms the agent may have ASSIGNED at once; null removes the limit.
            department_ids: The departments the agent works in, replacing the current ones; null removes the agent from all departments.
            custom_fields: Values of further custom fields. They are merged with the user's values key by key.
        """
        return await self._mutate(
            MUTATION_ENSURE_AGENT,
            {
                "by": by,
                "username": username,
                "name": name,
                "emails": emails,
                "type": type,
                "roles": roles,
                "status": status,
                "acceptsRouting": accepts_routing,
                "maxRooms": max_rooms,
                "departmentIds": department_ids,
                "customFields": custom_fields,
            },
            client_mutation_id,
            ack,
        )

    async def create_department(
        self,
        *,
        name: str,
        routing: enums.RoutingMethod | UnsetType = UNSET,
        external_timeout_seconds: int | UnsetType | None = UNSET,
        fallback_routing: enums.RoutingMethod | UnsetType | None = UNSET,
        when_agent_gone: enums.AgentGoneAction | UnsetType = UNSET,
        agent_gone_after_seconds: int | UnsetType = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.CreateDepartmentPayload:
        """Creates a department, enabled and without agents. Records `DepartmentSaved`.

        Needs the scope `departments:write`.

        Args:
            name: The name, 1 to 128 characters.
            routing: How the department's rooms get their agents.
            external_timeout_seconds: For EXTERNAL routing: the number of seconds, 1 to 86,400, a room waits for an app to assign an agent before `fallbackRouting` applies.
            fallback_routing: For EXTERNAL routing: how a room gets its agent if no app assigned one in time. `INVALID_INPUT` for EXTERNAL.
            when_agent_gone: What happens to the ASSIGNED rooms of an agent without the role `bot` who is OFFLINE for `agentGoneAfterSeconds`.
            agent_gone_after_seconds: The number of seconds, 0 to 31,536,000, after which an agent who is OFFLINE is gone.
        """
        return await self._mutate(
            MUTATION_CREATE_DEPARTMENT,
            {
                "name": name,
                "routing": routing,
                "externalTimeoutSeconds": external_timeout_seconds,
                "fallbackRouting": fallback_routing,
                "whenAgentGone": when_agent_gone,
                "agentGoneAfterSeconds": agent_gone_after_seconds,
            },
            client_mutation_id,
            ack,
        )

    async def update_department(
        self,
        *,
        department_id: str,
        name: str | UnsetType | None = UNSET,
        enabled: bool | UnsetType | None = UNSET,
        routing: enums.RoutingMethod | UnsetType | None = UNSET,
        external_timeout_seconds: int | UnsetType | None = UNSET,
        fallback_routing: enums.RoutingMethod | UnsetType | None = UNSET,
        when_agent_gone: enums.AgentGoneAction | UnsetType | None = UNSET,
        agent_gone_after_seconds: int | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.UpdateDepartmentPayload:
        """Changes a department. Rooms that are queued in it are routed by its new rule at once. Records `DepartmentSaved`, unless nothing changed.

        Needs the scope `departments:write`.

        Args:
            department_id: The id of the department. `NOT_FOUND` if there is no such department.
            name: The name.
            enabled: Whether the department takes new rooms. Existing rooms are not affected.
            routing: How the department's rooms get their agents, including rooms that are queued now.
            external_timeout_seconds: For EXTERNAL routing: the number of seconds a room waits for an app to assign an agent; null removes the time limit.
            fallback_routing: For EXTERNAL routing: how a room gets its agent if no app assigned one in time. If null, the room remains queued.
            when_agent_gone: What happens to the ASSIGNED rooms of an agent without the role `bot` who is OFFLINE for `agentGoneAfterSeconds`, including agents who are gone already. Null is `INVALID_INPUT`.
            agent_gone_after_seconds: The number of seconds, 0 to 31,536,000, after which an agent who is OFFLINE is gone. Null is `INVALID_INPUT`.
        """
        return await self._mutate(
            MUTATION_UPDATE_DEPARTMENT,
            {
                "departmentId": department_id,
                "name": name,
                "enabled": enabled,
                "routing": routing,
                "externalTimeoutSeconds": external_timeout_seconds,
                "fallbackRouting": fallback_routing,
                "whenAgentGone": when_agent_gone,
                "agentGoneAfterSeconds": agent_gone_after_seconds,
            },
            client_mutation_id,
            ack,
        )

    async def set_department_agents(
        self,
        *,
        department_id: str,
        add: Sequence[str] | UnsetType | None = UNSET,
        remove: Sequence[str] | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.SetDepartmentAgentsPayload:
        """Adds agents to a department and removes others, atomically.

        Rooms that are queued in the department may be routed to the added agents at once. Records one `AgentUpdated` for each agent who was added or removed.

        Needs the scope `departments:write`.

        Args:
            department_id: The id of the department. `NOT_FOUND` if there is no such department.
            add: Ids of agents to add. `NOT_AN_AGENT` for a user who is not an agent. Agents who work in the department already are ignored.
            remove: Ids of agents to remove. They keep the rooms they serve. Agents who do not work in the department are ignored.
        """
        return await self._mutate(
            MUTATION_SET_DEPARTMENT_AGENTS,
            {"departmentId": department_id, "add": add, "remove": remove},
            client_mutation_id,
            ack,
        )

    async def save_visitor(
        self,
        *,
        token: str,
        name: str | UnsetType | None = UNSET,
        email: str | UnsetType | None = UNSET,
        phone: str | UnsetType | None = UNSET,
        custom_fields: Sequence[inputs.CustomFieldInput] | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.SaveVisitorPayload:
        """Creates the visitor with this token, or updates it, atomically. Concurrent calls with the same token result in one visitor.

        Records `VisitorSaved`, unless nothing changed.

        Needs the scope `visitors:write`.

        Args:
            token: The token that identifies the visitor, 1 to 128 characters. If no visitor has it, a visitor is created.
            name: The name, up to 128 characters; null removes it.
            email: The email address; null removes it.
            phone: The phone number, up to 64 characters; null removes it.
            custom_fields: Values of custom fields. They are merged with the visitor's values key by key. `FIELD_REQUIRED` if a new visitor has no value of a required field.
        """
        return await self._mutate(
            MUTATION_SAVE_VISITOR,
            {"token": token, "name": name, "email": email, "phone": phone, "customFields": custom_fields},
            client_mutation_id,
            ack,
        )

    async def erase_visitor(
        self, *, visitor_id: str, ack: Event | None = None, client_mutation_id: str | None = None
    ) -> types.EraseVisitorPayload:
        """Ends the access of a visitor, closes its rooms, and removes what is known of the person from everything that is stored: names, addresses and custom fields, the content of rooms and messages, what apps keep beside them, and all of that from recorded events. Ids, times and the events themselves stay. It cannot be undone.

        Returns when all is erased, or after five seconds; then the rest is erased in the background. Erasing a visitor again changes nothing. A visitor that is saved with the same token later is another one. `RATE_LIMITED` while 1,000 others are being erased. Records `VisitorSaved` with `visitor.erasedAt`, and for each room `RoomUpdated`, and `RoomClosed` if it was open.

        Needs the scope `visitors:erase`.

        Args:
            visitor_id: The id of the visitor. `NOT_FOUND` if there is none.
        """
        return await self._mutate(MUTATION_ERASE_VISITOR, {"visitorId": visitor_id}, client_mutation_id, ack)

    async def start_room(
        self,
        *,
        visitor_token: str | UnsetType | None = UNSET,
        department_id: str | UnsetType | None = UNSET,
        source: str | UnsetType = UNSET,
        subject: str | UnsetType | None = UNSET,
        priority: int | UnsetType = UNSET,
        tags: Sequence[str] | UnsetType | None = UNSET,
        agent_filter: inputs.UserFilter | UnsetType | None = UNSET,
        agent_filter_seconds: int | UnsetType | None = UNSET,
        preferred_agent_id: str | UnsetType | None = UNSET,
        custom_fields: Sequence[inputs.CustomFieldInput] | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.StartRoomPayload:
        """Starts a room and routes it by the rule of its department, or by the default rule.

        A visitor gives `subject`, `source`, `departmentId` and `customFields` at most (`FORBIDDEN`), and is `RATE_LIMITED` while it has as many open rooms as it may have.

        Records `RoomStarted`, followed by `AgentAssigned` with the cause ROUTED, or by `RoomQueued` and, if the routing is EXTERNAL, `RoutingRequested`.

        Needs the scope `rooms:write`. Open to visitors without a scope, for their own rooms.

        Args:
            visitor_token: The token of the visitor, required from apps and users (`INVALID_INPUT`). `NOT_FOUND` if no visitor was saved with this token. A visitor starts rooms of its own, and leaves it out.
            department_id: The id of the department that routes the room. `NOT_FOUND` if there is no such department, `DEPARTMENT_DISABLED` if it takes no new rooms. If null, the room can be routed to any agent.
            source: The channel: `api`, `widget`, `email`, `sms`, or another name, up to 64 characters.
            subject: The subject, up to 1,000 characters.
            priority: The priority. Queued rooms with a higher priority are routed first.
            tags: The tags: up to 100, each of 1 to 128 characters.
            agent_filter: Routing offers the room only to agents whose users match this filter. It does not apply to `preferredAgentId`, `assignAgent`, `takeRoom` and `transferRoom` to an agent. `UNKNOWN_FIELD`, `INVALID_FIELD_VALUE`; `INVALID_INPUT` if it takes more than 16 KiB as JSON. Rooms that no available agent matches do not delay other rooms.
            agent_filter_seconds: After how many seconds `agentFilter` ends, from 1 to 31,536,000. Never if null. `INVALID_INPUT` without `agentFilter`.
            preferred_agent_id: The id of an agent who gets the room if the agent is routable and works in the department, also with the routing MANUAL or EXTERNAL. `acceptsRouting` and `agentFilter` are not checked. Otherwise the room is routed as usual. `NOT_FOUND`, `NOT_AN_AGENT`.
            custom_fields: Values of custom fields. The event `RoomStarted` contains them. `FIELD_REQUIRED` if a required field has no value.
        """
        return await self._mutate(
            MUTATION_START_ROOM,
            {
                "visitorToken": visitor_token,
                "departmentId": department_id,
                "source": source,
                "subject": subject,
                "priority": priority,
                "tags": tags,
                "agentFilter": agent_filter,
                "agentFilterSeconds": agent_filter_seconds,
                "preferredAgentId": preferred_agent_id,
                "customFields": custom_fields,
            },
            client_mutation_id,
            ack,
        )

    async def ensure_room(
        self,
        *,
        by: inputs.CustomFieldRef,
        visitor: inputs.SaveVisitorFields,
        department_id: str | UnsetType | None = UNSET,
        source: str | UnsetType = UNSET,
        subject: str | UnsetType | None = UNSET,
        priority: int | UnsetType = UNSET,
        tags: Sequence[str] | UnsetType | None = UNSET,
        agent_filter: inputs.UserFilter | UnsetType | None = UNSET,
        agent_filter_seconds: int | UnsetType | None = UNSET,
        preferred_agent_id: str | UnsetType | None = UNSET,
        custom_fields: Sequence[inputs.CustomFieldInput] | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.EnsureRoomPayload:
        """Finds the room with a unique custom field value, or saves the visitor and starts the room, atomically.

        Concurrent calls with the same value result in one room, and all return it. A room that is found, open or closed, does not change, and neither does its visitor. `DUPLICATE_VALUE` if you may not read the room. Records `VisitorSaved` if the visitor is new or changes, and then what `startRoom` records; nothing for a room that is found.

        Needs the scopes `rooms:write` and `visitors:write`.

        Args:
            by: A unique custom field of rooms, and its value. `INVALID_INPUT` if the field is not unique.
            visitor: The visitor of a new room, which is saved with it.
            department_id: The id of the department that routes a new room. `NOT_FOUND` if there is no such department, `DEPARTMENT_DISABLED` if it takes no new rooms. If null, the room can be routed to any agent.
            source: The channel of a new room: `api`, `widget`, `email`, `sms`, or another name, up to 64 characters.
            subject: The subject of a new room, up to 1,000 characters.
            priority: The priority of a new room. Queued rooms with a higher priority are routed first.
            tags: The tags of a new room: up to 100, each of 1 to 128 characters.
            agent_filter: Routing offers a new room only to agents whose users match this filter, as for `startRoom`.
            agent_filter_seconds: After how many seconds `agentFilter` ends, from 1 to 31,536,000. Never if null. `INVALID_INPUT` without `agentFilter`.
            preferred_agent_id: The id of an agent who gets a new room if possible, as for `startRoom`.
            custom_fields: Further values of custom fields of a new room. `INVALID_INPUT` if they have another value of the field of `by`. `FIELD_REQUIRED` if a required field has no value.
        """
        return await self._mutate(
            MUTATION_ENSURE_ROOM,
            {
                "by": by,
                "visitor": visitor,
                "departmentId": department_id,
                "source": source,
                "subject": subject,
                "priority": priority,
                "tags": tags,
                "agentFilter": agent_filter,
                "agentFilterSeconds": agent_filter_seconds,
                "preferredAgentId": preferred_agent_id,
                "customFields": custom_fields,
            },
            client_mutation_id,
            ack,
        )

    async def assign_agent(
        self,
        *,
        room_id: str,
        agent_id: str,
        if_revision: int | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.AssignAgentPayload:
        """Assigns an agent to a room that has none. Of concurrent calls, one succeeds.

        `ROOM_ALREADY_ASSIGNED`, with the agent as `servedBy`, if the room is ASSIGNED or ON_HOLD. `ROOM_CLOSED`. Records `AgentAssigned` with the cause ASSIGNED.

        Needs the scope `rooms:assign`.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read.
            agent_id: The id of the agent, who need not work in the room's department. `NOT_FOUND` if there is no such user, `NOT_AN_AGENT` if the user is not an agent, `AGENT_NOT_ROUTABLE` (with a `reason`) if the agent cannot take a room now.
            if_revision: The `revision` that the room must have. If it has another one, the mutation is refused with `STALE_REVISION`, and the error contains the current `revision`. Not checked if null.
        """
        return await self._mutate(
            MUTATION_ASSIGN_AGENT,
            {"roomId": room_id, "agentId": agent_id, "ifRevision": if_revision},
            client_mutation_id,
            ack,
        )

    async def decline_routing(
        self,
        *,
        room_id: str,
        reason: str | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.DeclineRoutingPayload:
        """Does not decide about a room that waits for a decision (EXTERNAL). The fallback routes it at once.

        `ROOM_CLOSED`; `ROOM_NOT_WAITING_FOR_DECISION` if the room has an agent, another routing, or was declined before. Records `RoutingDeclined`, then `AgentAssigned` with the cause ROUTED, or `RoomQueued`.

        Needs the scope `rooms:assign`.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read.
            reason: The reason, up to 1,000 characters. It becomes `RoutingDeclined.reason`.
        """
        return await self._mutate(
            MUTATION_DECLINE_ROUTING, {"roomId": room_id, "reason": reason}, client_mutation_id, ack
        )

    async def take_room(
        self,
        *,
        room_id: str,
        if_revision: int | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.TakeRoomPayload:
        """Assigns you to a room that has no agent. For logged-in agents; `FORBIDDEN` for an app.

        `NOT_AN_AGENT` or `AGENT_NOT_ROUTABLE` if you are not an agent or cannot take a room now; other errors as for `assignAgent`. Records `AgentAssigned` with the cause TAKEN.

        Needs a valid token.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read.
            if_revision: The `revision` that the room must have. If it has another one, the mutation is refused with `STALE_REVISION`, and the error contains the current `revision`. Not checked if null.
        """
        return await self._mutate(
            MUTATION_TAKE_ROOM, {"roomId": room_id, "ifRevision": if_revision}, client_mutation_id, ack
        )

    async def unassign_agent(
        self,
        *,
        room_id: str,
        comment: str | UnsetType | None = UNSET,
        keep_place: bool | UnsetType = UNSET,
        same_agent_again: bool | UnsetType = UNSET,
        if_revision: int | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.UnassignAgentPayload:
        """Removes the agent from a room and returns the room to the queue. It may be routed to another agent at once.

        Routing does not choose the removed agent again until another one has served the room, unless you say `sameAgentAgain`. `ROOM_NOT_ASSIGNED` if the room has no agent. `ROOM_CLOSED`. Records `AgentUnassigned` with the cause UNASSIGNED, then `AgentAssigned`, or `RoomQueued` and, if the routing is EXTERNAL, `RoutingRequested`.

        Needs the scope `rooms:assign`.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read.
            comment: The reason, up to 1,000 characters. It becomes `AgentUnassigned.comment`.
            keep_place: Whether the room returns to the place in the queue that it had before it was assigned: `queuedAt` is the time at which it was queued then. Otherwise a new wait begins.
            same_agent_again: Whether routing may give the room to the same agent again. Otherwise another agent must serve it first (`passedOver`).
            if_revision: The `revision` that the room must have. If it has another one, the mutation is refused with `STALE_REVISION`, and the error contains the current `revision`. Not checked if null.
        """
        return await self._mutate(
            MUTATION_UNASSIGN_AGENT,
            {
                "roomId": room_id,
                "comment": comment,
                "keepPlace": keep_place,
                "sameAgentAgain": same_agent_again,
                "ifRevision": if_revision,
            },
            client_mutation_id,
            ack,
        )

    async def transfer_room(
        self,
        *,
        room_id: str,
        to: inputs.TransferTarget,
        comment: str | UnsetType | None = UNSET,
        if_revision: int | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.TransferRoomPayload:
        """Transfers a room that is not closed to an agent or to a department.

        `ROOM_CLOSED`, `AGENT_NOT_ROUTABLE`, `NOT_AN_AGENT`, `DEPARTMENT_DISABLED`. Records `AgentUnassigned` with the cause TRANSFERRED if the room had an agent, then `RoomTransferred`, then `AgentAssigned` or `RoomQueued`.

        Needs the scope `rooms:assign`.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read.
            to: The agent or the department to transfer the room to.
            comment: A comment for the new agent, up to 1,000 characters.
            if_revision: The `revision` that the room must have. If it has another one, the mutation is refused with `STALE_REVISION`, and the error contains the current `revision`. Not checked if null.
        """
        return await self._mutate(
            MUTATION_TRANSFER_ROOM,
            {"roomId": room_id, "to": to, "comment": comment, "ifRevision": if_revision},
            client_mutation_id,
            ack,
        )

    async def hold_room(
        self,
        *,
        room_id: str,
        comment: str | UnsetType | None = UNSET,
        if_revision: int | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.HoldRoomPayload:
        """Puts an ASSIGNED room on hold. The room keeps its agent but no longer counts towards the agent's limit.

        `ROOM_NOT_ASSIGNED`, `ROOM_ON_HOLD` if the room is on hold already, `ROOM_CLOSED`. Records `RoomHeld`.

        Needs the scope `rooms:write`.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read.
            comment: The reason, up to 1,000 characters.
            if_revision: The `revision` that the room must have. If it has another one, the mutation is refused with `STALE_REVISION`, and the error contains the current `revision`. Not checked if null.
        """
        return await self._mutate(
            MUTATION_HOLD_ROOM,
            {"roomId": room_id, "comment": comment, "ifRevision": if_revision},
            client_mutation_id,
            ack,
        )

    async def resume_room(
        self,
        *,
        room_id: str,
        if_revision: int | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.ResumeRoomPayload:
        """Resumes a room that is ON_HOLD. Its agent serves it again, also if the agent is offline.

        `ROOM_NOT_ON_HOLD`, `ROOM_CLOSED`. `AGENT_NOT_ROUTABLE` if the agent is AT_CAPACITY or INACTIVE. Records `RoomResumed`.

        Needs the scope `rooms:write`.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read.
            if_revision: The `revision` that the room must have. If it has another one, the mutation is refused with `STALE_REVISION`, and the error contains the current `revision`. Not checked if null.
        """
        return await self._mutate(
            MUTATION_RESUME_ROOM, {"roomId": room_id, "ifRevision": if_revision}, client_mutation_id, ack
        )

    async def update_room(
        self,
        *,
        room_id: str,
        subject: str | UnsetType | None = UNSET,
        priority: int | UnsetType | None = UNSET,
        tags: Sequence[str] | UnsetType | None = UNSET,
        increment: Sequence[inputs.FieldIncrementInput] | UnsetType | None = UNSET,
        agent_filter: inputs.UserFilter | UnsetType | None = UNSET,
        agent_filter_seconds: int | UnsetType | None = UNSET,
        custom_fields: Sequence[inputs.CustomFieldInput] | UnsetType | None = UNSET,
        if_revision: int | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.UpdateRoomPayload:
        """Changes the subject, priority, tags, custom fields and agent filter of a room, atomically. `ROOM_CLOSED` if the room is closed.

        Records one `RoomUpdated` that names the changed fields, unless nothing changed.

        Needs the scope `rooms:write`.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read.
            subject: The subject; null removes it.
            priority: The priority; null sets it to 0.
            tags: The tags, replacing the current ones; null removes them.
            increment: Numbers to add to NUMBER fields. A field must not be in `customFields` too.
            agent_filter: Routing offers the room only to agents whose users match this filter, as in `startRoom`. A new filter replaces the current one and its end. Null removes the filter.
            agent_filter_seconds: After how many seconds the filter ends, from 1 to 31,536,000, counted from now. Without a new `agentFilter`, this changes the end of the current one; `INVALID_INPUT` if the room has none. Null: never.
            custom_fields: Custom field values to change. They are merged with the room's values key by key, so concurrent changes of different fields do not overwrite each other.
            if_revision: The `revision` that the room must have. If it has another one, the mutation is refused with `STALE_REVISION`, and the error contains the current `revision`. Not checked if null.
        """
        return await self._mutate(
            MUTATION_UPDATE_ROOM,
            {
                "roomId": room_id,
                "subject": subject,
                "priority": priority,
                "tags": tags,
                "increment": increment,
                "agentFilter": agent_filter,
                "agentFilterSeconds": agent_filter_seconds,
                "customFields": custom_fields,
                "ifRevision": if_revision,
            },
            client_mutation_id,
            ack,
        )

    async def close_room(
        self,
        *,
        room_id: str,
        comment: str | UnsetType | None = UNSET,
        tags: Sequence[str] | UnsetType | None = UNSET,
        custom_fields: Sequence[inputs.CustomFieldInput] | UnsetType | None = UNSET,
        if_revision: int | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.CloseRoomPayload:
        """Closes a room of any other status. `ROOM_CLOSED` if it is closed already.

        Records `AgentUnassigned` with the cause CLOSED if the room had an agent, then `RoomClosed`.

        Needs the scope `rooms:write`. Open to visitors without a scope, for their own rooms.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read.
            comment: A closing comment, up to 1,000 characters.
            tags: Tags to add to the room's tags, up to 100 in total.
            custom_fields: Custom field values to change. The event `RoomClosed` contains them.
            if_revision: The `revision` that the room must have. If it has another one, the mutation is refused with `STALE_REVISION`, and the error contains the current `revision`. Not checked if null.
        """
        return await self._mutate(
            MUTATION_CLOSE_ROOM,
            {
                "roomId": room_id,
                "comment": comment,
                "tags": tags,
                "customFields": custom_fields,
                "ifRevision": if_revision,
            },
            client_mutation_id,
            ack,
        )

    async def send_message(
        self,
        *,
        room_id: str,
        text: str,
        as_: inputs.MessageSenderInput | UnsetType | None = UNSET,
        audience: enums.Audience | UnsetType = UNSET,
        choices: Sequence[inputs.ChoiceInput] | UnsetType | None = UNSET,
        choice: inputs.ChosenOptionInput | UnsetType | None = UNSET,
        attachments: Sequence[inputs.AttachmentInput] | UnsetType | None = UNSET,
        data: Any | UnsetType = UNSET,
        in_reply_to: str | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.SendMessagePayload:
        """Sends a message in a room that is not closed. Records `MessageSent`. The room's revision does not change.

        Needs the scope `messages:write`. Open to visitors without a scope, for their own rooms.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read, `ROOM_CLOSED` if it is closed.
            text: The text, 1 to 20,000 characters. It may be empty beside choices, attachments, data or a choice. An empty text with a choice becomes the label of the choice.
            as_: The sender of the message. You if null. An app may send as the agent who serves the room or as the room's visitor, `INVALID_INPUT` for others. `FORBIDDEN` for a user.
            audience: Who may see the message. `INVALID_INPUT` for STAFF if the sender is a visitor.
            choices: The answers to offer to the reader, at most 50.
            choice: The choice of an earlier message that this message answers with.
            attachments: The files that the message refers to, at most 20.
            data: The app's own structured content, at most 16 KiB as JSON.
            in_reply_to: The id of the message of the same room to reply to. `NOT_FOUND` if there is no such message that you may see, `INVALID_INPUT` if it is of another room.
        """
        return await self._mutate(
            MUTATION_SEND_MESSAGE,
            {
                "roomId": room_id,
                "text": text,
                "as": as_,
                "audience": audience,
                "choices": choices,
                "choice": choice,
                "attachments": attachments,
                "data": data,
                "inReplyTo": in_reply_to,
            },
            client_mutation_id,
            ack,
        )

    async def edit_message(
        self,
        *,
        message_id: str,
        text: str,
        choices: Sequence[inputs.ChoiceInput] | UnsetType | None = UNSET,
        data: Any | UnsetType = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.EditMessagePayload:
        """Replaces the content of a message, also in a closed room. Records `MessageEdited`, unless nothing changes.

        Only the sender can do this, and the app that sent the message in the name of its sender (`FORBIDDEN`). `INVALID_INPUT` once the message is redacted.

        Needs the scope `messages:write`. Open to visitors without a scope, for their own rooms.

        Args:
            message_id: The id of the message. `NOT_FOUND` if there is no such message that you may see.
            text: The new text, as in `sendMessage`.
            choices: The new choices, at most 50. Null removes all. They stay if left out.
            data: The new data, at most 16 KiB as JSON. Null removes them. They stay if left out.
        """
        return await self._mutate(
            MUTATION_EDIT_MESSAGE,
            {"messageId": message_id, "text": text, "choices": choices, "data": data},
            client_mutation_id,
            ack,
        )

    async def redact_message(
        self,
        *,
        message_id: str,
        reason: str | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.RedactMessagePayload:
        """Removes the content of a message, also in a closed room: text, choices, attachments and data. They are also removed from recorded events and from stored results of mutations. Records `MessageRedacted`.

        The sender can do this, the app that sent the message in the name of its sender, and whoever also has the scope `messages:moderate` (`FORBIDDEN`). `INVALID_INPUT` if the message is redacted already.

        Needs the scope `messages:write`. Open to visitors without a scope, for their own rooms.

        Args:
            message_id: The id of the message. `NOT_FOUND` if there is no such message that you may see.
            reason: Why, for the event: 1 to 1,000 characters.
        """
        return await self._mutate(
            MUTATION_REDACT_MESSAGE, {"messageId": message_id, "reason": reason}, client_mutation_id, ack
        )

    async def send_signal(
        self,
        *,
        room_id: str,
        kind: enums.SignalKind,
        as_: inputs.MessageSenderInput | UnsetType | None = UNSET,
        message_id: str | UnsetType | None = UNSET,
        data: Any | UnsetType = UNSET,
        client_mutation_id: str | None = None,
    ) -> types.SendSignalPayload:
        """Sends a signal to the subscribers of `signals` that may see the room, except those of the caller.

        The signal is not stored and records no event. It is lost for clients that are not subscribed, and may be lost if a server or a client is overloaded. `RATE_LIMITED`, with `retryAfterSeconds`, if the caller or the room exceeds its rate.

        Needs the scope `messages:write`. Open to visitors without a scope, for their own rooms.

        Args:
            room_id: The id of the room, which may be closed. `NOT_FOUND` if there is no such room that you may read.
            kind: The kind of the signal.
            as_: The sender of the signal. You if null. An app may send as the agent who serves the room or as the room's visitor, `INVALID_INPUT` for another one. `FORBIDDEN` if the caller is not an app and is not this sender.
            message_id: The id of the message up to which the sender has read. `INVALID_INPUT` if it is given for another kind than READ or missing for READ. `NOT_FOUND` if the room has no such message that you may see.
            data: Any JSON value of at most 16 KiB. `INVALID_INPUT` if it is larger.
        """
        return await self._mutate(
            MUTATION_SEND_SIGNAL,
            {"roomId": room_id, "kind": kind, "as": as_, "messageId": message_id, "data": data},
            client_mutation_id,
            None,
        )

    async def set_timer(
        self,
        *,
        room_id: str,
        name: str,
        seconds: int,
        restart_on: Sequence[enums.EventType] | UnsetType | None = UNSET,
        cancel_on: Sequence[enums.EventType] | UnsetType | None = UNSET,
        data: Any | UnsetType = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.SetTimerPayload:
        """Sets a timer of a room that is not closed, or replaces yours of the same name.

        When it is due, one `TimerElapsed` is recorded. If the servers are stopped at that time, it is recorded when they run again. Closing the room cancels its timers. `setTimer` itself records no event.

        Needs the scope `rooms:write`.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read, `ROOM_CLOSED` if it is closed, `INVALID_INPUT` if it has 100 timers.
            name: The name, 1 to 128 characters. Names are per caller: your timer of this name in the room is replaced.
            seconds: After how many seconds it is due, from 1 to 31,536,000 (a year).
            restart_on: The types of events of the room that start the time anew. `INVALID_INPUT` for a type that is not about rooms.
            cancel_on: The types of events of the room that end the timer without an event, also if `restartOn` names them. `INVALID_INPUT` for a type that is not about rooms.
            data: Any JSON value of at most 16 KiB, which the `TimerElapsed` shows. `INVALID_INPUT` if it is larger.
        """
        return await self._mutate(
            MUTATION_SET_TIMER,
            {
                "roomId": room_id,
                "name": name,
                "seconds": seconds,
                "restartOn": restart_on,
                "cancelOn": cancel_on,
                "data": data,
            },
            client_mutation_id,
            ack,
        )

    async def cancel_timer(
        self, *, room_id: str, name: str, ack: Event | None = None, client_mutation_id: str | None = None
    ) -> types.CancelTimerPayload:
        """Cancels your timer of this name. Records no event.

        Needs the scope `rooms:write`.

        Args:
            room_id: The id of the room. `NOT_FOUND` if there is no such room that you may read.
            name: The name of your timer. `NOT_FOUND` if the room has none, or none any more.
        """
        return await self._mutate(MUTATION_CANCEL_TIMER, {"roomId": room_id, "name": name}, client_mutation_id, ack)

    async def set_app_data(
        self,
        *,
        of: inputs.AppDataOwner,
        key: str,
        value: Any | UnsetType = UNSET,
        if_version: int | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.SetAppDataPayload:
        """Stores a JSON value beside a room, a user, a visitor or your app, under a key of your own, or removes it.

        For apps only, with the read scope of the entity; `FORBIDDEN` for others. Nobody else sees the value, and no event has it. Read it with `appData(key)` of the entity. `STALE_VERSION` if it is at another version than `ifVersion`. Records no event, and does not change the `revision` of the room.

        Needs a valid token.

        Args:
            of: The entity beside which the value is kept. `NOT_FOUND` if there is none that you may read.
            key: The key, 1 to 128 characters. `INVALID_INPUT` if you have 100 other keys beside this entity.
            value: The new value, at most 16 KiB as JSON. Null removes the key. `INVALID_INPUT` if left out.
            if_version: The `version` that the value must have, and 0 if there must be no value yet. If it has another one, the mutation is refused with `STALE_VERSION`, and the error contains the current `version`. Not checked if null.
        """
        return await self._mutate(
            MUTATION_SET_APP_DATA,
            {"of": of, "key": key, "value": value, "ifVersion": if_version},
            client_mutation_id,
            ack,
        )

    async def ack_events(
        self, *, consumer: str, cursor: str, only: bool | UnsetType = UNSET, client_mutation_id: str | None = None
    ) -> types.AckEventsPayload:
        """Acknowledges an event and all events before it, or with `only` this event alone. The consumer's next subscription leaves out what was acknowledged.

        Events that were acknowledged before do not change.

        Needs the scope `events:read`.

        Args:
            consumer: The name of the consumer. `NOT_FOUND` if you have no consumer of this name.
            cursor: The cursor of the last event that was processed. `INVALID_CURSOR` if it is not the cursor of an event, or of a future one.
            only: Acknowledges this event alone, so that events can be processed in any order. Otherwise, it and all events before it.
        """
        return await self._mutate(
            MUTATION_ACK_EVENTS, {"consumer": consumer, "cursor": cursor, "only": only}, client_mutation_id, None
        )

    async def remove_consumer(
        self, *, consumer: str, owner_id: str | UnsetType | None = UNSET, client_mutation_id: str | None = None
    ) -> types.RemoveConsumerPayload:
        """Removes a consumer, its position and its acknowledgements. A subscription may then create it again at another position.

        `CONSUMER_BUSY` while a subscription with this consumer is running.

        Needs the scope `events:read`.

        Args:
            consumer: The name of the consumer. `NOT_FOUND` if there is no consumer of this name.
            owner_id: The app or user to which the consumer belongs, if it is not yours. `FORBIDDEN` without the scope `admin`.
        """
        return await self._mutate(
            MUTATION_REMOVE_CONSUMER, {"consumer": consumer, "ownerId": owner_id}, client_mutation_id, None
        )

    async def create_app(
        self, *, name: str, scopes: Sequence[str], client_mutation_id: str | None = None
    ) -> types.CreateAppPayload:
        """Creates an app and returns its token. Records `AppCreated`, without the token.

        A `clientMutationId` is returned but not stored: a repeated mutation creates another app.

        Needs the scope `apps:write`.

        Args:
            name: The display name, 1 to 128 characters.
            scopes: The scopes of the app's token. `FORBIDDEN` for scopes that you do not have, `INVALID_INPUT` for unknown scopes.
        """
        return await self._mutate(MUTATION_CREATE_APP, {"name": name, "scopes": scopes}, client_mutation_id, None)

    async def rotate_app_token(
        self, *, app_id: str, overlap_seconds: int | UnsetType = UNSET, client_mutation_id: str | None = None
    ) -> types.RotateAppTokenPayload:
        """Replaces the token of an app. Records `AppTokenRotated`, without the token.

        When the overlap ends, the old token becomes invalid, and subscriptions that were opened with it end. A `clientMutationId` is returned but not stored: a repeated mutation creates another token.

        Needs the scope `apps:write`.

        Args:
            app_id: The id of the app. `NOT_FOUND` if there is no such app.
            overlap_seconds: The number of seconds, up to 604,800 (a week), for which the old token remains valid beside the new one.
        """
        return await self._mutate(
            MUTATION_ROTATE_APP_TOKEN, {"appId": app_id, "overlapSeconds": overlap_seconds}, client_mutation_id, None
        )

    async def revoke_app(
        self, *, app_id: str, ack: Event | None = None, client_mutation_id: str | None = None
    ) -> types.RevokeAppPayload:
        """Makes all tokens of an app invalid, permanently. The app's subscriptions end at once with the close code
        4403. Records `AppRevoked`, unless the app was revoked already.

        Needs the scope `apps:write`.

        Args:
            app_id: The id of the app. `NOT_FOUND` if there is no such app.
        """
        return await self._mutate(MUTATION_REVOKE_APP, {"appId": app_id}, client_mutation_id, ack)

    async def create_webhook(
        self,
        *,
        name: str,
        url: str,
        query: str,
        operation_name: str | UnsetType | None = UNSET,
        variables: Any | UnsetType = UNSET,
        after: str | UnsetType | None = UNSET,
        active: bool | UnsetType = UNSET,
        client_mutation_id: str | None = None,
    ) -> types.CreateWebhookPayload:
        """Creates a webhook of yours: the events of its subscription are sent to its address by POST, in the order of the log, as you may read them. Records no event.

        A `clientMutationId` is returned but not stored: a repeated mutation is refused because of the name.

        Needs the scope `webhooks:write`.

        Args:
            name: The display name, 1 to 128 characters. `DUPLICATE_VALUE` if you have another webhook of this name.
            url: The address, such as `https://example.org/events`. `INVALID_INPUT` unless it begins with `https://` and leads out of the deployment: the settings of the deployment may allow other addresses.
            query: The document: a subscription to `events`, and to nothing else, without the arguments `after`, `consumer` and `maxInFlight`. `INVALID_INPUT` for another one; `FORBIDDEN` if you lack a scope of a selected field.
            operation_name: The operation of the document, if it has several.
            variables: The variables of the subscription: an object.
            after: The webhook begins with the event after this one: its `cursor`, or an `eventCursor`. With the next event if null.
            active: Whether events are sent at once. Otherwise the webhook is paused, and begins at the same position later.
        """
        return await self._mutate(
            MUTATION_CREATE_WEBHOOK,
            {
                "name": name,
                "url": url,
                "query": query,
                "operationName": operation_name,
                "variables": variables,
                "after": after,
                "active": active,
            },
            client_mutation_id,
            None,
        )

    async def update_webhook(
        self,
        *,
        webhook_id: str,
        name: str | UnsetType | None = UNSET,
        url: str | UnsetType | None = UNSET,
        query: str | UnsetType | None = UNSET,
        operation_name: str | UnsetType | None = UNSET,
        variables: Any | UnsetType = UNSET,
        active: bool | UnsetType | None = UNSET,
        ack: Event | None = None,
        client_mutation_id: str | None = None,
    ) -> types.UpdateWebhookPayload:
        """Changes, pauses or continues a webhook. An attempt that is waiting is made at once.

        If it ends a pause or changes the subscription, the subscription is checked as by `createWebhook`, for the owner of the webhook. Records no event.

        Needs the scope `webhooks:write`.

        Args:
            webhook_id: The id of the webhook. `NOT_FOUND` if there is none that you may see.
            name: The display name.
            url: The address to which events are sent from the next attempt on.
            query: The document of the subscription. The position in the log stays.
            operation_name: The operation of the document, if it has several.
            variables: The variables of the subscription: an object.
            active: True ends a pause, whatever its reason is, and false begins one.
        """
        return await self._mutate(
            MUTATION_UPDATE_WEBHOOK,
            {
                "webhookId": webhook_id,
                "name": name,
                "url": url,
                "query": query,
                "operationName": operation_name,
                "variables": variables,
                "active": active,
            },
            client_mutation_id,
            ack,
        )

    async def replay_webhook(
        self, *, webhook_id: str, after: str, ack: Event | None = None, client_mutation_id: str | None = None
    ) -> types.ReplayWebhookPayload:
        """Moves the position of a webhook: back, to send events again, or forward, to skip some. Each event has the same id (`webhook-id`) as before. Records no event.

        Needs the scope `webhooks:write`.

        Args:
            webhook_id: The id of the webhook. `NOT_FOUND` if there is none that you may see.
            after: The webhook goes on with the event after this one. `CURSOR_EXPIRED` (with `oldestCursor`) if the events after it are no longer in the log.
        """
        return await self._mutate(
            MUTATION_REPLAY_WEBHOOK, {"webhookId": webhook_id, "after": after}, client_mutation_id, ack
        )

    async def rotate_webhook_secret(
        self, *, webhook_id: str, overlap_seconds: int | UnsetType = UNSET, client_mutation_id: str | None = None
    ) -> types.RotateWebhookSecretPayload:
        """Gives a webhook a new secret. During the overlap, each request has a signature by the new secret and one by the old one. A `clientMutationId` is returned but not stored: a repeated mutation creates another secret.

        Needs the scope `webhooks:write`.

        Args:
            webhook_id: The id of the webhook. `NOT_FOUND` if there is none that you may see.
            overlap_seconds: The number of seconds, up to 604,800 (a week), for which requests are signed with the old secret too.
        """
        return await self._mutate(
            MUTATION_ROTATE_WEBHOOK_SECRET,
            {"webhookId": webhook_id, "overlapSeconds": overlap_seconds},
            client_mutation_id,
            None,
        )

    async def remove_webhook(
        self, *, webhook_id: str, ack: Event | None = None, client_mutation_id: str | None = None
    ) -> types.RemoveWebhookPayload:
        """Removes a webhook, its position and its delivery log. A request that is on its way still arrives. Records no event.

        Needs the scope `webhooks:write`.

        Args:
            webhook_id: The id of the webhook. `NOT_FOUND` if there is none that you may see.
        """
        return await self._mutate(MUTATION_REMOVE_WEBHOOK, {"webhookId": webhook_id}, client_mutation_id, ack)

    async def login(self, *, username: str, password: str, client_mutation_id: str | None = None) -> types.LoginPayload:
        """Signs a user in with a password. The session has the permissions of the user's roles.

        `UNAUTHENTICATED` for a wrong password, an unknown username or an inactive user. `RATE_LIMITED`, with `retryAfterSeconds`, after too many attempts. A `clientMutationId` is returned but not stored: a repeated login creates another session.

        Needs no token.

        Args:
            username: The username; case is ignored.
            password: The password.
        """
        return await self._mutate(
            MUTATION_LOGIN, {"username": username, "password": password}, client_mutation_id, None
        )

    async def logout(self, *, client_mutation_id: str | None = None) -> types.LogoutPayload:
        """Ends the session of the token in the request, and its subscriptions. For logged-in users; `FORBIDDEN` for an app.

        Needs a valid token.
        """
        return await self._mutate(MUTATION_LOGOUT, {}, client_mutation_id, None)

    async def create_visitor_session(
        self, *, visitor_token: str, seconds: int | UnsetType = UNSET, client_mutation_id: str | None = None
    ) -> types.CreateVisitorSessionPayload:
        """Creates a token for a visitor's own page, which sees the visitor's rooms and nothing else.

        A visitor has up to 100 sessions; the oldest is ended when another begins. With `seconds: 0`, all sessions of the visitor end, and their websockets are closed. A `clientMutationId` is returned but not stored: a repeated call creates another session.

        Needs the scope `visitors:write`.

        Args:
            visitor_token: The token that identifies the visitor in your application. `NOT_FOUND` if no visitor was saved with it.
            seconds: How long the session lasts, up to 2,592,000 seconds (30 days). 0 ends all sessions of the visitor. Logged-in users need the scope `admin`, except for 0.
        """
        return await self._mutate(
            MUTATION_CREATE_VISITOR_SESSION,
            {"visitorToken": visitor_token, "seconds": seconds},
            client_mutation_id,
            None,
        )

    def room_list_live(
        self,
        *,
        where: inputs.RoomFilter | None = None,
        order_by: inputs.RoomOrder | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> AsyncGenerator[types.RoomListChange, None]:
        """A list of rooms and its changes: first the rooms (PRESENT, in the order of the list, then one READY), then each room that enters the list, changes or leaves it, in the order of the event log.

        The list has the first `first` rooms that match and that you may read. If a room leaves, the next one enters with ENTERED; if a room enters a full list, the last one leaves with LEFT. A new message in a room changes the room if you have the scope `messages:read`. The messages are not sorted by `orderBy`: the client sorts the list.

        `RATE_LIMITED`, also later, if this server has too many different lists and counts. `UNKNOWN_FIELD`, also later, if a custom field of `where` or `orderBy` is removed. `QUERY_TOO_COMPLEX` if the list is too large or would have to sort too many rooms.

        Needs the scope `rooms:read`.
        """
        return self._subscribe(
            SUBSCRIPTION_ROOM_LIST, {"where": where, "orderBy": order_by, "first": first, "after": after}
        )

    def room_counts_live(
        self, *, by: Sequence[enums.RoomGrouping], where: inputs.RoomFilter | None = None
    ) -> AsyncGenerator[types.RoomCounts, None]:
        """The same counts as the query `roomCounts`: immediately, and again when a count has changed, at most twice a second.

        `RATE_LIMITED`, also later, if this server has too many different lists and counts. `UNKNOWN_FIELD`, also later, if a custom field of `where` is removed. `QUERY_TOO_COMPLEX` if there are more than 10,000 groups.

        Needs the scope `rooms:read`.
        """
        return self._subscribe(SUBSCRIPTION_ROOM_COUNTS, {"by": by, "where": where})

    def signals_live(self, *, where: inputs.RoomFilter | None = None) -> AsyncGenerator[types.Signal, None]:
        """The signals of rooms that you may see, from now on, except your own.

        Signals that are sent before the subscription or between two connections are lost. A subscriber that is too slow gets only the last signal of each sender.

        Needs the scope `messages:read`. Open to visitors without a scope, for their own rooms.
        """
        return self._subscribe(SUBSCRIPTION_SIGNALS, {"where": where})


QUERY_VIEWER: Operation[types.Viewer] = Operation(
    "query Viewer { result: viewer { type id name scopes roles visitor { id token name email phone createdAt erasedAt customFields { key value } } user { id username name emails type active presence createdAt updatedAt presenceUntil roles { id name description builtIn scopes } agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } customFields { key value } } app { id name scopes active createdAt lastUsedAt } } }",
    types.Viewer,
)

QUERY_ERROR_CODES: Operation[tuple[types.ErrorCodeInfo, ...]] = Operation(
    "query ErrorCodes { result: errorCodes { code meaning retryable } }", tuple[types.ErrorCodeInfo, ...]
)

QUERY_USER: Operation[types.User | None] = Operation(
    "query User($by: UserBy!) { result: user(by: $by) { id username name emails type active presence createdAt updatedAt presenceUntil roles { id name description builtIn scopes } agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } customFields { key value } } }",
    types.User | None,
)

QUERY_USERS: Operation[types.UserConnection | None] = Operation(
    "query Users($where: UserFilter, $orderBy: UserOrder, $first: Int, $after: Cursor, $last: Int, $before: Cursor) { result: users(where: $where, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) { nodes { id username name emails type active presence createdAt updatedAt presenceUntil roles { id name description builtIn scopes } agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } customFields { key value } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }",
    types.UserConnection | None,
)

QUERY_AGENT: Operation[types.Agent | None] = Operation(
    "query Agent($id: ID!) { result: agent(id: $id) { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } departments { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } } }",
    types.Agent | None,
)

QUERY_AGENTS: Operation[types.AgentConnection | None] = Operation(
    "query Agents($where: UserFilter, $routable: Boolean, $first: Int, $after: Cursor, $last: Int, $before: Cursor) { result: agents(where: $where, routable: $routable, first: $first, after: $after, last: $last, before: $before) { nodes { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } departments { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }",
    types.AgentConnection | None,
)

QUERY_ROLES: Operation[tuple[types.Role, ...] | None] = Operation(
    "query Roles { result: roles { id name description builtIn scopes } }", tuple[types.Role, ...] | None
)

QUERY_DEPARTMENTS: Operation[tuple[types.Department, ...] | None] = Operation(
    "query Departments { result: departments { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } }",
    tuple[types.Department, ...] | None,
)

QUERY_VISITOR: Operation[types.Visitor | None] = Operation(
    "query Visitor($by: VisitorBy!) { result: visitor(by: $by) { id token name email phone createdAt erasedAt customFields { key value } } }",
    types.Visitor | None,
)

QUERY_VISITORS: Operation[types.VisitorConnection | None] = Operation(
    "query Visitors($where: VisitorFilter, $first: Int, $after: Cursor, $last: Int, $before: Cursor) { result: visitors(where: $where, first: $first, after: $after, last: $last, before: $before) { nodes { id token name email phone createdAt erasedAt customFields { key value } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }",
    types.VisitorConnection | None,
)

QUERY_VISITOR_EXPORT: Operation[types.VisitorExportPage | None] = Operation(
    "query VisitorExport($visitorId: ID!, $first: Int, $after: Cursor) { result: visitorExport(visitorId: $visitorId, first: $first, after: $after) { records { kind data } endCursor hasNextPage } }",
    types.VisitorExportPage | None,
)

QUERY_ROOM: Operation[types.Room | None] = Operation(
    "query Room($by: RoomBy!) { result: room(by: $by) { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } }",
    types.Room | None,
)

QUERY_ROOMS: Operation[types.RoomConnection | None] = Operation(
    "query Rooms($where: RoomFilter, $orderBy: RoomOrder, $first: Int, $after: Cursor, $last: Int, $before: Cursor) { result: rooms(where: $where, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) { nodes { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }",
    types.RoomConnection | None,
)

QUERY_ROOM_COUNTS: Operation[types.RoomCounts | None] = Operation(
    "query RoomCounts($by: [RoomGrouping!]!, $where: RoomFilter) { result: roomCounts(by: $by, where: $where) { cursor groups { count status source oldestQueuedAt department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } departments { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } } } } }",
    types.RoomCounts | None,
)

QUERY_EXPLAIN_ROUTING: Operation[types.RoutingExplanation | None] = Operation(
    "query ExplainRouting($roomId: ID!) { result: explainRouting(roomId: $roomId) { method position nextChangeAt summary } }",
    types.RoutingExplanation | None,
)

QUERY_TIMERS: Operation[tuple[types.Timer, ...] | None] = Operation(
    "query Timers($roomId: ID!) { result: timers(roomId: $roomId) { name dueAt data setBy { type id name } } }",
    tuple[types.Timer, ...] | None,
)

QUERY_CUSTOM_FIELD_DEFINITIONS: Operation[tuple[types.CustomFieldDefinition, ...] | None] = Operation(
    "query CustomFieldDefinitions($target: FieldTarget) { result: customFieldDefinitions(target: $target) { id target key type label required unique options pattern } }",
    tuple[types.CustomFieldDefinition, ...] | None,
)

QUERY_CUSTOM_FIELD_REMOVALS: Operation[tuple[types.CustomFieldRemoval, ...] | None] = Operation(
    "query CustomFieldRemovals { result: customFieldRemovals { id target key removedAt purged remaining done } }",
    tuple[types.CustomFieldRemoval, ...] | None,
)

QUERY_EVENT_CURSOR: Operation[str | None] = Operation("query EventCursor { result: eventCursor }", str | None)

QUERY_CONSUMERS: Operation[tuple[types.Consumer, ...] | None] = Operation(
    "query Consumers { result: consumers { name owner { type id name } ackedCursor connected lastSeenAt lag inFlight } }",
    tuple[types.Consumer, ...] | None,
)

QUERY_APPS: Operation[tuple[types.App, ...] | None] = Operation(
    "query Apps { result: apps { id name scopes active createdAt lastUsedAt } }", tuple[types.App, ...] | None
)

QUERY_WEBHOOK: Operation[types.Webhook | None] = Operation(
    "query Webhook($id: ID!) { result: webhook(id: $id) { id name owner { type id name } url query operationName variables state pauseReason pauseMessage pausedAt failingSince failedAttempts nextAttemptAt createdAt updatedAt consumer { name owner { type id name } ackedCursor connected lastSeenAt lag inFlight } } }",
    types.Webhook | None,
)

QUERY_WEBHOOKS: Operation[tuple[types.Webhook, ...] | None] = Operation(
    "query Webhooks { result: webhooks { id name owner { type id name } url query operationName variables state pauseReason pauseMessage pausedAt failingSince failedAttempts nextAttemptAt createdAt updatedAt consumer { name owner { type id name } ackedCursor connected lastSeenAt lag inFlight } } }",
    tuple[types.Webhook, ...] | None,
)

MUTATION_DEFINE_CUSTOM_FIELD: Operation[types.DefineCustomFieldPayload] = Operation(
    "mutation DefineCustomField($input: DefineCustomFieldInput!) { result: defineCustomField(input: $input) { definition { id target key type label required unique options pattern } clientMutationId } }",
    types.DefineCustomFieldPayload,
)

MUTATION_UPDATE_CUSTOM_FIELD: Operation[types.UpdateCustomFieldPayload] = Operation(
    "mutation UpdateCustomField($input: UpdateCustomFieldInput!) { result: updateCustomField(input: $input) { definition { id target key type label required unique options pattern } clientMutationId } }",
    types.UpdateCustomFieldPayload,
)

MUTATION_REMOVE_CUSTOM_FIELD: Operation[types.RemoveCustomFieldPayload] = Operation(
    "mutation RemoveCustomField($input: RemoveCustomFieldInput!) { result: removeCustomField(input: $input) { removedId clientMutationId } }",
    types.RemoveCustomFieldPayload,
)

MUTATION_CREATE_USER: Operation[types.CreateUserPayload] = Operation(
    "mutation CreateUser($input: CreateUserInput!) { result: createUser(input: $input) { user { id username name emails type active presence createdAt updatedAt presenceUntil roles { id name description builtIn scopes } agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } customFields { key value } } clientMutationId } }",
    types.CreateUserPayload,
)

MUTATION_UPDATE_USER: Operation[types.UpdateUserPayload] = Operation(
    "mutation UpdateUser($input: UpdateUserInput!) { result: updateUser(input: $input) { user { id username name emails type active presence createdAt updatedAt presenceUntil roles { id name description builtIn scopes } agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } customFields { key value } } clientMutationId } }",
    types.UpdateUserPayload,
)

MUTATION_SET_USER_ACTIVE: Operation[types.SetUserActivePayload] = Operation(
    "mutation SetUserActive($input: SetUserActiveInput!) { result: setUserActive(input: $input) { user { id username name emails type active presence createdAt updatedAt presenceUntil roles { id name description builtIn scopes } agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } customFields { key value } } clientMutationId } }",
    types.SetUserActivePayload,
)

MUTATION_SET_PRESENCE: Operation[types.SetPresencePayload] = Operation(
    "mutation SetPresence($input: SetPresenceInput!) { result: setPresence(input: $input) { user { id username name emails type active presence createdAt updatedAt presenceUntil roles { id name description builtIn scopes } agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } customFields { key value } } clientMutationId } }",
    types.SetPresencePayload,
)

MUTATION_ADD_ROLES: Operation[types.AddRolesPayload] = Operation(
    "mutation AddRoles($input: AddRolesInput!) { result: addRoles(input: $input) { user { id username name emails type active presence createdAt updatedAt presenceUntil roles { id name description builtIn scopes } agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } customFields { key value } } clientMutationId } }",
    types.AddRolesPayload,
)

MUTATION_REMOVE_ROLES: Operation[types.RemoveRolesPayload] = Operation(
    "mutation RemoveRoles($input: RemoveRolesInput!) { result: removeRoles(input: $input) { user { id username name emails type active presence createdAt updatedAt presenceUntil roles { id name description builtIn scopes } agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } customFields { key value } } clientMutationId } }",
    types.RemoveRolesPayload,
)

MUTATION_CREATE_ROLE: Operation[types.CreateRolePayload] = Operation(
    "mutation CreateRole($input: CreateRoleInput!) { result: createRole(input: $input) { role { id name description builtIn scopes } clientMutationId } }",
    types.CreateRolePayload,
)

MUTATION_UPDATE_ROLE: Operation[types.UpdateRolePayload] = Operation(
    "mutation UpdateRole($input: UpdateRoleInput!) { result: updateRole(input: $input) { role { id name description builtIn scopes } clientMutationId } }",
    types.UpdateRolePayload,
)

MUTATION_ADD_AGENT: Operation[types.AddAgentPayload] = Operation(
    "mutation AddAgent($input: AddAgentInput!) { result: addAgent(input: $input) { agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } departments { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } } added clientMutationId } }",
    types.AddAgentPayload,
)

MUTATION_REMOVE_AGENT: Operation[types.RemoveAgentPayload] = Operation(
    "mutation RemoveAgent($input: RemoveAgentInput!) { result: removeAgent(input: $input) { user { id username name emails type active presence createdAt updatedAt presenceUntil roles { id name description builtIn scopes } agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } customFields { key value } } clientMutationId } }",
    types.RemoveAgentPayload,
)

MUTATION_SET_AGENT_STATUS: Operation[types.SetAgentStatusPayload] = Operation(
    "mutation SetAgentStatus($input: SetAgentStatusInput!) { result: setAgentStatus(input: $input) { agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } departments { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } } clientMutationId } }",
    types.SetAgentStatusPayload,
)

MUTATION_UPDATE_AGENT: Operation[types.UpdateAgentPayload] = Operation(
    "mutation UpdateAgent($input: UpdateAgentInput!) { result: updateAgent(input: $input) { agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } departments { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } } clientMutationId } }",
    types.UpdateAgentPayload,
)

MUTATION_ENSURE_AGENT: Operation[types.EnsureAgentPayload] = Operation(
    "mutation EnsureAgent($input: EnsureAgentInput!) { result: ensureAgent(input: $input) { agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } departments { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } } created clientMutationId } }",
    types.EnsureAgentPayload,
)

MUTATION_CREATE_DEPARTMENT: Operation[types.CreateDepartmentPayload] = Operation(
    "mutation CreateDepartment($input: CreateDepartmentInput!) { result: createDepartment(input: $input) { department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } clientMutationId } }",
    types.CreateDepartmentPayload,
)

MUTATION_UPDATE_DEPARTMENT: Operation[types.UpdateDepartmentPayload] = Operation(
    "mutation UpdateDepartment($input: UpdateDepartmentInput!) { result: updateDepartment(input: $input) { department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } clientMutationId } }",
    types.UpdateDepartmentPayload,
)

MUTATION_SET_DEPARTMENT_AGENTS: Operation[types.SetDepartmentAgentsPayload] = Operation(
    "mutation SetDepartmentAgents($input: SetDepartmentAgentsInput!) { result: setDepartmentAgents(input: $input) { department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } clientMutationId } }",
    types.SetDepartmentAgentsPayload,
)

MUTATION_SAVE_VISITOR: Operation[types.SaveVisitorPayload] = Operation(
    "mutation SaveVisitor($input: SaveVisitorInput!) { result: saveVisitor(input: $input) { visitor { id token name email phone createdAt erasedAt customFields { key value } } clientMutationId } }",
    types.SaveVisitorPayload,
)

MUTATION_ERASE_VISITOR: Operation[types.EraseVisitorPayload] = Operation(
    "mutation EraseVisitor($input: EraseVisitorInput!) { result: eraseVisitor(input: $input) { visitor { id token name email phone createdAt erasedAt customFields { key value } } erasure { requestedAt doneAt roomCount messageCount eventCount } clientMutationId } }",
    types.EraseVisitorPayload,
)

MUTATION_START_ROOM: Operation[types.StartRoomPayload] = Operation(
    "mutation StartRoom($input: StartRoomInput!) { result: startRoom(input: $input) { room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } clientMutationId } }",
    types.StartRoomPayload,
)

MUTATION_ENSURE_ROOM: Operation[types.EnsureRoomPayload] = Operation(
    "mutation EnsureRoom($input: EnsureRoomInput!) { result: ensureRoom(input: $input) { room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } created clientMutationId } }",
    types.EnsureRoomPayload,
)

MUTATION_ASSIGN_AGENT: Operation[types.AssignAgentPayload] = Operation(
    "mutation AssignAgent($input: AssignAgentInput!) { result: assignAgent(input: $input) { room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } clientMutationId } }",
    types.AssignAgentPayload,
)

MUTATION_DECLINE_ROUTING: Operation[types.DeclineRoutingPayload] = Operation(
    "mutation DeclineRouting($input: DeclineRoutingInput!) { result: declineRouting(input: $input) { room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } clientMutationId } }",
    types.DeclineRoutingPayload,
)

MUTATION_TAKE_ROOM: Operation[types.TakeRoomPayload] = Operation(
    "mutation TakeRoom($input: TakeRoomInput!) { result: takeRoom(input: $input) { room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } clientMutationId } }",
    types.TakeRoomPayload,
)

MUTATION_UNASSIGN_AGENT: Operation[types.UnassignAgentPayload] = Operation(
    "mutation UnassignAgent($input: UnassignAgentInput!) { result: unassignAgent(input: $input) { room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } clientMutationId } }",
    types.UnassignAgentPayload,
)

MUTATION_TRANSFER_ROOM: Operation[types.TransferRoomPayload] = Operation(
    "mutation TransferRoom($input: TransferRoomInput!) { result: transferRoom(input: $input) { room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } clientMutationId } }",
    types.TransferRoomPayload,
)

MUTATION_HOLD_ROOM: Operation[types.HoldRoomPayload] = Operation(
    "mutation HoldRoom($input: HoldRoomInput!) { result: holdRoom(input: $input) { room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } clientMutationId } }",
    types.HoldRoomPayload,
)

MUTATION_RESUME_ROOM: Operation[types.ResumeRoomPayload] = Operation(
    "mutation ResumeRoom($input: ResumeRoomInput!) { result: resumeRoom(input: $input) { room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } clientMutationId } }",
    types.ResumeRoomPayload,
)

MUTATION_UPDATE_ROOM: Operation[types.UpdateRoomPayload] = Operation(
    "mutation UpdateRoom($input: UpdateRoomInput!) { result: updateRoom(input: $input) { room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } clientMutationId } }",
    types.UpdateRoomPayload,
)

MUTATION_CLOSE_ROOM: Operation[types.CloseRoomPayload] = Operation(
    "mutation CloseRoom($input: CloseRoomInput!) { result: closeRoom(input: $input) { room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } clientMutationId } }",
    types.CloseRoomPayload,
)

MUTATION_SEND_MESSAGE: Operation[types.SendMessagePayload] = Operation(
    "mutation SendMessage($input: SendMessageInput!) { result: sendMessage(input: $input) { message { id number text sender { type id name } sentAt audience choices { id label url } choice { messageId choiceId label } attachments { name mimeType url bytes } data editedAt redactedAt } clientMutationId } }",
    types.SendMessagePayload,
)

MUTATION_EDIT_MESSAGE: Operation[types.EditMessagePayload] = Operation(
    "mutation EditMessage($input: EditMessageInput!) { result: editMessage(input: $input) { message { id number text sender { type id name } sentAt audience choices { id label url } choice { messageId choiceId label } attachments { name mimeType url bytes } data editedAt redactedAt } clientMutationId } }",
    types.EditMessagePayload,
)

MUTATION_REDACT_MESSAGE: Operation[types.RedactMessagePayload] = Operation(
    "mutation RedactMessage($input: RedactMessageInput!) { result: redactMessage(input: $input) { message { id number text sender { type id name } sentAt audience choices { id label url } choice { messageId choiceId label } attachments { name mimeType url bytes } data editedAt redactedAt } clientMutationId } }",
    types.RedactMessagePayload,
)

MUTATION_SEND_SIGNAL: Operation[types.SendSignalPayload] = Operation(
    "mutation SendSignal($input: SendSignalInput!) { result: sendSignal(input: $input) { sentAt clientMutationId } }",
    types.SendSignalPayload,
)

MUTATION_SET_TIMER: Operation[types.SetTimerPayload] = Operation(
    "mutation SetTimer($input: SetTimerInput!) { result: setTimer(input: $input) { timer { name dueAt data setBy { type id name } } clientMutationId } }",
    types.SetTimerPayload,
)

MUTATION_CANCEL_TIMER: Operation[types.CancelTimerPayload] = Operation(
    "mutation CancelTimer($input: CancelTimerInput!) { result: cancelTimer(input: $input) { cancelled clientMutationId } }",
    types.CancelTimerPayload,
)

MUTATION_SET_APP_DATA: Operation[types.SetAppDataPayload] = Operation(
    "mutation SetAppData($input: SetAppDataInput!) { result: setAppData(input: $input) { datum { key value version updatedAt } clientMutationId } }",
    types.SetAppDataPayload,
)

MUTATION_ACK_EVENTS: Operation[types.AckEventsPayload] = Operation(
    "mutation AckEvents($input: AckEventsInput!) { result: ackEvents(input: $input) { consumer { name owner { type id name } ackedCursor connected lastSeenAt lag inFlight } clientMutationId } }",
    types.AckEventsPayload,
)

MUTATION_REMOVE_CONSUMER: Operation[types.RemoveConsumerPayload] = Operation(
    "mutation RemoveConsumer($input: RemoveConsumerInput!) { result: removeConsumer(input: $input) { removedName clientMutationId } }",
    types.RemoveConsumerPayload,
)

MUTATION_CREATE_APP: Operation[types.CreateAppPayload] = Operation(
    "mutation CreateApp($input: CreateAppInput!) { result: createApp(input: $input) { app { id name scopes active createdAt lastUsedAt } token clientMutationId } }",
    types.CreateAppPayload,
    repeatable=False,
)

MUTATION_ROTATE_APP_TOKEN: Operation[types.RotateAppTokenPayload] = Operation(
    "mutation RotateAppToken($input: RotateAppTokenInput!) { result: rotateAppToken(input: $input) { app { id name scopes active createdAt lastUsedAt } token clientMutationId } }",
    types.RotateAppTokenPayload,
    repeatable=False,
)

MUTATION_REVOKE_APP: Operation[types.RevokeAppPayload] = Operation(
    "mutation RevokeApp($input: RevokeAppInput!) { result: revokeApp(input: $input) { app { id name scopes active createdAt lastUsedAt } clientMutationId } }",
    types.RevokeAppPayload,
)

MUTATION_CREATE_WEBHOOK: Operation[types.CreateWebhookPayload] = Operation(
    "mutation CreateWebhook($input: CreateWebhookInput!) { result: createWebhook(input: $input) { webhook { id name owner { type id name } url query operationName variables state pauseReason pauseMessage pausedAt failingSince failedAttempts nextAttemptAt createdAt updatedAt consumer { name owner { type id name } ackedCursor connected lastSeenAt lag inFlight } } secret clientMutationId } }",
    types.CreateWebhookPayload,
)

MUTATION_UPDATE_WEBHOOK: Operation[types.UpdateWebhookPayload] = Operation(
    "mutation UpdateWebhook($input: UpdateWebhookInput!) { result: updateWebhook(input: $input) { webhook { id name owner { type id name } url query operationName variables state pauseReason pauseMessage pausedAt failingSince failedAttempts nextAttemptAt createdAt updatedAt consumer { name owner { type id name } ackedCursor connected lastSeenAt lag inFlight } } clientMutationId } }",
    types.UpdateWebhookPayload,
)

MUTATION_REPLAY_WEBHOOK: Operation[types.ReplayWebhookPayload] = Operation(
    "mutation ReplayWebhook($input: ReplayWebhookInput!) { result: replayWebhook(input: $input) { webhook { id name owner { type id name } url query operationName variables state pauseReason pauseMessage pausedAt failingSince failedAttempts nextAttemptAt createdAt updatedAt consumer { name owner { type id name } ackedCursor connected lastSeenAt lag inFlight } } clientMutationId } }",
    types.ReplayWebhookPayload,
)

MUTATION_ROTATE_WEBHOOK_SECRET: Operation[types.RotateWebhookSecretPayload] = Operation(
    "mutation RotateWebhookSecret($input: RotateWebhookSecretInput!) { result: rotateWebhookSecret(input: $input) { webhook { id name owner { type id name } url query operationName variables state pauseReason pauseMessage pausedAt failingSince failedAttempts nextAttemptAt createdAt updatedAt consumer { name owner { type id name } ackedCursor connected lastSeenAt lag inFlight } } secret clientMutationId } }",
    types.RotateWebhookSecretPayload,
)

MUTATION_REMOVE_WEBHOOK: Operation[types.RemoveWebhookPayload] = Operation(
    "mutation RemoveWebhook($input: RemoveWebhookInput!) { result: removeWebhook(input: $input) { removedId clientMutationId } }",
    types.RemoveWebhookPayload,
)

MUTATION_LOGIN: Operation[types.LoginPayload] = Operation(
    "mutation Login($input: LoginInput!) { result: login(input: $input) { token expiresAt user { id username name emails type active presence createdAt updatedAt presenceUntil roles { id name description builtIn scopes } agent { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } customFields { key value } } clientMutationId } }",
    types.LoginPayload,
    repeatable=False,
)

MUTATION_LOGOUT: Operation[types.LogoutPayload] = Operation(
    "mutation Logout($input: LogoutInput!) { result: logout(input: $input) { loggedOut clientMutationId } }",
    types.LogoutPayload,
)

MUTATION_CREATE_VISITOR_SESSION: Operation[types.CreateVisitorSessionPayload] = Operation(
    "mutation CreateVisitorSession($input: CreateVisitorSessionInput!) { result: createVisitorSession(input: $input) { token expiresAt visitor { id token name email phone createdAt erasedAt customFields { key value } } clientMutationId } }",
    types.CreateVisitorSessionPayload,
    repeatable=False,
)

SUBSCRIPTION_ROOM_LIST: Operation[types.RoomListChange] = Operation(
    "subscription RoomList($where: RoomFilter, $orderBy: RoomOrder, $first: Int! = 50, $after: Cursor) { result: roomList(where: $where, orderBy: $orderBy, first: $first, after: $after) { cursor change room { id status revision source subject tags priority startedAt assignedAt queuedAt externalUntil closedAt closeComment lastMessageAt visitor { id token name email phone createdAt erasedAt customFields { key value } } department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } } agentFilter agentFilterUntil customFields { key value } } roomId } }",
    types.RoomListChange,
    resumable=True,
)

SUBSCRIPTION_ROOM_COUNTS: Operation[types.RoomCounts] = Operation(
    "subscription RoomCounts($by: [RoomGrouping!]!, $where: RoomFilter) { result: roomCounts(by: $by, where: $where) { cursor groups { count status source oldestQueuedAt department { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } servedBy { id status acceptsRouting maxRooms openRoomCount lastAssignedAt userId routable user { id username name emails type active presence createdAt updatedAt presenceUntil customFields { key value } } departments { id name enabled routing externalTimeoutSeconds fallbackRouting whenAgentGone agentGoneAfterSeconds } } } } }",
    types.RoomCounts,
)

SUBSCRIPTION_SIGNALS: Operation[types.Signal] = Operation(
    "subscription Signals($where: RoomFilter) { result: signals(where: $where) { kind roomId sender { type id name } messageId data sentAt } }",
    types.Signal,
)
