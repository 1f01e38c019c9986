"""The entry point of the `switchboard` command, which is in cli/main.py."""

import signal
import sys


def main() -> int:
    # Until the command handles signals there is nothing to close. With the default action, Ctrl-C during the imports
    # ends the process without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from server.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
