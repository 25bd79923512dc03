"""Long work is safe work: killed, interrupted, limited, diverged."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from digitnet import Dataset, Model, Network, TrainingSettings, fit, load
from digitnet.training.trainer import DivergedError, Trainer
from tests.conftest import Run
from tests.test_datasets import write_idx

EARLY = "digitnet: interrupted before the end of the first epoch: models/digitnet.h5 is as it was"
SMALL = ["--layers", "784,200,10", "--epochs", "40", "--batch-size", "64"]


@pytest.fixture
def data(tmp_path: Path, digits: Dataset) -> Path:
    write_idx(tmp_path / "small-data", digits)
    return tmp_path / "small-data"


def start(folder: Path, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "digitnet", "train", *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def interrupted(folder: Path, *arguments: object, begun: str, seconds: float = 0) -> list[str]:
    """The lines on stderr of a training to which Ctrl-C comes so long after a file or folder was there."""
    with start(folder, *arguments) as process:
        while not (folder / begun).exists():
            time.sleep(0.01)
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    return errors.splitlines()


def written(path: Path) -> int | None:
    """When a file was written, in nanoseconds, or None if there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


@pytest.mark.parametrize("times", [5, pytest.param(20, marks=pytest.mark.fuzz)])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--patience", "6"],
        ["--optimizer", "momentum"],
        ["--layers", "28x28,3x5x5/2,10", "--set", "shared=0.5", "--patience", "12"],
        ["--pretrain", "rbm", "--layers", "784,50,20,10"],
    ],
)
def test_killed_again_and_again_ends_with_the_same_bytes(
    run: Run, data: Path, tmp_path: Path, options: list[str], times: int
) -> None:
    arguments = [*SMALL, "--data", data, *options]
    whole = run("train", *arguments, "--output", "whole.h5", "--log", "whole.jsonl")
    assert whole.returncode == 0
    rng, kills, checkpoint = np.random.default_rng(1), 0, tmp_path / "killed.h5.checkpoint"
    again = [*arguments, "--output", "killed.h5", "--log", "killed.jsonl", "--resume"]
    for _ in range(times):
        before = written(checkpoint)
        with start(tmp_path, *again) as process:
            # At least one more epoch, so that the run gets on however slow the machine; then at any moment.
            while process.poll() is None and written(checkpoint) == before:
                time.sleep(0.002)
            time.sleep(0.05 * rng.random())
            process.kill()
            process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= times // 2
    with start(tmp_path, *again) as process:
        output, errors = process.communicate(timeout=100)
    assert (process.returncode, errors) == (0, "")
    assert output == whole.stdout.replace("whole.h5", "killed.h5")
    assert (tmp_path / "killed.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()

    def log(name: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]

    assert log("killed.jsonl") == log("whole.jsonl")
    assert not list(tmp_path.glob("*.checkpoint"))
    assert not list(tmp_path.glob(".*.tmp"))


def test_two_trainings_that_write_one_model(run: Run, data: Path, tmp_path: Path) -> None:
    """The second one is refused; at every moment the file is the first one's model, whole."""
    arguments = ["--layers", "784,100,10", "--epochs", "6", "--data", data]
    alone = []
    for seed in (1, 2):
        assert run("train", *arguments, "--seed", seed, "--output", f"{seed}.h5").returncode == 0
        alone.append((tmp_path / f"{seed}.h5").read_bytes())
    path, seen = tmp_path / "both.h5", set()
    both = [start(tmp_path, *arguments, "--seed", seed, "--output", "both.h5") for seed in (1, 2)]
    while any(process.poll() is None for process in both):
        if path.exists():
            seen.add(alone.index(path.read_bytes()))
    ends = sorted((process.communicate()[1], process.returncode) for process in both)
    assert ends == [
        ("", 0),
        ("digitnet: both.h5: another training writes it; wait for its end, or name another file\n", 1),
    ]
    seen.add(alone.index(path.read_bytes()))
    assert len(seen) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"1.h5", "2.h5", "both.h5", "small-data"}


