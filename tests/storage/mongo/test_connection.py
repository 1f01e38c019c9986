"""What comes out of MongoDB is what went in, down to its type: JSON, and the filters in memory, know no other.

And which of its errors may pass.
"""

from datetime import UTC, datetime, timedelta

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo.errors import AutoReconnect, ConfigurationError, DuplicateKeyError, OperationFailure, PyMongoError

from storage.embedded.preflight import verify_deployment
from storage.mongo.connection import CODEC, Database, is_transient

FIRST_DATE, LAST_DATE = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@pytest.mark.parametrize("number", [1, 2**31, -(2**31) - 1, 2**53 - 1, 1.5, 1e18])
async def test_numbers_come_back_as_they_were(mongodb_uri: str, empty_database: str, number: float) -> None:
    async with Database(mongodb_uri, empty_database) as database:
        await database["users"].insert_one({"_id": "one", "held": {"in": [number]}})

        found = await database["users"].find_one({"_id": "one"})

    assert found == {"_id": "one", "held": {"in": [number]}}
    assert type(found["held"]["in"][0]) is type(number)


@given(st.integers(0, (LAST_DATE - FIRST_DATE) // MILLISECOND))
def test_dates_come_back_in_utc(milliseconds: int) -> None:
    date = FIRST_DATE + milliseconds * MILLISECOND

    found = bson.decode(bson.encode({"dates": [date], "held": {"at": date}}), CODEC)

    assert found == {"dates": [date], "held": {"at": date}}
    assert found["held"]["at"].tzinfo is UTC


async def test_reads_use_the_primary_regardless_of_the_uri(mongodb_uri: str, empty_database: str) -> None:
    uri = f"{mongodb_uri}&readPreference=secondary"  # no server listens here

    verify_deployment(uri, empty_database)
    async with Database(uri, empty_database) as database, await database.client.start_session() as session:
        await database["users"].insert_one({"_id": "one"})
        async with session.start_transaction():
            found = await database["users"].find_one({"_id": "one"}, session=session)

    assert found == {"_id": "one"}


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (AutoReconnect("connection closed"), True),
        (ConfigurationError("Sessions are not supported by this MongoDB deployment"), True),
        (OperationFailure("query plan killed", 175), True),
        (OperationFailure("interrupted", 11_601), True),
        (OperationFailure("unknown operator", 2), False),
        (DuplicateKeyError("the value is there already", 11_000), False),
    ],
)
def test_transient_errors_are_retried(error: PyMongoError, passes: bool) -> None:
    assert is_transient(error) is passes
