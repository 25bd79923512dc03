"""The command line as a person meets it: on a terminal, which is a pseudo-terminal here, at several widths."""

import fcntl
import gzip
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyte
import pytest

from digitnet import Dataset
from digitnet.cli import stopping
from tests.conftest import EXAMPLES, Run
from tests.server import Mirror
from tests.server import mirror as serving
from tests.test_datasets import write_idx

WIDTHS = pytest.mark.parametrize("width", [40, 80, 200])
ROWS = 400
"""Of the terminal: nothing scrolls away."""


class Shown(NamedTuple):
    """What is on the terminal in the end, what was on it at any time, and the exit code."""

    lines: list[str]
    ever: str
    code: int


def terminal(folder: Path, command: str, width: int = 80, typed: bytes = b"", upon: bytes = b"") -> Shown:
    """Run a line of bash with a terminal for stdin, stdout and stderr; type something once ``upon`` is seen."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", ROWS, width, 0, 0))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "xterm"}
    environment = {name: value for name, value in environment.items() if not name.startswith("DIGITNET_")}
    process = subprocess.Popen(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    screen = pyte.Screen(width, ROWS)
    stream, ever = pyte.ByteStream(screen), b""
    while select.select([ours], [], [], 60)[0]:
        try:
            chunk = os.read(ours, 1 << 16)
        except OSError:  # so Linux says that nobody is at the other end any more
            break
        ever += chunk
        stream.feed(chunk)
        if typed and upon in ever:
            os.write(ours, typed)
            typed = b""
    os.close(ours)
    lines = [line.rstrip() for line in screen.display]
    while lines and not lines[-1]:
        lines.pop()
    return Shown(lines, ever.decode(errors="replace"), process.wait(timeout=60))


def check(shown: Shown) -> None:
    """No traceback, and no colour."""
    assert "Traceback" not in shown.ever
    assert "\x1b[3" not in shown.ever


@pytest.fixture
def data(tmp_path: Path, digits: Dataset) -> Path:
    write_idx(tmp_path / "small", digits[:600], "train")
    return tmp_path / "small"


@pytest.fixture
def many(tmp_path: Path) -> None:
    """Enough names in ``list`` for a bar, which comes after a second."""
    (tmp_path / "list").write_text(f"{EXAMPLES / '7.png'}\n" * 1500)


@WIDTHS
@pytest.mark.usefixtures("many")
def test_predict_with_a_known_total(tmp_path: Path, width: int) -> None:
    shown = terminal(tmp_path, "digitnet predict --files-from list --jobs 1 > out", width)
    check(shown)
    assert shown.code == 0
    assert "/1500" in shown.ever
    assert shown.lines == []
    assert (tmp_path / "out").read_text().count("\n") == 1500


@WIDTHS
@pytest.mark.usefixtures("many")
def test_predict_from_a_pipe_of_unknown_length(tmp_path: Path, width: int) -> None:
    """As in the README's pipelines."""
    command = "tr '\\n' '\\0' < list | digitnet predict --files-from - -0 --jobs 1 > out"
    shown = terminal(tmp_path, command, width)
    check(shown)
    assert shown.code == 0
    assert re.search(r"\d+picture", shown.ever)
    assert (tmp_path / "out").read_text().count("\n") == 1500


@WIDTHS
def test_train_shows_every_epoch(tmp_path: Path, data: Path, width: int) -> None:
    shown = terminal(tmp_path, f"digitnet train --layers 784,20,10 --epochs 3 --data {data.name}", width)
    check(shown)
    assert shown.code == 0
    header, *epochs = shown.lines[:4]
    assert header.split() == ["epoch", "loss", "accuracy"]
    for number, line in enumerate(epochs, start=1):
        assert re.fullmatch(rf" +{number}/3 +\d\.\d{{4}} +\d+\.\d\d%", line)
    result = "".join(line for line in shown.lines[4:] if "%|" not in line)
    assert result.startswith("models/digitnet.h5: Network(")
    assert result.endswith(f"validation accuracy {epochs[-1].split()[-1]}")


@WIDTHS
def test_train_without_validation_and_with_pretraining(tmp_path: Path, data: Path, width: int) -> None:
    options = "--layers 784,20,10 --epochs 1 --validation-split 0 --pretrain rbm"
    shown = terminal(tmp_path, f"digitnet train {options} --data {data.name}", width)
    check(shown)
    assert shown.code == 0
    assert any(re.fullmatch(r" +1/1 +\d\.\d{4} +-", line) for line in shown.lines)


@WIDTHS
def test_search(tmp_path: Path, data: Path, width: int) -> None:
    pytest.importorskip("optuna")
    options = "--trials 2 --epochs 1 --jobs 2 --output m.h5"
    shown = terminal(tmp_path, f"digitnet search {options} --data {data.name}", width)
    check(shown)
    assert shown.code == 0
    text = "".join(shown.lines)
    assert "trial 1: " in text
    assert "trial 2: " in text
    assert "misread    weights" in text
    assert "s/ trial" not in shown.ever


