"""The interface of all types with an id. The queries by id are in schema/nodes.py."""

import strawberry

from schema.base.fields import api_interface


@api_interface
class Node:
    """An object with an id.

    Ids are opaque and unique over all types. Each begins with a prefix for its type: `usr_`, `agt_`, `rol_`, `dep_`,
    `vis_`, `room_`, `msg_`, `fld_`, `app_`, `evt_` or `whk_`. An agent has another id than its user; inputs that expect
    one of them accept both. An id of another type than expected is refused with `INVALID_INPUT`.
    """

    id: strawberry.ID
    """The id, unique over all types. It never changes."""
