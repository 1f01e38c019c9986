"""What comes out of MongoDB is what went in, down to its type: JSON, and the filters in memory, know no other."""

import pytest

from storage.database import Database


@pytest.mark.parametrize("number", [1, 2**31, -(2**31) - 1, 2**53 - 1, 1.5, 1e18])
async def test_numbers_come_back_as_they_were(mongodb_uri: str, empty_database: str, number: float) -> None:
    async with Database(mongodb_uri, empty_database) as database:
        await database["users"].insert_one({"_id": "one", "held": {"in": [number]}})

        found = await database["users"].find_one({"_id": "one"})

    assert found == {"_id": "one", "held": {"in": [number]}}
    assert type(found["held"]["in"][0]) is type(number)