@pytest.fixture(scope="module")
def mirror(mnist: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    folder = tmp_path_factory.mktemp("mirror")
    for file in mnist.glob("*-ubyte"):
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), 1))
    with serving(folder) as server:
        yield server


@WIDTHS
def test_fetch(tmp_path: Path, mirror: Mirror, width: int) -> None:
    shown = terminal(tmp_path, f"digitnet fetch --mirror http://127.0.0.1:9/ --mirror {mirror.url}", width)
    check(shown)
    assert shown.code == 0
    text = "".join(shown.lines)
    assert text.startswith("http://127.0.0.1:9/: Connection refused")
    assert text.count(mirror.url) == 4
    assert len(list((tmp_path / "data").iterdir())) == 4


@WIDTHS
def test_eval_fetches_with_a_bar(tmp_path: Path, data: Path, width: int) -> None:
    shutil.copytree(data, tmp_path / "data")
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        (tmp_path / "data" / f"train-{kind}").rename(tmp_path / "data" / f"t10k-{kind}")
    shown = terminal(tmp_path, "digitnet eval", width)
    check(shown)
    assert shown.code == 0
    assert shown.lines[0].startswith("accuracy ")


def test_what_predict_needs_from_a_terminal(tmp_path: Path) -> None:
    shown = terminal(tmp_path, "digitnet predict -", 200)
    assert shown.code == 2
    assert shown.lines == [
        "digitnet predict: stdin is the terminal; send a picture: digitnet predict - < digit.png. "
        "Try 'digitnet predict --help'."
    ]
    typed = f"{EXAMPLES / '7.png'}\n\x04".encode()
    shown = terminal(tmp_path, "digitnet predict --files-from -", 200, typed, b"Ctrl-D ends them:")
    assert shown.lines[0] == "names of pictures, one a line; Ctrl-D ends them:"
    assert shown.lines[-1].split() == [str(EXAMPLES / "7.png"), "7", "0.9912"]
    assert shown.code == 0


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_training_with_one_line(tmp_path: Path, data: Path, clean_environment: None, name: str) -> None:
    """What is left: a checkpoint, a usable model, and a line that says how to go on."""
    command = [sys.executable, "-m", "digitnet", "train", "--layers", "784,50,10", "--epochs", "9999"]
    number = signal.Signals[name]
    pipe = subprocess.PIPE
    with subprocess.Popen([*command, "--data", data], cwd=tmp_path, stdout=pipe, stderr=pipe, text=True) as process:
        while not (tmp_path / "models" / "digitnet.h5.checkpoint").exists():
            time.sleep(0.01)
        process.send_signal(number)
        time.sleep(0.002)
        process.send_signal(number)  # as people do; it must not break off what the first began
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    line = (
        r"digitnet: interrupted after epoch \d+ of 9999: models/digitnet\.h5 is saved; the same command with --resume"
    )
    assert re.fullmatch(rf"{line} goes on\n", errors)
    names = {path.name for path in (tmp_path / "models").iterdir()}
    assert names == {"digitnet.h5", "digitnet.h5.checkpoint"}


def test_a_signal_that_python_loses_is_heard_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It swallows what is raised in the callback of a weak reference, of which h5py has many."""
    monkeypatch.setattr(stopping, "_stopped", None)
    monkeypatch.setattr(stopping, "_since", -stopping.ONCE)
    stopping.check()
    with pytest.raises(stopping.Stopped):
        stopping._stop(signal.SIGTERM, None)
    stopping._stop(signal.SIGTERM, None)  # at once again: one
    with pytest.raises(stopping.Stopped) as raised:
        stopping.check()
    assert raised.value.signal == signal.SIGTERM


def test_nohup_keeps_a_hang_up_away(tmp_path: Path, data: Path, clean_environment: None) -> None:
    command = [sys.executable, "-m", "digitnet", "train", "--layers", "784,10", "--epochs", "30", "--log", "-"]
    with subprocess.Popen(
        ["nohup", *command, "--data", data],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output.count("\n")) == (0, 29)


def test_ctrl_c_closes_the_array(tmp_path: Path, run: Run) -> None:
    command = [sys.executable, "-m", "digitnet", "predict", "--files-from", "-", "--format", "json"]
    out, pipe = tmp_path / "out", subprocess.PIPE
    with (
        open(out, "w") as stdout,
        subprocess.Popen(command, cwd=tmp_path, stdin=pipe, stdout=stdout, stderr=pipe, text=True) as process,
    ):
        assert process.stdin is not None
        process.stdin.write(f"{EXAMPLES / '7.png'}\n")
        process.stdin.flush()
        while not out.stat().st_size:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert [row["digit"] for row in json.loads(out.read_text())] == [7]
    assert errors == "digitnet: interrupted\n"
