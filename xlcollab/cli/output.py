"""What a person or a script sees: tables, JSON, one sentence for an error, a bar for anything over a second."""

from __future__ import annotations

import errno
import functools
import io
import json
import math
import shutil
import sys
import textwrap
import time
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from xlcollab.errors import XlcollabError, XlcollabWarning
from xlcollab.progress import Progress

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["echo_json", "echo_table", "named_errors", "progress_bar"]

F = TypeVar("F", bound=Callable[..., Any])

_LEAST_COLUMN = 20  # signs: what has less room is left to the terminal
_INTERRUPTED = 130  # 128 + SIGINT
_BAR_AFTER = 1.0  # seconds: what ends sooner needs no bar


def named_errors(command: F) -> F:
    """A named error becomes one sentence on stderr (under ``--json`` an object on stdout) and its exit code.

    Warnings of ours become a sentence on stderr, once each. Ctrl-C ends with 130, as shells have it.
    """

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        _take_every_sign()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if kwargs.get("quiet") else "default", XlcollabWarning)
            warnings.showwarning = _once()
            try:
                return command(*args, **kwargs)
            except XlcollabError as error:
                if kwargs.get("as_json"):
                    echo_json({"error": {"sheet": error.sheet, "cell": error.cell, "message": error.message}})
                else:
                    click.echo(f"Error: {error.message}", err=True)
                sys.exit(error.exit_code)
            except OSError as error:  # of stdout: errors of files have names
                if error.errno != errno.ENOSPC:
                    raise
                click.echo("Error: The output cannot be written: the disk is full.", err=True)
                sys.exit(1)
            except KeyboardInterrupt:
                click.echo("Aborted!", err=True)
                sys.exit(_INTERRUPTED)

    return run  # type: ignore[return-value]  # wraps keeps the signature that click reads


def _take_every_sign() -> None:
    """Write signs that an encoding lacks, such as a code page of Windows, as \\u5343 rather than end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _once() -> Callable[..., None]:
    """Show each warning once, though several fits give it."""
    shown: set[str] = set()

    def show(message: Warning | str, *_: object, **__: object) -> None:
        if str(message) not in shown:
            shown.add(str(message))
            click.echo(f"Warning: {message}", err=True)

    return show


def echo_json(value: object) -> None:
    """Print a JSON document; what is not a finite number is null."""
    has_all = (sys.stdout.encoding or "").lower().startswith("utf")
    click.echo(json.dumps(_plain(value), ensure_ascii=not has_all, indent=2))


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "item"):  # a NumPy scalar
        return _plain(value.item())
    return str(value)


def echo_table(header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> None:
    """Print rows in columns, those named in ``numeric`` flush right; in a terminal the last is wrapped to its width."""
    widths = [max(_width(row[column]) for row in (header, *rows)) for column in range(len(header))]
    before = sum(widths[:-1]) + 2 * len(widths[:-1])
    room = shutil.get_terminal_size().columns - before
    narrow = sys.stdout.isatty() and _LEAST_COLUMN <= room < widths[-1]
    for row in (header, *rows):
        first, *others = textwrap.wrap(row[-1], room) or [""] if narrow else [row[-1]]
        cells = []
        for column, (text, width) in enumerate(zip((*row[:-1], first), widths, strict=True)):
            space = " " * (width - _width(text))
            cells.append(space + text if column in numeric else text + space)
        click.echo("\n".join(["  ".join(cells).rstrip(), *(" " * before + line for line in others)]))


def _width(text: str) -> int:
    """The columns that a terminal gives a text: two to a wide (East Asian) sign, none to an accent by itself."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(sign) else 1 + (unicodedata.east_asian_width(sign) in "WF") for sign in text)


_NO_END = "{desc}: {elapsed}{postfix}"
"""Where nobody knows how many steps there are: how long it takes, and the best objective so far."""


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[Progress], bool | None] | None]:
    """A callback that draws a bar on stderr once a computation has lasted a second."""
    if quiet:
        yield None
        return
    bar = _Bar()
    try:
        yield bar
    finally:
        bar.close()


class _Bar:
    """tqdm, imported when the first second is over."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.task = ""
        self.bar: tqdm[Any] | None = None

    def __call__(self, progress: Progress) -> None:
        if progress.task != self.task:
            self.close()
            self.task, self.started = progress.task, time.monotonic()
        if self.bar is None:
            if time.monotonic() - self.started < _BAR_AFTER:
                return
            from tqdm import tqdm

            self.bar = tqdm(
                total=progress.total or None,
                desc=progress.task,
                file=sys.stderr,
                leave=False,
                bar_format=None if progress.total else _NO_END,
            )
        if progress.value is not None:
            self.bar.set_postfix_str(f"{progress.value:.6g}", refresh=False)
        self.bar.update(progress.done - self.bar.n)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