def test_a_pretraining_cut_short_leaves_nothing_and_begins_anew(run: Run, data: Path, tmp_path: Path) -> None:
    arguments = ["--pretrain", "rbm", "--layers", "784,300,10", "--epochs", "1", "--data", data]
    assert run("train", *arguments, "--output", "whole.h5").returncode == 0
    errors = interrupted(tmp_path, *arguments, begun="models", seconds=0.3)
    assert errors == [EARLY]
    limited = run("train", *arguments, "--time-limit", "0")
    assert (limited.returncode, limited.stdout) == (1, "")
    assert limited.stderr == "digitnet: time limit: the pretraining has no end yet; models/digitnet.h5 is as it was\n"
    assert list((tmp_path / "models").iterdir()) == []
    assert run("train", *arguments, "--resume").returncode == 0
    assert (tmp_path / "whole.h5").read_bytes() == (tmp_path / "models" / "digitnet.h5").read_bytes()


def test_ctrl_c_leaves_a_usable_model_and_says_how_to_go_on(run: Run, data: Path, tmp_path: Path) -> None:
    arguments = [*SMALL, "--data", data]
    (stopped,) = interrupted(tmp_path, *arguments, begun="models/digitnet.h5.checkpoint")
    found = re.fullmatch(
        r"digitnet: interrupted after epoch (\d+) of 40: models/digitnet\.h5 is saved; "
        r"the same command with --resume goes on",
        stopped,
    )
    assert found
    assert len(load(tmp_path / "models" / "digitnet.h5").history) == int(found[1])
    checkpoint = (tmp_path / "models" / "digitnet.h5.checkpoint").read_bytes()
    anew = run("train", *arguments, "--time-limit", "0").stderr.splitlines()
    assert anew[0].endswith("a run was cut off; starting anew, its checkpoint is now models/digitnet.h5.checkpoint.1")
    assert (tmp_path / "models" / "digitnet.h5.checkpoint.1").read_bytes() == checkpoint
    assert run("train", *arguments, "--resume").returncode == 0
    assert run("train", *arguments, "--output", "whole.h5").returncode == 0
    assert (tmp_path / "whole.h5").read_bytes() == (tmp_path / "models" / "digitnet.h5").read_bytes()


def test_ctrl_c_in_the_first_epoch_changes_nothing(data: Path, clean_environment: None, tmp_path: Path) -> None:
    slow = ["--layers", "784,2000,2000,10", "--batch-size", "1", "--data", data]
    assert interrupted(tmp_path, *slow, begun="models", seconds=0.5) == [EARLY]
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (["--layers", "784,10"], "layers"),
        (["--seed", "2"], "seed"),
        (["--learning-rate", "0.01"], "learning_rate"),
        (["--set", "threshold=90"], "threshold"),
        (["--epochs", "41"], "epochs"),
        (["--activation", "tanh"], "activation"),
    ],
)
def test_resume_with_other_settings_is_refused(
    run: Run, data: Path, tmp_path: Path, change: list[str], name: str
) -> None:
    assert run("train", *SMALL, "--data", data, "--time-limit", "0.01s").returncode == 0
    before = (tmp_path / "models" / "digitnet.h5.checkpoint").read_bytes()
    result = run("train", *SMALL, "--data", data, *change, "--resume")
    assert result.returncode == 2
    assert f"is of a run with {name} " in result.stderr
    assert (tmp_path / "models" / "digitnet.h5.checkpoint").read_bytes() == before


def test_time_limit_stops_in_good_order(run: Run, data: Path, tmp_path: Path) -> None:
    result = run("train", *SMALL, "--epochs", 100000, "--data", data, "--time-limit", "1s")
    assert result.returncode == 0
    done = len(load(tmp_path / "models" / "digitnet.h5").history)
    assert result.stderr == f"time limit: stopped after epoch {done} of 100000; --resume goes on\n"
    assert f"{done} epochs" in result.stdout


def test_a_loss_that_is_no_number_stops_with_a_line(run: Run, data: Path, tmp_path: Path) -> None:
    options = ["--layers", "784,50,10", "--optimizer", "momentum", "--learning-rate", "3e18", "--data", data]
    result = run("train", *options, "--set", "warmup=1", "--epochs", 1)
    assert result.returncode == 1
    assert result.stdout == ""
    first, last = result.stderr.splitlines()
    assert first == "diverged before the end of the first epoch: models/digitnet.h5 is as it was"
    assert re.fullmatch(
        r"digitnet: epoch 1: the loss is no longer finite; try a smaller learning rate than 3e\+18", last
    )
    assert list((tmp_path / "models").iterdir()) == []


