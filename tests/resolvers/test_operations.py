"""Mutations that are repeated with the same clientMutationId take effect once, in any process."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from resolvers import rooms, users, visitors
from resolvers.context import Context
from resolvers.operations import Mutation, MutationContext, mutation, query
from storage.errors import IdempotencyMismatch, NotFound, UsernameTaken
from storage.facts import AnyFact
from storage.records import Actor, ActorType, UserType
from tests.resolvers.processes import TwoContexts, two_processes
from tests.storage.support import KilledAppender, create_temporary_index, read_while_index_is_dropped


@pytest.fixture
async def contexts(mongodb_uri: str) -> AsyncIterator[TwoContexts]:
    async with two_processes(mongodb_uri, "test-operations") as contexts:
        yield contexts


async def facts_after(context: Context, after: int) -> list[AnyFact]:
    await context.storage.sweeps.sweep()
    return await context.storage.log.read(after, 10_000)


async def test_mutation_repeated_in_another_process_returns_the_first_answer(contexts: TwoContexts) -> None:
    here, elsewhere = contexts
    head = await here.storage.log.head()
    first = await visitors.save_visitor(here.mutation("m"), token="v", name="Ada")

    again = await visitors.save_visitor(elsewhere.mutation("m"), token="v", name="Ada")

    assert again == first
    facts = await facts_after(here, head)
    assert [(fact.subject_id, fact.client_mutation_id) for fact in facts] == [(first.id, "m")]


async def test_repeated_mutation_returns_its_first_answer(contexts: TwoContexts) -> None:
    here, elsewhere = contexts
    first = await visitors.save_visitor(here.mutation("m"), token="v", name="Ada")
    await visitors.save_visitor(elsewhere, token="v", name="Grace")

    assert await visitors.save_visitor(elsewhere.mutation("m"), token="v", name="Ada") == first

    now = await visitors.save_visitor(elsewhere, token="v")
    assert now.name == "Grace"


async def test_concurrent_copies_of_a_mutation_take_effect_once(contexts: TwoContexts) -> None:
    await visitors.save_visitor(contexts[0], token="v")
    head = await contexts[0].storage.log.head()

    answers = await asyncio.gather(
        *(rooms.start_room(contexts[number % 2].mutation("m"), visitor_token="v") for number in range(12))
    )

    assert len({room.id for room in answers}) == 1
    assert answers.count(answers[0]) == 12
    facts = await facts_after(contexts[0], head)
    assert Counter(fact.client_mutation_id for fact in facts) == {"m": 2}  # started, queued


async def test_mutation_whose_process_died_before_it_answered_took_effect_once(contexts: TwoContexts) -> None:
    dying, living = contexts
    head = await living.storage.log.head()
    storage = dying.storage
    storage.transactions._appender = KilledAppender(storage.database, storage.feed.publish)
    await visitors.save_visitor(dying.mutation("m"), token="v", name="Ada")

    again = await visitors.save_visitor(living.mutation("m"), token="v", name="Ada")

    assert again.name == "Ada"
    assert [fact.client_mutation_id for fact in await facts_after(living, head)] == ["m"]


async def test_same_id_with_other_arguments_is_a_mismatch(contexts: TwoContexts) -> None:
    here, elsewhere = contexts
    await visitors.save_visitor(here.mutation("m"), token="v", name="Ada")
    head = await here.storage.log.head()

    with pytest.raises(IdempotencyMismatch):
        await visitors.save_visitor(elsewhere.mutation("m"), token="v", name="Grace")

    assert (await visitors.save_visitor(here, token="v")).name == "Ada"
    assert await facts_after(here, head) == []


async def test_same_id_with_another_password_is_a_mismatch_and_no_password_is_stored(contexts: TwoContexts) -> None:
    here, elsewhere = contexts
    user = await users.create_user(here, username="ada", type=UserType.USER)
    first = await users.update_user(here.mutation("m"), user_id=user.id, password="first password")
    head = await here.storage.log.head()

    again = await users.update_user(elsewhere.mutation("m"), user_id=user.id, password="first password")
    for other in ("other password", None):
        with pytest.raises(IdempotencyMismatch):
            await users.update_user(elsewhere.mutation("m"), user_id=user.id, password=other)

    assert again == first
    assert await facts_after(here, head) == []
    (kept,) = await here.storage.database["idempotency"].find({}).to_list(None)
    assert "first password" not in repr(kept)


async def test_same_id_with_another_operation_is_a_mismatch(contexts: TwoContexts) -> None:
    here, _ = contexts
    await visitors.save_visitor(here.mutation("m"), token="v")
    head = await here.storage.log.head()

    with pytest.raises(IdempotencyMismatch):
        await rooms.start_room(here.mutation("m"), visitor_token="v")

    assert await facts_after(here, head) == []


async def test_another_actor_may_use_the_same_id(contexts: TwoContexts) -> None:
    here, elsewhere = contexts
    other = Actor(type=ActorType.APP, id="other", name="Other")
    stranger = replace(elsewhere, caller=replace(elsewhere.caller, actor=other))

    ours = await visitors.save_visitor(here.mutation("m"), token="ours")
    theirs = await visitors.save_visitor(stranger.mutation("m"), token="theirs")

    assert (ours.token, theirs.token) == ("ours", "theirs")


async def test_refusals_are_not_recorded(contexts: TwoContexts) -> None:
    here, elsewhere = contexts
    with pytest.raises(NotFound):
        await rooms.start_room(here.mutation("m"), visitor_token="v")
    await visitors.save_visitor(here, token="v")

    room = await rooms.start_room(elsewhere.mutation("m"), visitor_token="v")

    assert room.revision == 2


async def test_refused_mutation_changes_nothing_and_records_no_fact(contexts: TwoContexts) -> None:
    here, _ = contexts
    await users.create_user(here, username="ada", type=UserType.USER)
    head = await here.storage.log.head()

    with pytest.raises(UsernameTaken):
        await users.create_user(here.mutation("m"), username="Ada", type=UserType.USER)

    assert await facts_after(here, head) == []
    assert await here.storage.database["users"].count_documents({}) == 1
    assert await here.storage.database["idempotency"].count_documents({}) == 0


async def test_recorded_answer_expires_after_a_day(contexts: TwoContexts) -> None:
    here, _ = contexts

    indexes = await here.storage.database["idempotency"].index_information()

    assert indexes["age"]["expireAfterSeconds"] == 24 * 60 * 60


async def test_query_whose_index_is_dropped_while_it_reads_reads_again(contexts: TwoContexts) -> None:
    here, _ = contexts
    await create_temporary_index(here.storage, [1, 2, 3])
    attempts: list[int] = []

    @query()
    async def read(context: Context) -> list[int]:
        return await read_while_index_is_dropped(context.reader, attempts)

    assert (await read(here), attempts) == ([1, 2, 3], [1, 2])


async def test_mutation_can_be_repeated_in_a_version_with_one_more_argument(contexts: TwoContexts) -> None:
    here, elsewhere = contexts
    before, after = _before(), _after()
    first = await before(here.mutation("m"), name="ada")

    assert await after(elsewhere.mutation("m"), name="ada", added=None) == first == "ada"
    with pytest.raises(IdempotencyMismatch):
        await after(elsewhere.mutation("m"), name="ada", added="given")


def _before() -> Mutation[..., str]:
    @mutation()
    async def act(change: MutationContext, *, name: str) -> str:
        return name

    return act


def _after() -> Mutation[..., str]:
    @mutation()
    async def act(change: MutationContext, *, name: str, added: str | None = None) -> str:
        return f"again {name}"

    return act
