"""Files that are there whole or not at all."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from digitnet.files import check_writable, replacing


def test_a_block_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with suppress(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_leftovers_of_the_dead_are_removed_but_not_of_the_living(tmp_path: Path) -> None:
    path = tmp_path / "x[1].h5"
    code = (
        "import os, sys, pathlib; from digitnet.files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, path], check=False)
    living = f".x[1].h5.{os.uname().nodename}-{os.getppid()}.tmp"
    elsewhere = ".x[1].h5.another-machine-999999999.tmp"
    for name in (living, elsewhere):
        (tmp_path / name).touch()
    assert len(os.listdir(tmp_path)) == 3
    with replacing(path) as file:
        file.write(b"new")
    assert set(os.listdir(tmp_path)) == {living, elsewhere, "x[1].h5"}


def test_checking_changes_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "x")
    assert os.listdir(tmp_path) == []
