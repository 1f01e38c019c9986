"""The `switchboard` command: reads its arguments and settings, runs a command and reports errors."""

import argparse
import dataclasses
import difflib
import os
import signal
import sys
import textwrap
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from types import FrameType
from typing import Never

from server.cli.command import Command, CommandError
from server.cli.commands import COMMANDS
from server.process.run import STOP_SIGNALS
from server.settings import SettingError, Settings, parse_setting, read_settings, unknown_variables, variable_name
from storage.embedded.preflight import DeploymentError
from storage.errors import SwitchboardError

FAILED, USAGE, INTERRUPTED = 1, 2, 130
#: Lays out --help: keeps paragraphs, and leaves room for the longest option.
HELP_FORMATTER = partial(argparse.RawDescriptionHelpFormatter, max_help_position=24, width=100)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = make_parser()
    parsed = parser.parse_args(arguments)
    if parsed.command is None:
        parser.print_help()
        return USAGE
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, raise_keyboard_interrupt)
    try:
        warn_of_unknown_variables()
        settings = apply_options(read_settings(os.environ), parsed)
        command: Command = parsed.command
        return command.run(parsed, settings)
    except (SettingError, CommandError, DeploymentError, SwitchboardError) as error:
        print(f"switchboard: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def raise_keyboard_interrupt(number: int, frame: FrameType | None) -> Never:
    """Handle a signal that stops the process as Ctrl-C is handled, so that every open resource is closed."""
    raise KeyboardInterrupt


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="switchboard",
        formatter_class=HELP_FORMATTER,
        description=wrap_paragraphs(
            "Switchboard is an omnichannel backend with a GraphQL API: conversations, the agents who serve them, and "
            "an event for every change."
        ),
        epilog="Settings are environment variables, such as SWITCHBOARD_PORT: docs/reference/settings.md.\n"
        "`switchboard COMMAND --help` describes a command.",
    )
    parser.add_argument("--version", action="version", version=f"switchboard {version('switchboard')}")
    parser.set_defaults(command=None)
    subparsers = parser.add_subparsers(metavar="COMMAND", title="commands")
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            help=command.summary,
            formatter_class=HELP_FORMATTER,
            description=wrap_paragraphs(command.description),
            epilog=f"examples:\n{textwrap.indent(textwrap.dedent(command.examples).strip(), '  ')}",
        )
        subparser.set_defaults(command=command)
        command.configure(subparser)
    return parser


def wrap_paragraphs(text: str) -> str:
    return "\n\n".join(textwrap.fill(paragraph, 100) for paragraph in textwrap.dedent(text).strip().split("\n\n"))


def apply_options(settings: Settings, arguments: argparse.Namespace) -> Settings:
    """The settings, overridden by the options that were given."""
    options = {name: getattr(arguments, name, None) for name in ("host", "port", "workers", "data_dir")}
    return dataclasses.replace(
        settings,
        **{
            name: parse_setting(name, text, f"--{name.replace('_', '-')}")
            for name, text in options.items()
            if text is not None
        },
    )


def warn_of_unknown_variables() -> None:
    names = [variable_name(field.name) for field in dataclasses.fields(Settings)]
    for name in unknown_variables(os.environ):
        close = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {close[0]}?" if close else "."
        print(f"switchboard: warning: there is no setting {name}{hint}", file=sys.stderr)
