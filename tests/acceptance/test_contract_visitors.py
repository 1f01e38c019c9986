"""A visitor's token over HTTP and websockets: it opens the visitor's own rooms and nothing else."""

from tests.acceptance.clients import Client


def page(admin: Client, visitor: str, **given: int) -> Client:
    """A client with the token of a new session."""
    session = admin.change("createVisitorSession", "token expiresAt visitor { token }", visitorToken=visitor, **given)
    assert session["visitor"] == {"token": visitor}
    return Client(admin.http, admin.url, session["token"])


def test_a_visitor_holds_a_conversation_with_its_token(admin: Client) -> None:
    visitor, agent = admin.visitor(name="Vera"), admin.agent(name="Nina")
    vera = page(admin, visitor)
    room = vera.change("startRoom", "room { id status priority tags }", departmentId=admin.department())["room"]
    assert room == {"id": room["id"], "status": "QUEUED", "priority": 0, "tags": []}

    head = vera.head()
    with vera.socket() as socket:
        socket.follow("after", "type ... on MessageSent { message { text sender { type name } } }", after=head)
        admin.change("assignAgent", roomId=room["id"], agentId=agent)
        admin.change("sendMessage", roomId=room["id"], text="secret", audience="STAFF")
        admin.change("sendMessage", roomId=room["id"], text="Hello", **{"as": {"userId": agent}})
        vera.change("sendMessage", roomId=room["id"], text="Hi")

        assert socket.next() == {"type": "AGENT_ASSIGNED"}
        assert socket.next() == {
            "type": "MESSAGE_SENT",
            "message": {"text": "Hello", "sender": {"type": "USER", "name": None}},
        }
        sent = {"text": "Hi", "sender": {"type": "VISITOR", "name": "Vera"}}
        assert socket.next() == {"type": "MESSAGE_SENT", "message": sent}

        admin.change("createVisitorSession", visitorToken=visitor, seconds=0)
        assert socket.close_code() == 4403
    assert vera.query_refusal("{ viewer { id } }") == {"code": "UNAUTHENTICATED"}


def test_rooms_of_others_and_hidden_fields_are_closed_to_a_visitor(admin: Client) -> None:
    vera, department = page(admin, admin.visitor()), admin.department()
    foreign = admin.start(department)["id"]

    assert vera.ask("query($id: ID!) { room(by: {id: $id}) { id } node(id: $id) { id } }", id=foreign) == {
        "room": None,
        "node": None,
    }
    assert vera.ask("{ rooms { totalCount } }") == {"rooms": {"totalCount": 0}}
    assert vera.refusal("sendMessage", roomId=foreign, text="x") == {"code": "NOT_FOUND", "key": "roomId"}
    assert vera.refusal("startRoom", priority=1) == {"code": "FORBIDDEN", "key": "priority"}
    assert vera.refusal("closeRoom", "room { servedBy { status } }", roomId=foreign) == {
        "code": "FORBIDDEN",
        "key": "closeRoom.room.servedBy.status",
    }
    assert vera.query_refusal("{ visitors { totalCount } }") == {"code": "FORBIDDEN"}
    assert vera.refusal("setAppData", of={"app": True}, key="k", value=1) == {"code": "FORBIDDEN"}
    assert vera.refusal("ensureRoom", by={"key": "k", "value": "v"}, visitor={"token": "v"}) == {"code": "FORBIDDEN"}
    assert vera.query_refusal('{ rooms(where: {hasTags: ["x"]}) { totalCount } }') == {
        "code": "FORBIDDEN",
        "key": "where.hasTags",
    }
    with vera.socket() as socket:
        socket.follow("consumer", "id", consumer="mine")
        assert socket.refusal() == {"code": "FORBIDDEN", "key": "consumer"}
    assert admin.refusal("createVisitorSession", visitorToken="nobody") == {"code": "NOT_FOUND", "key": "visitorToken"}


def test_a_visitor_is_exported_and_erased_over_http(admin: Client) -> None:
    token = admin.visitor(name="Vera Vermeer")
    session = page(admin, token)
    visitor = admin.ask("query($token: String!) { visitor(by: {token: $token}) { id } }", token=token)["visitor"]["id"]
    room = session.change("startRoom", "room { id }", departmentId=admin.department())["room"]["id"]
    export = (
        "query($id: ID!) { visitorExport(visitorId: $id, first: 1) { records { kind data } hasNextPage endCursor } }"
    )
    exported = admin.ask(export, id=visitor)["visitorExport"]
    assert exported["hasNextPage"]
    assert [(one["kind"], one["data"]["name"]) for one in exported["records"]] == [("VISITOR", "Vera Vermeer")]

    payload = admin.change("eraseVisitor", "visitor { id name erasedAt } erasure { requestedAt }", visitorId=visitor)

    erased_at = payload["erasure"]["requestedAt"]
    assert payload["visitor"] == {"id": visitor, "name": None, "erasedAt": erased_at}
    assert session.query_refusal("{ viewer { id } }") == {"code": "UNAUTHENTICATED"}
    query = "query($id: ID!) { room(by: {id: $id}) { visitor { id name erasedAt } } }"
    assert admin.ask(query, id=room)["room"]["visitor"] == payload["visitor"]
    assert admin.refusal("eraseVisitor", visitorId="vis_none") == {"code": "NOT_FOUND", "key": "visitorId"}
