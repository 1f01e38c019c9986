"""Recent entities are kept by version and by revision of the definitions, within a budget."""

from storage.recent_entities import RecentEntities
from storage.records import Actor, ActorType
from storage.sizes import size_of

ENTITY = Actor(type=ActorType.APP, id="app", name="x" * 100)


def keys(recent: RecentEntities) -> set[str]:
    return {key for key in "abc" if recent.get("kind", key, revision=1) is not None}


def test_an_entity_of_another_revision_of_the_definitions_is_not_used() -> None:
    recent = RecentEntities()
    recent.put("kind", "a", ENTITY, version=1, revision=1)

    assert recent.get("kind", "a", revision=1) is ENTITY
    assert recent.get("kind", "a", revision=2) is None
    assert recent.get("other", "a", revision=1) is None


def test_an_older_version_does_not_replace_a_newer_one() -> None:
    recent = RecentEntities()
    recent.put("kind", "a", "new", version=2, revision=1)

    recent.put("kind", "a", "old", version=1, revision=1)

    assert recent.get("kind", "a", revision=1) == "new"


def test_an_entity_is_removed_when_a_newer_version_exists() -> None:
    recent = RecentEntities()
    recent.put("kind", "a", ENTITY, version=2, revision=1)

    recent.drop_older("kind", "a", 2)
    assert keys(recent) == {"a"}

    recent.drop_older("kind", "a", 3)
    assert (keys(recent), recent.bytes) == (set(), 0)


def test_the_least_recently_used_are_evicted() -> None:
    recent = RecentEntities(budget=2 * size_of(ENTITY))
    for key in "ab":
        recent.put("kind", key, ENTITY, version=1, revision=1)
    recent.get("kind", "a", revision=1)

    recent.put("kind", "c", ENTITY, version=1, revision=1)

    assert keys(recent) == {"a", "c"}
    assert recent.bytes == 2 * size_of(ENTITY)


def test_nothing_stays_after_an_erasure() -> None:
    recent = RecentEntities()
    recent.put("kind", "a", ENTITY, version=1, revision=1)

    recent.clear()

    assert (len(recent), recent.bytes) == (0, 0)
