"""What `switchboard` can be asked to do, one Command each: its help, its arguments, and the work."""

import argparse
import asyncio
import difflib
import signal
import sys
from pathlib import Path

from server.cli import demo
from server.cli.account_commands import ACCOUNT_COMMANDS
from server.cli.command import OK, Command, CommandError, add_data_dir, add_setting, existing_database, require_data
from server.cli.operators import verify_counts
from server.process.run import ServingError, open_deployment, serve
from server.settings import Settings

# ---------------------------------------------------------------- serve


def configure_serve(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, "host", "HOST", "the address to listen on; 127.0.0.1 by default")
    add_setting(parser, "port", "PORT", "the port to listen on; 8000 by default, 0 for a free one")
    add_setting(parser, "workers", "N", "how many processes serve, each on one core; 1 by default")
    add_data_dir(parser)


def run_serve(given: argparse.Namespace, settings: Settings) -> int:
    try:
        serve(settings)
    except ServingError as error:
        raise CommandError(str(error)) from None
    except KeyboardInterrupt:
        pass
    return OK


# ---------------------------------------------------------------- mongod


def run_mongod(given: argparse.Namespace, settings: Settings) -> int:
    if settings.mongodb_uri is not None:
        raise CommandError("SWITCHBOARD_MONGODB_URI is set, so there is no embedded MongoDB to run.")
    require_data(settings)
    try:
        with open_deployment(settings) as uri:
            print(uri, flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    return OK


# ---------------------------------------------------------------- verify-counts


def configure_verify_counts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repair", action="store_true", help="correct the counts that are wrong")
    add_data_dir(parser)


def run_verify_counts(given: argparse.Namespace, settings: Settings) -> int:
    with existing_database(settings) as uri:
        drifts = asyncio.run(verify_counts(uri, settings.database, repair=given.repair))
    for drift in drifts:
        assert drift.agent.agent is not None
        held = drift.agent.agent.open_room_count
        print(
            f"{drift.agent.username} ({drift.agent.id}): openRoomCount is {held}, rooms assigned are {drift.expected}"
        )
    if drifts and not given.repair:
        raise CommandError(f"{len(drifts)} counts are wrong: run  switchboard verify-counts --repair  and report it.")
    print("All those counts are corrected." if drifts else "The openRoomCount of every agent is right.")
    return OK


# ---------------------------------------------------------------- demo


def configure_demo(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, "host", "HOST", "where the server is; 127.0.0.1 by default")
    add_setting(parser, "port", "PORT", "its port; 8000 by default")
    add_data_dir(parser)


def run_demo(given: argparse.Namespace, settings: Settings) -> int:
    try:
        demo.require_program()
        if demo.is_serving(settings):
            return demo.run_demo(settings)
        place = demo.url_of(demo.server_address(settings), "")
        print(f"No Switchboard answers at {place}: starting one for the demo, on a temporary folder.\n", flush=True)
        return demo.run_demo_alone()
    except demo.DemoError as error:
        raise CommandError(str(error)) from None


# ---------------------------------------------------------------- export-schema


def configure_export_schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not up to date")


def run_export_schema(given: argparse.Namespace, settings: Settings) -> int:
    from schema import schema as module

    path = Path(module.__file__).with_name("schema.graphql")
    # Without the blanks that stand in the empty lines of indented descriptions.
    wanted = "".join(f"{line.rstrip()}\n" for line in module.schema.as_str().rstrip().splitlines())
    present = path.read_text(encoding="utf-8") if path.exists() else ""
    if not given.check:
        path.write_text(wanted, encoding="utf-8")
        print(f"{path} is {'as it was' if present == wanted else 'written'}.")
        return OK
    if present == wanted:
        return OK
    changes = difflib.unified_diff(present.splitlines(), wanted.splitlines(), "in the file", "in the code", lineterm="")
    for line in list(changes)[:40]:
        print(line, file=sys.stderr)
    raise CommandError(f"{path} is not up to date: run  make schema  and commit it.")


COMMANDS = (
    Command(
        name="serve",
        summary="serve the API, with a MongoDB of its own unless told of one",
        description="""
            Serves the GraphQL API over HTTP and websocket until Ctrl-C or SIGTERM. Without SWITCHBOARD_MONGODB_URI it
            starts an embedded MongoDB, a private one-node replica set with its data under ./data, and ends it with
            itself. The first start on an empty database makes an admin token and prints it, once; set
            SWITCHBOARD_ADMIN_TOKEN to choose it yourself.

            All settings are environment variables, listed in docs/reference/settings.md; the options below win over
            those that they name.
        """,
        examples="""
            switchboard serve
            switchboard serve --port 9000 --data-dir /srv/switchboard
            switchboard serve --workers 4
            SWITCHBOARD_MONGODB_URI='mongodb://db1,db2,db3/?replicaSet=rs0' switchboard serve --host 0.0.0.0
        """,
        configure=configure_serve,
        run=run_serve,
    ),
    Command(
        name="mongod",
        summary="run the embedded MongoDB alone, to look into the data",
        description="""
            Starts the embedded MongoDB of a server that is not running, prints its URI, and ends it on Ctrl-C. For
            mongosh, for backups with mongodump, and for other tools. Where no server has run it creates nothing. While
            a server runs on the same data folder this is refused: its MongoDB is running already.
        """,
        examples="""
            switchboard mongod
            switchboard mongod --data-dir /srv/switchboard
        """,
        configure=add_data_dir,
        run=run_mongod,
    ),
    *ACCOUNT_COMMANDS,
    Command(
        name="verify-counts",
        summary="check that every agent's openRoomCount is right",
        description="""
            Compares the openRoomCount of every agent with the rooms that it has ASSIGNED, and fails when one is wrong,
            which no crash can bring about: it would be a defect of Switchboard, or somebody changed the database by
            hand. With --repair it corrects what is wrong. Either works while servers are running.
        """,
        examples="""
            switchboard verify-counts
            switchboard verify-counts --repair
        """,
        configure=configure_verify_counts,
        run=run_verify_counts,
    ),
    Command(
        name="demo",
        summary="watch an outside program decide who serves a conversation",
        description="""
            Plays the journey that Switchboard was made for, as an outside program over HTTP and websocket: an app
            hears of a conversation, asks its external system who must serve it, makes that person an agent, assigns,
            moves and closes the conversation, and checks every event. Fails when one of them is not as it should be.

            It plays against the server at SWITCHBOARD_HOST and SWITCHBOARD_PORT, with SWITCHBOARD_ADMIN_TOKEN or an
            app of its own in that server's database. Without a server there it starts one on a temporary folder and
            ends it afterwards. It can be repeated. All that it makes has names of its own, which begin with "demo";
            what stays is a closed conversation with its visitor, two agents who are not available, a department and
            two custom fields.
        """,
        examples="""
            switchboard demo
            SWITCHBOARD_ADMIN_TOKEN=... switchboard demo --host switchboard.example --port 8000
        """,
        configure=configure_demo,
        run=run_demo,
    ),
    Command(
        name="export-schema",
        summary="write schema/schema.graphql from the code",
        description="""
            Writes the schema that the code declares to schema/schema.graphql, which is committed, so that reviews see
            what changes for clients and editors can complete. With --check it writes nothing, shows how the file
            differs, and fails if it does.
        """,
        examples="""
            switchboard export-schema
            switchboard export-schema --check
        """,
        configure=configure_export_schema,
        run=run_export_schema,
    ),
)
