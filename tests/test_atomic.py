import errno
import os
import stat

import pytest

from xlcollab.atomic import atomic_write, check_target
from xlcollab.errors import CannotWriteError


def write(path, *, error=None, **options):
    with atomic_write(path, **options) as file:
        file.write(b"new")
        if error is not None:
            raise error


def test_a_file_is_written_and_nothing_else(tmp_path):
    write(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_new_file_has_the_permissions_that_the_umask_gives(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "a.txt")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    path.chmod(0o604)
    write(path, force=True)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o604)


def test_what_a_link_points_to_is_replaced_and_the_link_stays(tmp_path):
    path, link = tmp_path / "folder" / "a.txt", tmp_path / "link.txt"
    path.parent.mkdir()
    path.write_bytes(b"old")
    link.symlink_to(path)
    write(link, force=True)
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_error_on_the_way_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(type(error)):
        write(path, error=error, force=True)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "the file system is read-only")]
)
def test_an_error_of_the_system_is_told_in_words(tmp_path, number, words):
    with pytest.raises(CannotWriteError, match=f"a.txt cannot be written: {words}. Nothing was changed"):
        write(tmp_path / "a.txt", error=OSError(number, os.strerror(number)))
    assert list(tmp_path.iterdir()) == []


def test_targets_that_cannot_be_are_refused_beforehand(tmp_path):
    (tmp_path / "there.txt").write_bytes(b"old")
    (tmp_path / "~$open.xlsx").touch()
    (tmp_path / ".~lock.open.ods#").touch()
    for name, words in (
        ("", "it is a folder. Name a file"),
        ("no/a.txt", "the folder .* does not exist. Make it first"),
        ("there.txt", r"exists already. Choose another name, or replace it \(--force, force=True\)"),
        ("open.xlsx", "is open in another program"),
        ("open.ods", "is open in another program"),
    ):
        with pytest.raises(CannotWriteError, match=words):
            check_target(tmp_path / name)
    assert check_target(tmp_path / "there.txt", force=True) == tmp_path / "there.txt"
