"""Files that are there whole or not at all."""

import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from digitnet.atomic_files import atomic_write, check_writable, creating


def test_a_block_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with suppress(KeyboardInterrupt), atomic_write(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_leftovers_of_the_dead_are_removed_but_not_of_the_living(tmp_path: Path) -> None:
    path = tmp_path / "x[1].h5"
    code = (
        "import os, sys, pathlib; from digitnet.atomic_files import atomic_write\n"
        "with atomic_write(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, path], check=False)
    assert len(os.listdir(tmp_path)) == 1
    with atomic_write(tmp_path / "y") as living:
        assert len(os.listdir(tmp_path)) == 1
        with atomic_write(path) as file:
            file.write(b"new")
        living.write(b"alive")
    assert sorted(os.listdir(tmp_path)) == ["x[1].h5", "y"]
    assert (tmp_path / "y").read_bytes() == b"alive"


def test_many_processes_write_one_file(tmp_path: Path) -> None:
    """None takes another's temporary file for a leftover, whatever its host is called."""
    code = (
        "import sys, pathlib; from digitnet.atomic_files import atomic_write\n"
        "for _ in range(40):\n"
        "    with atomic_write(pathlib.Path(sys.argv[1])) as file: file.write(b'x' * 1000)"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, tmp_path / "x"]) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert os.listdir(tmp_path) == ["x"]


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    for mode in (0o640, 0o600, 0o444):
        path.chmod(mode)
        with atomic_write(path) as file:
            file.write(b"new")
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_planted_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    for plant in (os.symlink, os.link):
        plant(tmp_path / "victim", tmp_path / "x.png")
        with creating(tmp_path / "x.png") as file:
            file.write(b"new")
        assert (tmp_path / "victim").read_text() == "precious"
        assert (tmp_path / "x.png").read_bytes() == b"new"
        (tmp_path / "x.png").unlink()
    os.symlink(tmp_path / "victim", tmp_path / ".digitnet-0.tmp")
    with atomic_write(tmp_path / "y") as file:
        file.write(b"new")
    assert (tmp_path / "victim").read_text() == "precious"


def test_checking_changes_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "x")
    assert os.listdir(tmp_path) == []
