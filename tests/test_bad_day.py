"""A bad day's and an attacker's files and names: nothing is overwritten, lost, obeyed or waited for."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from digitnet import Dataset
from digitnet.cli.messages import visible
from tests.conftest import EXAMPLES, Run
from tests.test_datasets import write_idx
from tests.test_robust_files import limit_files_to

SEVEN = EXAMPLES / "7.png"


@pytest.fixture
def data(tmp_path: Path, digits: Dataset) -> Path:
    write_idx(tmp_path / "small", digits[:300], "train")
    return tmp_path / "small"


@pytest.fixture
def csv(tmp_path: Path, digits: Dataset) -> Path:
    rows = np.concatenate([digits.labels[:40, None], digits.images[:40].reshape(40, -1)], axis=1)
    np.savetxt(tmp_path / "small.csv", rows, "%d", ",")
    return tmp_path / "small.csv"


# --- outputs and inputs


@pytest.mark.parametrize(
    "command",
    [
        "eval --model m.h5 --plot-weights m.h5 --data small.csv",
        "eval --model m.h5 --plot-weights linked.h5 --data small.csv",
        "eval --model m.h5 --plot-weights small.csv --data small.csv",
        "export m.h5 m.h5",
        "export m.h5 ./m.h5",
        "search --data small.csv --output o.h5 --plot small.csv",
        "search --data small.csv --output o.h5 --plot o.h5",
        "search --data small.csv --output o.h5 --study o.h5",
        "train --data small.csv --output small.csv",
        "train --data small.csv --log small.csv",
        "train --data small.csv --init-from m.h5 --log m.h5 --output o.h5",
    ],
)
def test_an_output_is_no_input(run: Run, csv: Path, model_path: Path, tmp_path: Path, command: str) -> None:
    os.rename(model_path, tmp_path / "m.h5")
    os.link(tmp_path / "m.h5", tmp_path / "linked.h5")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = run(*command.split())
    assert result.returncode == 2
    assert "must be different files" in result.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_model_keeps_its_mode(run: Run, data: Path, tmp_path: Path) -> None:
    train = ["train", "--layers", "784,10", "--epochs", "1", "--data", data, "--output", "m.h5"]
    assert run(*train).returncode == 0
    (tmp_path / "m.h5").chmod(0o640)
    assert run(*train, "--seed", 2, "--epochs", 5).returncode == 0
    assert stat.S_IMODE((tmp_path / "m.h5").stat().st_mode) == 0o640


# --- stages and misread pictures


def test_a_planted_link_costs_its_target_nothing(run: Run, csv: Path, model_path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "stages").mkdir()
    for step, name in enumerate(("grey", "strength", "digit", "thick", "normalized", "ink"), start=1):
        (tmp_path / "stages" / f"00001-7-{step}-{name}.png").symlink_to(victim)
    assert run("predict", SEVEN, "--save-stages", "stages").stdout == "7\n"
    assert all(path.is_file() and not path.is_symlink() for path in (tmp_path / "stages").iterdir())
    evaluate = ["eval", "--data", csv, "--model", model_path, "--save-errors", "wrong"]
    assert run(*evaluate).returncode == 0
    names = os.listdir(tmp_path / "wrong")
    for name in names:
        (tmp_path / "wrong" / name).unlink()
        (tmp_path / "wrong" / name).symlink_to(victim)
    assert run(*evaluate).returncode == 0
    assert not any(path.is_symlink() for path in (tmp_path / "wrong").iterdir())
    assert victim.read_text() == "precious"


def test_a_long_name_has_its_stages(run: Run, tmp_path: Path) -> None:
    name = "ü" * 122 + ".png"
    (tmp_path / name).write_bytes(SEVEN.read_bytes())
    result = run("predict", name, SEVEN, "--save-stages", "stages")
    assert (result.returncode, result.stderr, result.stdout.count("\n")) == (0, "", 2)
    assert len(os.listdir(tmp_path / "stages")) == 12


def test_a_full_disk_costs_the_stages_and_not_the_answers(run: Run, csv: Path, model_path: Path) -> None:
    result = run("predict", SEVEN, SEVEN, "--save-stages", "stages", preexec_fn=limit_files_to(1000))
    assert (result.returncode, result.stdout.count("\t7\t")) == (1, 2)
    first, second = result.stderr.splitlines()
    assert first == "stages/00001-7-1-grey.png: File too large"
    assert second == "stages/00002-7-1-grey.png: File too large"
    result = run("eval", "--data", csv, "--model", model_path, "--save-errors", "wrong", preexec_fn=limit_files_to(100))
    assert result.returncode == 1
    assert result.stdout.startswith("accuracy ")
    _, *lines = result.stderr.splitlines()
    assert lines
    assert all(line.startswith("wrong/") and line.endswith(".png: File too large") for line in lines)


# --- names that steer a terminal

HARD = ["\x1b[31mred\x1b[0m.png", "\x1b]0;title\x07.png", "\u202egnp.exe", "\x9b2J.png", "zero\u200bwidth.png"]


def test_what_steers_a_terminal_is_shown(run: Run, tmp_path: Path) -> None:
    """To people as escapes, on a terminal and in a pipe; to programs as it is."""
    for name in HARD:
        (tmp_path / name).write_bytes(SEVEN.read_bytes())
    shown = [visible(name) for name in HARD]
    assert shown[0] == r"\x1b[31mred\x1b[0m.png"
    rows = run("predict", *HARD).stdout.splitlines()
    assert [row.split("\t")[0] for row in rows] == shown
    assert [row.split(",")[0] for row in run("predict", *HARD, "--format", "csv").stdout.splitlines()[1:]] == HARD
    for name in HARD:
        (tmp_path / name).write_bytes(b"no picture")
    lines = run("predict", *HARD).stderr.splitlines()
    assert lines == [f"{name}: not a picture that Pillow can read" for name in shown]
    for command in ("eval --model {}", "eval --data {}", "train --init-from {}", "predict --files-from {}"):
        errors = run(*(part.replace("{}", "no\x1b[2Jthing") for part in command.split())).stderr
        assert r"no\x1b[2Jthing" in errors, command
        assert errors.count("\n") == 1


@pytest.mark.parametrize("text", ["plain name.png", "ünïcödé 七.png", "back\\slash", "caf\udce9"])
def test_other_text_stays(text: str) -> None:
    assert visible(text) == text


def test_two_trainings_one_output_the_second_is_refused(data: Path, clean_environment: None, tmp_path: Path) -> None:
    train = [sys.executable, "-m", "digitnet", "train", "--layers", "784,10", "--data", str(data), "--output", "m.h5"]
    with subprocess.Popen([*train, "--epochs", "99999"], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as first:
        while not (tmp_path / "m.h5.checkpoint").exists():
            assert first.poll() is None
        second = subprocess.run([*train, "--seed", "2"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        first.terminate()
        _, errors = first.communicate(timeout=30)
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == "digitnet: m.h5: another training writes it; wait for its end, or name another file\n"
    assert "m.h5 is saved; the same command with --resume goes on" in errors
    assert {path.name for path in tmp_path.iterdir()} == {"small", "m.h5", "m.h5.checkpoint"}
