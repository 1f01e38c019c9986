"""A visitor's operation makes the same round trips for what others have and for what does not exist: the time does not
show which of both it is."""

from typing import Any

from resolvers import apps
from resolvers.services import create_services
from schema.base import ids
from storage.runtime import Storage
from tests.databases import emptied
from tests.resolvers.visitor_client import Page, message_id, mutation, note, page_of, room_id, room_of, said
from tests.resolvers.world import World
from tests.server.test_round_trips import RoundTrips


async def trips_of(page: Page, trips: RoundTrips, document: str, variables: dict[str, Any]) -> list[str]:
    trips.seen.clear()
    answer = await page.answer(document, **variables)
    assert answer.errors or set((answer.data or {}).values()) == {None}
    return [*trips.seen]


async def test_hidden_and_unknown_objects_take_the_same_round_trips(mongodb_uri: str) -> None:
    trips = RoundTrips()
    async with Storage.open(mongodb_uri, emptied(mongodb_uri, "test-visitor-trips"), listeners=[trips]) as storage:
        await apps.ensure_admin(storage, None)
        world = World(create_services(storage))
        page, foreign, own = await page_of(world), await room_of(world, "w"), await room_of(world, "v")
        unknown_room, unknown_message = f"{room_id(foreign)[:-1]}~", str(ids.MESSAGE.format(own.id))
        theirs, hidden = message_id(await said(world, foreign, "theirs")), message_id(await note(world, own, "hush"))
        node = "query($id: ID!) { node(id: $id) { id } }"
        room = "query($id: ID!) { room(by: {id: $id}) { id } }"

        ways: list[tuple[str, dict[str, Any]]] = []
        rooms, messages = (room_id(foreign), unknown_room), (theirs, hidden, unknown_message)
        ways += [(document, {"id": one}) for document in (node, room) for one in rooms]
        for name, given in (("sendMessage", {"text": "Hi"}), ("closeRoom", {}), ("sendSignal", {"kind": "TYPING"})):
            ways += [(mutation(name, "clientMutationId"), {"input": {"roomId": one, **given}}) for one in rooms]
        pairs = len(ways)
        ways += [(node, {"id": one}) for one in messages]
        for name, key, named in (
            ("editMessage", "messageId", {"text": "Hi"}),
            ("redactMessage", "messageId", {}),
            ("sendMessage", "inReplyTo", {"roomId": room_id(own), "text": "Hi"}),
        ):
            ways += [(mutation(name, "clientMutationId"), {"input": {key: one, **named}}) for one in messages]

        taken = [await trips_of(page, trips, *way) for way in ways]

    assert taken[0:pairs:2] == taken[1:pairs:2]
    assert taken[pairs::3] == taken[pairs + 1 :: 3] == taken[pairs + 2 :: 3]
    assert all(taken)
