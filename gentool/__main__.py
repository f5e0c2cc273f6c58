"""The program, from its first line: `gentool`, and `python -m gentool`."""

import os
import signal
import sys


def main() -> None:
    """Run the command line and exit with its exit code."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):  # before anything else is imported
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: os._exit(128 + number))
    import atexit
    import threading

    from gentool.launcher import place
    from gentool.signals import STOPS_WITH_INPUT, end_at_once, ignore, stop_with_input

    codes: list[int] = []

    def end() -> None:
        ignore()  # Python would let signals kill its own end
        if codes and (place().size > 1 or threading.active_count() > 1):
            # A thread that still releases a tensor aborts a process whose Python is ending: one of gloo (PyTorch 2.14),
            # or one that answers a request to the explorer.
            os._exit(codes[0])

    atexit.register(end)  # the first to be registered is the last to be called
    if os.environ.pop(STOPS_WITH_INPUT, None):
        stop_with_input()
    from gentool.cli.mock_imports import mock_imports, only_help

    if only_help(sys.argv[1:]):
        mock_imports()
    from gentool.cli.app import run

    code = run(sys.argv[1:])
    codes.append(code)
    end_at_once(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
