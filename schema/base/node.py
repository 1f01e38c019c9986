"""The interface of everything that has an id; how one is found by its id is in schema/nodes.py."""

import strawberry

from schema.base.fields import api_interface


@api_interface
class Node:
    """Anything with an id.

    Ids are opaque and unique over all types. Each begins with a word for its kind: `usr_`, `agt_`, `rol_`, `dep_`,
    `vis_`, `room_`, `msg_`, `fld_`, `app_` or `evt_`. An agent has an id of its own; wherever an agent is named, the id
    of its user is taken too, and the other way round. An id of another kind than expected is `INVALID_INPUT`.
    """

    id: strawberry.ID
    """Its id, unique over all types. Never changes."""
