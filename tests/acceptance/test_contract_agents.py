"""The contract of agents: which agents routing assigns rooms to, which it skips, and when presence ends."""

from tests.acceptance.clients import Client, new

PASSED_OVER = "room { status passedOver { id } servedBy { id } }"


def test_agents_accept_routing_by_default(admin: Client) -> None:
    user = admin.user()
    key = admin.field("USER", "TEXT", unique=True)
    selection = "agent { acceptsRouting }"

    added = admin.change("addAgent", selection, userId=user)
    changed = admin.change("updateAgent", selection, agentId=user, acceptsRouting=False)
    by = {"key": key, "value": "E-1"}
    made = admin.change("ensureAgent", selection, by=by, username=new("e"), acceptsRouting=False)

    assert [one["agent"]["acceptsRouting"] for one in (added, changed, made)] == [True, False, False]


def test_routing_assigns_only_to_agents_that_accept_it(admin: Client) -> None:
    department = admin.department("LEAST_LOADED")
    agent = admin.agent(department)
    admin.change("updateAgent", agentId=agent, acceptsRouting=False)

    room = admin.start(department)
    assert (room["status"], room["servedBy"]) == ("QUEUED", None)
    assigned = admin.change("assignAgent", "room { servedBy { id } }", roomId=room["id"], agentId=agent)

    assert assigned["room"]["servedBy"]["id"] == agent


def test_room_skips_its_last_agent_until_another_has_served_it(admin: Client) -> None:
    department = admin.department("LEAST_LOADED")
    first = admin.agent(department)
    room = admin.start(department)
    assert room["servedBy"]["id"] == first

    taken = admin.change("unassignAgent", PASSED_OVER, roomId=room["id"])["room"]
    assert taken == {"status": "QUEUED", "passedOver": [{"id": first}], "servedBy": None}
    second = admin.agent()
    given = admin.change("assignAgent", PASSED_OVER, roomId=room["id"], agentId=second)["room"]
    assert given == {"status": "ASSIGNED", "passedOver": [], "servedBy": {"id": second}}

    again = admin.change("unassignAgent", PASSED_OVER, roomId=room["id"])["room"]
    assert again == {"status": "ASSIGNED", "passedOver": [], "servedBy": {"id": first}}


def test_logout_ends_presence(admin: Client) -> None:
    agent = admin.agent(presence="OFFLINE")
    session = admin.logged_in(agent)
    selection = "user { presence presenceUntil agent { routable } }"
    there = session.change("setPresence", selection, userId=agent, presence="ONLINE")["user"]
    assert there == {"presence": "ONLINE", "presenceUntil": None, "agent": {"routable": True}}
    head = admin.head()

    session.change("logout")

    after = admin.ask(f"query ($id: ID!) {{ {selection.replace('user', 'user(by: {id: $id})', 1)} }}", id=agent)["user"]
    assert after == {"presence": "OFFLINE", "presenceUntil": None, "agent": {"routable": False}}
    (event,) = admin.since(head, "type actor { id }")
    assert event == {"type": "USER_PRESENCE_CHANGED", "actor": {"id": agent.replace("agt_", "usr_")}}


def test_presence_lasts_until_the_lease_expires(admin: Client) -> None:
    agent = admin.agent(presence="OFFLINE")
    selection = "user { presence presenceUntil }"

    leased = admin.change("setPresence", selection, userId=agent, presence="ONLINE", leaseSeconds=3_600)["user"]
    refusal = admin.refusal("setPresence", userId=agent, presence="ONLINE", leaseSeconds=0)

    assert (leased["presence"], leased["presenceUntil"][-1]) == ("ONLINE", "Z")
    assert (refusal["code"], refusal["key"]) == ("INVALID_INPUT", "leaseSeconds")
