"""Write a file whole or not at all.

The bytes go to a temporary file in the target's folder, are flushed to the disk, and the temporary file is renamed
over the target: `os.replace` is atomic within one file system on POSIX and Windows, so that a reader, or a kill at any
moment, finds the old file or the new one and never half of either.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from xlcollab.errors import CannotWriteError

__all__ = ["atomic_write", "check_target"]

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "its folder does not exist",
    errno.ENOTDIR: "its folder is not a folder",
    errno.EISDIR: "it is a folder",
    errno.EACCES: "it is not writable, or open in another program",
    errno.EPERM: "it is not writable, or open in another program",
    errno.EBUSY: "it is open in another program",
}


def check_target(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Refuse a target that cannot be written before the work is done; return it as a `Path`.

    Raises `CannotWriteError` when the target exists and ``force`` is not set, when it or its folder is not writable,
    and when Excel or LibreOffice holds it open (their lock files ``~$name`` and ``.~lock.name#`` stand beside it).
    """
    target = Path(path)
    folder = target.parent
    if target.is_dir():
        raise CannotWriteError(f"{target} cannot be written: it is a folder. Name a file.")
    if not folder.is_dir():
        raise CannotWriteError(f"{target} cannot be written: the folder {folder} does not exist. Make it first.")
    if target.exists() and not force:
        raise CannotWriteError(f"{target} exists already. Choose another name, or replace it (--force, force=True).")
    for lock in (folder / f"~${target.name}", folder / f".~lock.{target.name}#"):
        if lock.exists():
            raise CannotWriteError(
                f"{target} is open in another program ({lock.name} stands beside it). Close it there and try again."
            )
    if not os.access(folder, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise CannotWriteError(f"{target} is not writable. Change its permissions, or choose another place.")
    return target


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[BinaryIO]:
    """A binary file to write to; it takes the target's place when the block ends without an error.

    A replaced file keeps its permission bits; a new one gets those that the umask gives. On any error the temporary
    file is removed and the target stays as it was. An `OSError` becomes a `CannotWriteError` with its reason in words.
    """
    target = check_target(path, force=force)
    if target.is_symlink():
        target = target.resolve()  # replace what the link points to, not the link
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode_for(target))
        os.replace(name, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        if isinstance(error, OSError):
            raise _cannot_write(target, error) from error
        raise


def _mode_for(target: Path) -> int:
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _cannot_write(target: Path, error: OSError) -> CannotWriteError:
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return CannotWriteError(f"{target} cannot be written: {reason}. Nothing was changed.")
