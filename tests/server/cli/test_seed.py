"""`switchboard seed`: its arguments and its messages. What it creates is tested in tests/resolvers/samples."""

import asyncio
from typing import Any

import pytest

from resolvers.context import Services
from resolvers.samples import samples
from server.cli.command import CommandError
from server.cli.main import make_parser
from server.settings import Settings
from storage.transactions import leases


def run(*arguments: str, **settings: Any) -> int:
    given = make_parser().parse_args(arguments)
    code: int = given.command.run(given, Settings(**settings))
    return code


@pytest.mark.parametrize("minutes", ["0", "-1", "1441", "nan"])
def test_traffic_takes_minutes_of_a_day(minutes: str) -> None:
    with pytest.raises(CommandError, match=r"--traffic takes minutes, above 0 and up to 1440"):
        run("seed", "--traffic", minutes)


async def test_without_sample_data_nothing_is_removed_and_a_second_process_is_told_to_wait(
    services: Services, mongodb_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment = {"mongodb_uri": mongodb_uri, "database": services.storage.database.raw.name}
    await asyncio.to_thread(run, "seed", "--remove", **deployment)
    assert capsys.readouterr().out == "There are no sample data; nothing was removed.\n"

    assert await leases.acquire(services.storage.database, samples.LEASE, owner="other", seconds=600)
    for arguments in (("seed",), ("seed", "--remove")):
        with pytest.raises(CommandError, match=r"^The sample data are being created or removed already; wait"):
            await asyncio.to_thread(run, *arguments, **deployment)
