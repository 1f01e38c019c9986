"""Tests for storage/entity_cache.py: equal bytes are decoded once, and what they mean never outlives a definition."""

import asyncio

import bson

from resolvers import users
from resolvers.custom_fields.definitions import define_custom_field, remove_custom_field
from resolvers.custom_fields.values import FieldAssignment
from storage.entity_cache import MAX_DERIVED, MAX_RENDERED, CachedEntity, EntityCache, Rendering
from storage.mongo import stored_documents
from storage.records import FieldTarget, FieldType
from tests.resolvers.world import World


def test_batch_is_split_into_its_documents() -> None:
    documents: list[dict[str, object]] = [{"_id": "a", "n": 1}, {"_id": "b", "text": "é" * 300}, {}]
    batch = b"".join(bson.encode(one) for one in documents)
    assert [stored_documents.decode(one) for one in stored_documents.split(batch)] == documents


def test_entity_of_another_revision_of_the_definitions_is_not_returned() -> None:
    cache = EntityCache()
    cached = CachedEntity("entity", revision=1)
    cache.put("users", b"bytes", cached)
    assert cache.get("users", b"bytes", 1) is cached
    assert cache.get("users", b"bytes", 2) is None
    assert cache.get("rooms", b"bytes", 1) is None


def test_least_recently_used_entity_is_evicted_when_the_budget_is_exceeded() -> None:
    cache = EntityCache(budget=20)
    for stored in (b"a" * 10, b"b" * 10):
        cache.put("users", stored, CachedEntity(stored, revision=0))
    cache.get("users", b"a" * 10, 0)
    cache.put("users", b"c" * 10, CachedEntity(b"c", revision=0))
    assert cache.get("users", b"b" * 10, 0) is None
    assert cache.get("users", b"a" * 10, 0) is not None
    assert (len(cache), cache.bytes) == (2, 20)


def test_replaced_entry_counts_once() -> None:
    cache = EntityCache()
    for revision in range(3):
        cache.put("users", b"bytes", CachedEntity("entity", revision))
    assert (len(cache), cache.bytes) == (1, 5)


def test_values_computed_from_a_document_are_bounded() -> None:
    cached = CachedEntity("entity", revision=0)
    for number in range(10 * MAX_DERIVED):
        cached.add(str(number), number)
    assert len(cached.derived) <= MAX_DERIVED


async def test_lists_share_an_unchanged_user_and_show_a_changed_one(world: World) -> None:
    user = await users.create_user(world.context, username="ada", name="Ada")
    (first,) = [one for one in (await users.list_users(world.context)).items if one.id == user.id]
    (again,) = [one for one in (await users.list_users(world.context)).items if one.id == user.id]
    assert again is first
    await users.update_user(world.context, user_id=user.id, name="Countess")
    (changed,) = [one for one in (await users.list_users(world.context)).items if one.id == user.id]
    assert (first.name, changed.name) == ("Ada", "Countess")


async def test_removed_field_leaves_the_lists_although_the_stored_user_is_unchanged(world: World) -> None:
    definition = await define_custom_field(
        world.context, target=FieldTarget.USER, key="level", type=FieldType.NUMBER, unique=True
    )
    await users.create_user(world.context, username="ada", custom_fields=[FieldAssignment(key="level", value=3)])
    found = await asyncio.gather(*(users.find_user(world.context, username="ada") for _ in range(3)))
    assert [one and one.custom_fields for one in found] == [{"level": 3}] * 3
    await remove_custom_field(world.context, id=definition.id)
    found_later = await users.find_user(world.context, username="ada")
    assert found_later is not None
    assert found_later.custom_fields == {}


def test_renderings_count_and_end_with_their_entity() -> None:
    cache = EntityCache(budget=100)
    cached = CachedEntity("entity", revision=0)
    cached.render(1, Rendering(0, b"x", 10))
    assert cached.rendered == {}  # it is not in a cache

    cache.put("users", b"a" * 10, cached)
    cached.render(1, Rendering(0, b"x", 30))
    cached.render(1, Rendering(1, b"y", 40))
    assert (cached.rendered, cache.bytes) == ({1: Rendering(1, b"y", 40)}, 50)

    cache.put("users", b"b" * 60, CachedEntity("other", revision=0))
    assert (len(cache), cache.bytes, cached.cache) == (1, 60, None)


def test_renderings_of_an_entity_are_bounded() -> None:
    cache = EntityCache()
    cached = CachedEntity("entity", revision=0)
    cache.put("users", b"stored", cached)
    for number in range(MAX_RENDERED + 1):
        cached.render(number, Rendering(0, b"x", 1))

    assert list(cached.rendered) == list(range(1, MAX_RENDERED + 1))
    assert cache.bytes == len(b"stored") + MAX_RENDERED


def test_nothing_is_rendered_of_entities_that_were_cleared() -> None:
    cache = EntityCache()
    cached = CachedEntity("entity", revision=0)
    cache.put("users", b"stored", cached)
    cache.clear()
    cached.render(1, Rendering(0, b"x", 1))

    assert (len(cache), cache.bytes, cached.rendered) == (0, 0, {})
