"""Forged models by the thousand: each is a line or a model, and no process dies or hangs over one."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from digitnet import Dataset
from tests.test_datasets import write_idx
from tests.test_modelfile import Facts, as_version_1, sealed, with_header
from tests.test_robust_files import many

TOGETHER = 500
"""To a process."""


@pytest.mark.parametrize(
    ("version", "count"),
    [(2, 500), (1, 20), *(pytest.param(*case, marks=pytest.mark.fuzz) for case in ((2, 20_000), (1, 1000)))],
)
def test_forged_with_a_fitting_hash(version: int, count: int) -> None:
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for first in range(0, count, TOGETHER):
        command = [sys.executable, "-m", "tests.forge", str(version), str(first), str(min(TOGETHER, count - first))]
        result = subprocess.run(command, capture_output=True, text=True, timeout=600)
        assert (result.returncode, result.stderr) == (0, ""), result.stdout.splitlines()[-1:]
        for _, outcome, seconds in map(json.loads, result.stdout.splitlines()):
            outcomes[outcome] += 1
            slowest = max(slowest, seconds)
    print(version, dict(outcomes), f"slowest {slowest} s")
    assert outcomes.total() == count
    assert outcomes["a line"] > count / 4
    assert set(outcomes) <= {"a line", "a model"}
    assert slowest < (5 if version == 2 else 40)


def of_state(**changes: Any) -> Callable[[Facts], None]:
    return lambda facts: facts["state"].update(changes)


def of_rng(**changes: Any) -> Callable[[Facts], None]:
    return lambda facts: facts["state"]["rng"].update(changes)


def of_array(name: str, **changes: Any) -> Callable[[Facts], None]:
    return lambda facts: facts["arrays"][name].update(changes)


CHECKPOINTS: dict[str, Callable[[Facts], object]] = {
    "1000000000 epochs of 3": of_state(done=10**9),
    "-1 epochs": of_state(done=-1),
    "2 epochs of 3": of_state(done="2 epochs of 3"),
    "None epochs": lambda facts: facts["state"].pop("done"),
    "True epochs": of_state(done=True),
    "1.0 epochs": of_state(done=1.0),
    "a history of 1 epochs": of_state(done=2),
    "a history of 0 epochs": lambda facts: facts.update(history=[]),
    "a history of 1": lambda facts: facts.update(history=["a", "b", "c", "d", "e"]),
    "the best epoch 2 of 1": of_state(best_epoch=2),
    "the best epoch None of 1": lambda facts: facts["state"].pop("best_epoch"),
    "the best accuracy nan": of_state(best_accuracy=float("nan")),
    "the best accuracy [1]": of_state(best_accuracy=[1]),
    "its random numbers: 'rng'": lambda facts: facts["state"].pop("rng"),
    "its random numbers": of_state(rng=5),
    "its random numbers: ": of_state(rng={}),
    "random numbers": of_rng(bit_generator="MT19937"),
    "random": of_rng(state=5),
    "random ": of_rng(state={"state": 2**200, "inc": 1}),
    "random n": of_rng(state={"state": -1, "inc": 1}),
    "random nu": of_rng(state={"state": "1", "inc": None}),
    "random num": of_rng(has_uint32="x"),
    "random numb": of_rng(uinteger=2**70),
    "is of a run with layers unknown": of_state(plan=5),
    "is of a run with layers": lambda facts: facts["state"].pop("plan"),
    "of a run with seed [1]": lambda facts: facts["state"]["plan"].update(seed=[1]),
    "state is missing": lambda facts: facts.update(state=[]),
    "no checkpoint": lambda facts: facts.pop("state"),
    "arrays m, v": lambda facts: facts["arrays"].pop("state/t"),
    "arrays": lambda facts: facts["arrays"].update(
        {"state/best": facts["arrays"].pop("state/m"), "state/m": {"dtype": "int64", "shape": [0], "offset": 9000}}
    ),
    "m is float32 (100,), not float32 (7850,)": of_array("state/m", shape=[100]),
    "v is float32 (10, 785)": of_array("state/v", shape=[10, 785]),
    "m is int64 (3925,)": of_array("state/m", dtype="int64", shape=[3925]),
    "t is float64": of_array("state/t", dtype="float64"),
    "a Network(784 -> 10 softmax, 7,850 parameters) of Binarization(side=28, threshold=5)": lambda facts: facts.update(
        threshold=5
    ),
    "a Network(28x28 -> 10 softmax": lambda facts: facts.update(layers=["28x28", "10"]),
    "10 sigmoid": lambda facts: facts.update(loss="square"),
    "7,850 parameters": lambda facts: facts.update(activation="tanh"),
}
"""By what is said of it, what is changed in the header of a checkpoint."""


def without_facts(file: h5py.File) -> None:
    del file["state"].attrs["facts"]


def with_text(file: h5py.File) -> None:
    del file["state/m"]
    file["state/m"] = "text"


OLD_CHECKPOINTS = {"facts": without_facts, "state/m": with_text}


def test_no_fact_of_a_checkpoint_is_believed(digits: Dataset, clean_environment: None, tmp_path: Path) -> None:
    write_idx(tmp_path / "few", digits[:100])
    train = ["train", "--layers", "784,10", "--data", "few", "--epochs", "3"]
    assert many(tmp_path, [[*train, "--time-limit", "0"]])[0][0] == 0
    checkpoint = (tmp_path / "models" / "digitnet.h5.checkpoint").read_bytes()
    before = (tmp_path / "models" / "digitnet.h5").read_bytes()

    def with_bytes(name: str, place: int, content: bytes) -> bytes:
        forged = bytearray(checkpoint)

        def put(facts: Facts) -> None:
            start = facts["arrays"][name]["offset"] + place
            forged[start : start + len(content)] = content

        with_header(checkpoint, put)
        return sealed(bytes(forged))

    forged = {problem: with_header(checkpoint, change) for problem, change in CHECKPOINTS.items()}
    forged["v is negative"] = with_bytes("state/v", 3, b"\xbf")
    forged["t is [-1]"] = with_bytes("state/t", 0, b"\xff" * 8)
    forged["t is [9223372036854775807]"] = with_bytes("state/t", 0, b"\xff" * 7 + b"\x7f")
    forged["m holds a number that is not finite"] = with_bytes("state/m", 0, b"\xff" * 4)
    forged |= {f"{problem}  ": as_version_1(checkpoint, forge) for problem, forge in OLD_CHECKPOINTS.items()}
    commands = []
    for number, content in enumerate([*forged.values(), checkpoint, as_version_1(checkpoint)]):
        (tmp_path / f"{number}.h5.checkpoint").write_bytes(content)
        commands.append([*train, "--output", f"{number}.h5", "--resume"])
    *results, sound, old = many(tmp_path, commands)
    for (problem, _), (number, (code, out, err)) in zip(forged.items(), enumerate(results), strict=True):
        assert (code, out) in ((1, ""), (2, "")), problem
        assert f"{number}.h5.checkpoint" in err
        assert problem.strip() in err
        assert re.search("leave out --resume|train it again", err)
        assert err.count("\n") == 1
        assert not (tmp_path / f"{number}.h5").exists()
    assert (sound[0], sound[2], old[0], old[2]) == (0, "", 0, "")
    many(tmp_path, [train])
    whole = (tmp_path / "models" / "digitnet.h5").read_bytes()
    assert whole != before
    assert (tmp_path / f"{len(forged)}.h5").read_bytes() == (tmp_path / f"{len(forged) + 1}.h5").read_bytes() == whole