def test_divergence_keeps_the_last_good_model(digits: Dataset, run: Run, data: Path, tmp_path: Path) -> None:
    """A rate that rises from almost nothing until the loss overflows some epochs later."""
    options = ["--layers", "784,30,10", "--optimizer", "gradient-descent", "--learning-rate", "1e20", "--data", data]
    result = run("train", *options, "--set", "warmup=1", "--epochs", 100000, "--batch-size", 2000)
    assert result.returncode == 1
    found = re.match(r"diverged after epoch (\d+) of 100000: models/digitnet.h5 is saved\n", result.stderr)
    assert found
    model = load(tmp_path / "models" / "digitnet.h5")
    assert len(model.history) == int(found[1])
    assert np.isfinite(model.network.parameters).all()
    with pytest.raises(DivergedError, match="epoch 1"):
        list(fit(Model(Network((784, 10))), digits, None, TrainingSettings(learning_rate=1e38)))


def test_early_stop_keeps_the_best_epoch(digits: Dataset) -> None:
    model = Model(Network((784, 30, 10)))
    settings = TrainingSettings(epochs=200, early_stop=3, distortions="none", learning_rate=0.01)
    training = Trainer(model, settings, np.random.default_rng(1))
    snapshots = []
    epochs = []
    for epoch in training.epochs(digits[:500], digits[500:]):
        epochs.append(epoch)
        snapshots.append(model.network.parameters.copy())
    accuracies = [epoch.validation_accuracy for epoch in epochs]
    best = int(np.argmax(accuracies))
    assert len(epochs) == best + 4 < 200
    np.testing.assert_array_equal(model.network.parameters, snapshots[best])


def test_the_epoch_that_is_kept_is_told(run: Run, data: Path, tmp_path: Path) -> None:
    """The last one, also of a network that was unfolded on the way; or the best one."""
    unfolding = ["--layers", "28x28,3x5x5/2,10", "--epochs", "8", "--set", "shared=0.5"]
    stopping = ["--layers", "784,20,10", "--epochs", "60", "--patience", "1"]
    for options, best in ((unfolding, False), (stopping, True)):
        line = run("train", *options, "--data", data, "--output", "m.h5", "--log", "log.jsonl").stdout
        epochs = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
        kept = max(epochs, key=lambda epoch: epoch["validation_accuracy"]) if best else epochs[-1]
        told = f"{len(epochs)} epochs, " + f"best {kept['epoch']}, " * best
        assert f"{told}loss {kept['loss']:.4f}, validation accuracy {kept['validation_accuracy']:.2%}" in line


def test_log(run: Run, data: Path, tmp_path: Path) -> None:
    options = ["--layers", "784,20,20,10", "--epochs", "3", "--data", data]
    assert run("train", *options, "--log", "deep/log.jsonl", "--validation-split", "0").returncode == 0
    lines = [json.loads(line) for line in (tmp_path / "deep" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert set(lines[0]) == {
        "epoch",
        "loss",
        "validation_loss",
        "validation_accuracy",
        "learning_rate",
        "gradient_norms",
        "seconds",
    }
    assert lines[0]["validation_loss"] is None
    assert all(len(line["gradient_norms"]) == 3 and min(line["gradient_norms"]) > 0 for line in lines)


def test_gradient_norms_are_those_of_the_gradient(digits: Dataset) -> None:
    """One batch a epoch, and a step too small to matter: the norms are those at the start."""
    model = Model(Network((784, 20, 10)))
    settings = TrainingSettings(epochs=1, batch_size=len(digits), learning_rate=1e-12, distortions="none")
    epoch = next(fit(model, digits, None, settings))
    gradient = np.empty_like(model.network.parameters)
    x = (digits.images > 127).reshape(len(digits), 784).T.astype(np.float32)
    model.network.backpropagate(x, np.eye(10, dtype=np.float32)[:, digits.labels], gradient)
    expected = [np.linalg.norm(part) for part in model.network.split_by_layer(gradient)]
    assert epoch.gradient_norms == pytest.approx(expected, rel=1e-3)
