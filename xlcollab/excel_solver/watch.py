"""What may end a run early: Solver's time and iteration limits, Ctrl-C, and the caller's progress callback.

A stop sticks: engines run inside each other, and when the inner one has caught the stop and kept its best point, the
next look at the watch stops the outer one too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from xlcollab.excel_solver.model import UNLIMITED, SolverOptions
from xlcollab.excel_solver.outcome import Code
from xlcollab.progress import OnProgress, Progress

__all__ = ["Stopped", "Watch"]

_T = TypeVar("_T")
_POLL = 0.1  # seconds between looks at the callback while HiGHS runs, which does not call back


class Stopped(Exception):  # noqa: N818 — no error: engines catch it and keep their best point
    """Raised out of the middle of a run; ``code`` says why."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.sentence)
        self.code = code


class Watch:
    """The limits of one run, and its progress.

    ``check`` raises `Stopped`; engines call it once an evaluation. ``stopped`` is the code of the stop once there was
    one. Ctrl-C counts as a stop asked for by the user.
    """

    def __init__(self, options: SolverOptions, on_progress: OnProgress | None = None, task: str = "solving") -> None:
        self.precision = options.precision
        self.iterations = int(options.iterations)
        self.stopped: Code | None = None
        self._limit = None if options.max_time >= UNLIMITED else float(options.max_time)
        self._start = time.monotonic()
        self._on_progress = on_progress
        self._task = task
        self._last_report = self._start

    def seconds_left(self) -> float | None:
        """Until the time limit, or None where there is none."""
        return None if self._limit is None else self._limit - (time.monotonic() - self._start)

    def out_of_time(self) -> bool:
        """Whether the time limit has passed, or is about to."""
        left = self.seconds_left()
        return left is not None and left <= 0.01

    def check(self, done: int = 0, value: Callable[[], float | None] = lambda: None) -> None:
        """Raise `Stopped` when the time is over or somebody wants an end; report progress now and then.

        ``value`` gives the best objective so far, and is asked for only where it is reported.
        """
        if self.stopped is not None:
            raise Stopped(self.stopped)
        if self.out_of_time():
            raise self._stop(Code.TIME_LIMIT)
        now = time.monotonic()
        if self._on_progress is not None and now - self._last_report >= _POLL:
            self._last_report = now
            if self._on_progress(Progress(self._task, done, 0, value())):
                raise self._stop(Code.STOPPED)

    @contextmanager
    def until_stopped(self) -> Iterator[None]:
        """Run a block that a stop or Ctrl-C may cut short; ``stopped`` then says by which code."""
        try:
            yield
        except Stopped as stop:
            self.stopped = stop.code
        except KeyboardInterrupt:
            self.stopped = Code.STOPPED

    def _stop(self, code: Code) -> Stopped:
        self.stopped = code
        return Stopped(code)

    def wait_for(self, work: Callable[[], _T]) -> _T:
        """Run ``work``, a call that does not come back for a while, in a thread, so that a stop need not wait for it.

        The thread cannot be killed. It is no daemon: under C++ that still computes Python cannot end without an abort,
        and so waits for it.
        """
        self.check()
        outcome: list[_T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                outcome.append(work())
            except BaseException as error:  # raised again in the thread that waits
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        while thread.is_alive():
            thread.join(_POLL)
            if thread.is_alive() and self._on_progress is not None and self._on_progress(Progress(self._task, 0)):
                raise self._stop(Code.STOPPED)
        if errors:
            raise errors[0]
        return outcome[0]
