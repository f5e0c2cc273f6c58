"""Several runs at a time, each in a process or a job of its own."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import TypeVar

from gentool.engine.context import stop_signals
from gentool.errors import Stopped
from gentool.jobs import Jobs
from gentool.processes import Processes
from gentool.progress import counted

T = TypeVar("T")


def run_many(
    todo: Sequence[T], run: Callable[[T], None], runner: Processes | Jobs, ended: Callable[[T, int], None]
) -> None:
    """Call `run` for each of `todo`, as many at a time as `runner` takes, and `ended(one, left)` as each ends.

    Ctrl-C or SIGTERM lets the runs under way save, and raises Stopped. An error of a run stops the others, and is
    raised.
    """
    if not todo:
        return
    with stop_signals() as stop, runner, ThreadPoolExecutor(runner.at_a_time) as pool:
        waiting = {pool.submit(run, one): one for one in todo}
        try:
            while waiting:
                for future in wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED).done:
                    future.result()
                    ended(waiting.pop(future), len(waiting))
                if stop.requested:
                    raise Stopped
        except Stopped:
            left = counted(len(waiting), "run")
            raise Stopped(f"stopped with {left} left; run the same command again to continue") from None
        finally:
            runner.stop()
