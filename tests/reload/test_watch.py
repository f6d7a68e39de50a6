"""A change of what is in a file is seen, however it came there; half of one is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from middlewares.reload import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write(file: Path, text: str, stamp: int) -> None:
    """Write, at a time that no other write has."""
    file.write_text(text)
    os.utime(file, ns=(stamp, stamp))


def rename_over(file: Path) -> None:
    other = file.with_suffix(".new")
    write(other, "new", 2)
    other.rename(file)


def swap_link(file: Path) -> None:
    """As Kubernetes does with what it mounts of a ConfigMap."""
    folder = file.parent
    for name, text in (("v1", "old"), ("v2", "new")):
        (folder / name).mkdir(exist_ok=True)
        write(folder / name / file.name, text, 1)
    (folder / "..next").symlink_to("v2")
    (folder / "..next").rename(folder / "..data")


def link(file: Path) -> None:
    folder = file.parent
    (folder / "v1").mkdir()
    write(folder / "v1" / file.name, "old", 1)
    file.unlink()
    (folder / "..data").symlink_to("v1")
    file.symlink_to(f"..data/{file.name}")


@pytest.mark.parametrize(
    ("prepare", "change"),
    [
        (None, lambda file: write(file, "new", 2)),
        (None, rename_over),
        (None, lambda file: file.unlink()),
        (link, swap_link),
    ],
)
def test_every_way_to_change_a_file_is_seen_once(
    prepare: Callable[[Path], None] | None, change: Callable[[Path], None], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    write(file, "old", 1)
    if prepare:
        prepare(file)
    watch = FileWatch([file])
    assert [watch.poll() for _ in range(3)] == [False] * 3
    change(file)
    assert [watch.poll() for _ in range(4)] == [False, True, False, False]


def test_a_file_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write(file, "old", 1)
    watch = FileWatch([file])
    for stamp in range(2, 7):
        write(file, "new"[: stamp - 2], stamp)
        assert not watch.poll()
    assert watch.poll()


def test_to_touch_a_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write(file, "old", 1)
    watch = FileWatch([file])
    os.utime(file, ns=(5, 5))
    assert [watch.poll() for _ in range(3)] == [False] * 3


def test_a_file_that_is_not_there_yet_is_seen_when_it_comes(tmp_path: Path) -> None:
    """And one that goes, and comes back as it was, is two changes."""
    file = tmp_path / "file"
    watch = FileWatch([str(file), "\0"])
    write(file, "new", 1)
    assert [watch.poll() for _ in range(3)] == [False, True, False]
    file.unlink()
    assert [watch.poll() for _ in range(3)] == [False, True, False]


def test_other_files_are_watched_as_they_are(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write(one, "1", 1)
    write(other, "2", 1)
    watch = FileWatch([one])
    watch.watch([one, other])
    assert [watch.poll() for _ in range(3)] == [False] * 3
    write(other, "3", 2)
    assert [watch.poll() for _ in range(2)] == [False, True]


def test_what_changes_while_more_files_are_added_is_not_lost(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write(one, "1", 1)
    write(other, "2", 1)
    watch = FileWatch([one])
    write(one, "changed", 2)
    watch.watch([one, other])
    assert [watch.poll() for _ in range(3)] == [False, True, False]


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    watch = FileWatch([tmp_path / "pipe"])
    os.utime(tmp_path / "pipe", ns=(5, 5))
    assert [watch.poll() for _ in range(3)] == [False] * 3
