"""Whatever is given as a model, as data or as a setting: one line, before long work begins."""

import gzip
import json
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from digitnet import Dataset, Model
from digitnet.imaging.image_files import save_grey
from tests.conftest import EXAMPLES, Run, obey_permissions
from tests.damage import sound_pictures
from tests.test_datasets import write_idx
from tests.test_modelfile import FORGERIES, HEADERS, as_version_1, with_header

SEVEN = EXAMPLES / "7.png"
MANY = """if True:
    import contextlib, io, json, sys
    from digitnet.cli import run
    for line in sys.stdin:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(json.loads(line))
        print(json.dumps([code, out.getvalue(), err.getvalue()]))
"""
"""Runs command lines one after the other: a start for each would take too long."""


def many(folder: Path, commands: list[list[str]]) -> list[tuple[int, str, str]]:
    """The exit code, stdout and stderr of each command line, all of them run in one process."""
    lines = "".join(json.dumps(command) + "\n" for command in commands)
    command = [sys.executable, "-c", MANY]
    result = subprocess.run(command, cwd=folder, input=lines, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    return [(code, out, err) for code, out, err in map(json.loads, result.stdout.splitlines())]


# --- models


def test_a_damaged_model_is_a_line(small_model: Model, model_path: Path, tmp_path: Path) -> None:
    """Cut at every 1 % of its length, and forged in every way that test_modelfile.py knows."""
    content, commands = model_path.read_bytes(), []
    for percent in range(100):
        (tmp_path / f"cut-{percent}.h5").write_bytes(content[: len(content) * percent // 100])
    for number, forge in enumerate(FORGERIES):
        (tmp_path / f"forged-{number}.h5").write_bytes(as_version_1(content, forge))
    for number, change in enumerate(HEADERS.values()):
        (tmp_path / f"header-{number}.h5").write_bytes(with_header(content, change))
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = 1
    with h5py.File(tmp_path / "keras.h5", "w") as file:  # as Keras writes it, of another shape
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": []}})
        file["model_weights/dense/dense/kernel:0"] = np.zeros((784, 5), np.float32)
    paths = sorted(path.name for path in tmp_path.glob("*.h5") if path != model_path)
    commands = [["predict", "--model", path, str(SEVEN)] for path in [*paths, model_path.name]]
    *broken, sound = many(tmp_path, commands)
    for name, (code, out, err) in zip(paths, broken, strict=True):
        assert (code, out) == (1, ""), name
        assert err.startswith(f"digitnet: {name}: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
    assert len(broken) == 102 + len(FORGERIES) + len(HEADERS)
    assert (sound[0], sound[2]) == (0, "model: small.h5\n")


# --- data


def csv(*labels: int, level: str = "0", columns: int = 784) -> str:
    return "".join(f"{label}," + ",".join([level] * columns) + "\n" for label in labels)


DATA: dict[str, str] = {
    "missing.csv": "784 columns, not 785",
    "more.csv": "786 columns, not 785",
    "ten.csv": "label 10 in row 2",
    "negative.csv": "'-1'",
    "fraction.csv": "'0.5'",
    "text.csv": "not a CSV",
    "empty.csv": "no digits in it",
    "binary.csv": "neither CSV nor LibSVM",
    "magic": "magic number 7, not 2051",
    "counts": "5 train images but 4 labels",
    "trailing": "goes on after its last item",
    "nothing": "no digits in it",
    "claims": "claims 4,294,967,295 items",
    "pipe": "not an ordinary file",
    "bomb": "goes on after its last item",
    "no-pictures": "no picture that can be read",
    "other": "neither MNIST's IDX files nor sub-folders",
    "nowhere": "no such file or folder",
}


@pytest.fixture
def bad_data(tmp_path: Path, digits: Dataset) -> Path:
    """A file or folder for every name in DATA."""
    (tmp_path / "missing.csv").write_text(csv(1, columns=783))
    (tmp_path / "more.csv").write_text(csv(1, columns=785))
    (tmp_path / "ten.csv").write_text(csv(3, 10))
    (tmp_path / "negative.csv").write_text(csv(-1, 3))
    (tmp_path / "fraction.csv").write_text(csv(3, level="0.5"))
    (tmp_path / "text.csv").write_text("Dear Sir,\nMadam,\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)) * 9)
    heads = {"magic": (7, 5, 28, 28), "nothing": (2051, 0, 28, 28), "claims": (2051, 2**32 - 1, 0, 28)}
    for name in ("magic", "counts", "trailing", "nothing", "claims", "pipe"):
        images, labels = write_idx(tmp_path / name, digits[:5])
        if name in heads:
            images.write_bytes(struct.pack(">4I", *heads[name]) + (name == "magic") * bytes(5 * 784))
    labels = tmp_path / "counts" / "train-labels-idx1-ubyte"
    labels.write_bytes(struct.pack(">2I", 2049, 4) + bytes(4))
    (tmp_path / "nothing" / labels.name).write_bytes(struct.pack(">2I", 2049, 0))
    with open(tmp_path / "trailing" / "train-images-idx3-ubyte", "ab") as file:
        file.write(b"x")
    (tmp_path / "pipe" / "train-images-idx3-ubyte").unlink()
    os.mkfifo(tmp_path / "pipe" / "train-images-idx3-ubyte")
    images, _ = write_idx(tmp_path / "bomb", digits[:5], packed=True)
    images.write_bytes(gzip.compress(struct.pack(">4I", 2051, 5, 28, 28) + bytes(3 * 10**8), 1))
    (tmp_path / "no-pictures" / "3").mkdir(parents=True)
    (tmp_path / "no-pictures" / "3" / "x.png").touch()
    (tmp_path / "other" / "letters").mkdir(parents=True)
    return tmp_path


def test_bad_data_is_a_line(bad_data: Path) -> None:
    train = ["train", "--layers", "784,10", "--epochs", "1"]
    results = many(bad_data, [[*train, "--data", name] for name in DATA])
    for (name, problem), (code, out, err) in zip(DATA.items(), results, strict=True):
        assert (code, out) == (1, ""), name
        assert err.startswith(f"digitnet: {name}")
        assert problem in err
        assert err.count("\n") == 1
    assert not list(bad_data.glob("models/*"))


def test_a_folder_with_gaps(run: Run, digits: Dataset, tmp_path: Path) -> None:
    """A digit without pictures is warned of; what cannot be read is named, left out and counted."""
    for index, label in enumerate(digits.labels[:60]):
        if label != 4:
            (tmp_path / "mine" / str(label)).mkdir(parents=True, exist_ok=True)
            save_grey(tmp_path / "mine" / str(label) / f"{index:03}.png", digits.images[index])
    (tmp_path / "mine" / "7" / "text.png").write_text("hello")
    os.mkfifo(tmp_path / "mine" / "8" / "pipe.png")
    (tmp_path / "mine" / "9" / "dangling.png").symlink_to("nowhere")
    count = 63 - np.count_nonzero(digits.labels[:60] == 4)
    train = ["train", "--layers", "784,10", "--epochs", "1", "--data", "mine"]
    result = run(*train)
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "mine/7/text.png: not a picture that Pillow can read",
        "mine/8/pipe.png: not an ordinary file",
        "mine/9/dangling.png: No such file or directory",
        f"mine: left out 3 of {count} pictures",
        "mine: no picture of 4 to train on; the network will not learn to read it",
    ]
    for folder in (tmp_path / "mine").iterdir():
        for path in folder.iterdir():
            path.unlink()
    save_grey(tmp_path / "mine" / "7" / "only.png", digits.images[0])
    assert run(*train).returncode == 0
    refused = run(*train, "--patience", "3")
    assert refused.stderr == "digitnet: mine: 1 digits leave none to measure on, as --patience must\n"


# --- settings


def test_every_setting_is_checked_before_the_data_are_read(tmp_path: Path, model_path: Path) -> None:
    """There are none to read, so each of these would end with another line if it were found only later."""
    (tmp_path / "file").touch()
    (tmp_path / "busy.h5.checkpoint").mkdir()
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "some.csv").write_text(csv(3))
    settings = {
        "--output file/x.h5": "file",
        "--output /dev/null": "not an ordinary file",
        "--output .": "not an ordinary file",
        "--output /proc/x.h5": "/proc",
        "--output busy.h5": "busy.h5.checkpoint: not an ordinary file",
        "--log file/x": "file",
        "--log /proc/x": "/proc",
        "--log .": "not an ordinary file",
        "--log models/digitnet.h5": "must be different files",
        "--log models/digitnet.h5.checkpoint": "must be different files",
        "--output some.csv --data some.csv": "must be different files",
        "--init-from nowhere.h5": "nowhere.h5: No such file",
        "--init-from text.h5": "not a digitnet model",
        "--init-from .": "directory",
        "--validation-split nan": "not a finite number",
        "--learning-rate nan": "not a finite number",
        "--learning-rate inf": "not a finite number",
        "--learning-rate -1": "not in the range",
        "--batch-size 0": "not in the range",
        "--seed -1": "not in the range",
        "--patience 0": "not in the range",
        "--time-limit nan": "no length of time",
        "--time-limit -1s": "no length of time",
        "--set warmup=nan": "between 0 and 1",
        "--set habits=-0.1": "between 0 and 1",
        "--set nonsense=inf": "between 0 and 1",
        "--set threshold=1e9": "no value",
        "--layers 784,99999999999,10": "more than 100,000,000 weights",
        "--layers 99999999999980000000000001,10": "more than 100,000,000 weights",
    }
    commands = [["train", "--data", "nowhere", *text.split()] for text in settings]
    others = {
        "predict --min-confidence nan 7.png": "not a finite number",
        "predict --save-stages file/x 7.png": "file",
        "predict --save-stages /proc/x 7.png": "/proc",
        "predict --files-from nowhere": "nowhere: No such file",
        "predict --files-from .": ".: Is a directory",
        "predict --model . 7.png": "directory",
        "eval --data nowhere --save-errors file/x": "file",
        "eval --data nowhere --save-errors /proc/x": "/proc",
        "eval --data nowhere --model text.h5": "not a digitnet model",
        "fetch --mirror http://127.0.0.1:9 --data file/x": "file",
        "fetch --mirror http://127.0.0.1:9 --data /proc/x": "/proc",
    }
    results = many(tmp_path, [*commands, *(text.split() for text in others)])
    for (text, problem), (code, out, err) in zip((settings | others).items(), results, strict=True):
        assert code in (1, 2), text
        assert out == ""
        assert problem in err, text
        assert err.count("\n") == 1, err
    assert (tmp_path / "some.csv").read_text() == csv(3)


@pytest.mark.parametrize(
    ("option", "where"), [("--output", "locked/x.h5"), ("--log", "locked/x"), ("--output", "locked/deeper/x.h5")]
)
def test_a_read_only_folder_is_found_first(run: Run, tmp_path: Path, option: str, where: str) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    result = run("train", "--data", "nowhere", option, where, preexec_fn=obey_permissions)
    assert result.returncode == 1
    assert result.stderr in (
        f"digitnet: {where}: Permission denied\n",
        f"digitnet: {Path(where).parent}: Permission denied\n",
        f"digitnet: {tmp_path / Path(where).parent}: Permission denied\n",
    )


@pytest.mark.parametrize("command", [f"predict {SEVEN} >&-", "predict - <&-", "predict --files-from - <&-"])
def test_closed_streams(clean_environment: None, command: str) -> None:
    shell = ["bash", "-c", f'"{sys.executable}" -m digitnet {command}']
    result = subprocess.run(shell, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "digitnet: stdin or stdout is closed\n"


def test_a_closed_stderr_costs_no_answer(clean_environment: None, tmp_path: Path) -> None:
    (tmp_path / "7.tif").write_bytes(sound_pictures()["38-TIFF-L"])
    shell = ["bash", "-c", f'"{sys.executable}" -m digitnet predict 7.tif nowhere.png 2>&-']
    result = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (result.returncode, len(result.stdout.splitlines())) == (1, 1)


def limit_files_to(size: int) -> Callable[[], None]:
    """For ``preexec_fn``: no file may grow longer than so many bytes, as on a disk that is nearly full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_train_on_a_full_disk_leaves_what_was_there(run: Run, digits: Dataset, tmp_path: Path) -> None:
    write_idx(tmp_path / "data", digits[:200])
    train = ["train", "--layers", "784,10", "--data", "data", "--log", "log.jsonl"]
    assert run(*train, "--epochs", "1").returncode == 0
    before = (tmp_path / "models" / "digitnet.h5").read_bytes()
    result = run(*train, "--epochs", "3", preexec_fn=limit_files_to(20_000))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "digitnet: models/digitnet.h5.checkpoint: File too large\n"
    assert {path.name for path in (tmp_path / "models").iterdir()} == {"digitnet.h5"}
    assert (tmp_path / "models" / "digitnet.h5").read_bytes() == before
    result = run(*train, "--epochs", "30", preexec_fn=limit_files_to(100))
    assert (result.returncode, result.stderr) == (1, "digitnet: log.jsonl: File too large\n")
    with open("/dev/full", "w") as nowhere:
        full = run("predict", SEVEN, "--model", "shipped", stdout=nowhere, stderr=subprocess.PIPE, capture_output=False)
    assert (full.returncode, full.stderr) == (1, "digitnet: No space left on device\n")
