"""The way into the `switchboard` command, which is in cli/main.py."""

import signal
import sys


def main() -> int:
    # Until the command itself sees to signals there is nothing to close, so Ctrl-C may end the process at once: that
    # says less than a KeyboardInterrupt from the midst of an import.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from server.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
