"""The `switchboard` command: what can be asked of it and how it fails; running the server is in serving.py."""

import argparse
import dataclasses
import difflib
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Never

from server.settings import SettingError, Settings, parse_setting, read_settings, unknown_variables, variable
from storage.deployments import DeploymentError
from storage.errors import SwitchboardError

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class CommandError(Exception):
    """The command cannot do what was asked; the message is one line that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One word after `switchboard`."""

    name: str
    summary: str
    #: What --help says: what it does and when one wants it, then examples.
    description: str
    examples: str
    configure: Callable[[argparse.ArgumentParser], None]
    #: Does it, and returns the exit code.
    run: Callable[[argparse.Namespace, Settings], int]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser()
    given = parser.parse_args(arguments)
    if given.command is None:
        parser.print_help()
        return USAGE
    signal.signal(signal.SIGTERM, leave)
    try:
        warn_of_unknown_variables()
        settings = with_options(read_settings(os.environ), given)
        command: Command = given.command
        return command.run(given, settings)
    except (SettingError, CommandError, DeploymentError, SwitchboardError) as error:
        print(f"switchboard: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def leave(number: int, frame: FrameType | None) -> Never:
    """SIGTERM leaves by the way that Ctrl-C takes, past everything that has to be closed."""
    raise KeyboardInterrupt


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="switchboard",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=paragraphs(
            "Switchboard is an omnichannel backend that other programs drive: conversations, the agents who serve "
            "them, and every event about them, over GraphQL."
        ),
        epilog="Settings come from environment variables, SWITCHBOARD_PORT among them: docs/reference/settings.md.\n"
        "`switchboard COMMAND --help` says more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"switchboard {version('switchboard')}")
    parser.set_defaults(command=None)
    subparsers = parser.add_subparsers(metavar="COMMAND", title="commands")
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            help=command.summary,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            description=paragraphs(command.description),
            epilog=f"examples:\n{textwrap.indent(textwrap.dedent(command.examples).strip(), '  ')}",
        )
        subparser.set_defaults(command=command)
        command.configure(subparser)
    return parser


def paragraphs(text: str) -> str:
    return "\n\n".join(textwrap.fill(paragraph, 100) for paragraph in textwrap.dedent(text).strip().split("\n\n"))


def with_options(settings: Settings, given: argparse.Namespace) -> Settings:
    """The settings, with those options that say the same as one of them put over it."""
    options = {name: getattr(given, name, None) for name in ("host", "port", "data_dir")}
    return dataclasses.replace(
        settings,
        **{
            name: parse_setting(name, text, f"--{name.replace('_', '-')}")
            for name, text in options.items()
            if text is not None
        },
    )


def warn_of_unknown_variables() -> None:
    known = [variable(field.name) for field in dataclasses.fields(Settings)]
    for name in unknown_variables(os.environ):
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; is {close[0]} meant?" if close else "."
        print(f"switchboard: warning: there is no setting {name}{hint}", file=sys.stderr)


def add_setting(parser: argparse.ArgumentParser, name: str, metavar: str, meaning: str) -> None:
    parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=f"{meaning} [{variable(name)}]")


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, "data_dir", "FOLDER", "where the embedded MongoDB keeps its data; ./data by default")


# ---------------------------------------------------------------- serve


def configure_serve(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, "host", "HOST", "the address to listen on; 127.0.0.1 by default")
    add_setting(parser, "port", "PORT", "the port to listen on; 8000 by default, 0 for a free one")
    add_data_dir(parser)


def run_serve(given: argparse.Namespace, settings: Settings) -> int:
    from server.serving import ServingError, serve

    try:
        serve(settings)
    except ServingError as error:
        raise CommandError(str(error)) from None
    except KeyboardInterrupt:
        pass
    return OK


# ---------------------------------------------------------------- mongod


def run_mongod(given: argparse.Namespace, settings: Settings) -> int:
    from server.serving import deployment

    if settings.mongodb_uri is not None:
        raise CommandError("SWITCHBOARD_MONGODB_URI is set, so there is no embedded MongoDB to run.")
    try:
        with deployment(settings) as uri:
            print(uri, flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    return OK


# ---------------------------------------------------------------- export-schema


def configure_export_schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not up to date")


def run_export_schema(given: argparse.Namespace, settings: Settings) -> int:
    from schema import schema as module

    path = Path(module.__file__).with_name("schema.graphql")
    wanted = module.schema.as_str().rstrip() + "\n"
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
            SWITCHBOARD_MONGODB_URI='mongodb://db1,db2,db3/?replicaSet=rs0' switchboard serve --host 0.0.0.0
        """,
        configure=configure_serve,
        run=run_serve,
    ),
    Command(
        name="mongod",
        summary="run the embedded MongoDB alone, to look into the data",
        description="""
            Starts the embedded MongoDB without the server, prints its URI, and ends it on Ctrl-C. For mongosh, for
            backups with mongodump, and for other tools. While a server runs on the same data folder this is refused:
            its MongoDB is running already.
        """,
        examples="""
            switchboard mongod
            switchboard mongod --data-dir /srv/switchboard
        """,
        configure=add_data_dir,
        run=run_mongod,
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

if __name__ == "__main__":
    sys.exit(main())
