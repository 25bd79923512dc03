"""Trial and error, automated: what comes of it, and that it can be cut off at any moment."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from digitnet import Dataset, DigitnetError, TrainingSettings
from digitnet.cli import search as command
from digitnet.training.search import BEST, SAMPLERS, Search, Trial, front
from digitnet.training.search_workers import TrialSettings
from tests.conftest import Run
from tests.test_datasets import write_idx

FEW = ["--epochs", "3", "--trials", "8"]
TRIAL = re.compile(
    r"trial (\d+): (?:stopped after epoch (\d) at )?(\d+\.\d\d)% misread, ([\d,]+) weights, (--layers .*)\n?"
)


@pytest.fixture
def data(tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Few digits, and one thread, with which their networks are trained as fast."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    write_idx(tmp_path / "few", digits[:200])
    return tmp_path / "few"


def trials(text: str) -> list[tuple[str, ...]]:
    found = [TRIAL.fullmatch(line) for line in text.splitlines()]
    return [match.groups() for match in found if match]


def test_the_best_is_what_train_makes_with_the_options_shown(run: Run, data: Path, tmp_path: Path) -> None:
    result = run("search", *FEW, "--data", data, "--seed", 4)
    assert result.returncode == 0
    tried = trials(result.stderr)
    assert [int(number) for number, *_ in tried] == list(range(1, 9))
    assert len({options for *_, options in tried}) == 8
    assert len(tried) == len(result.stderr.splitlines())
    head, *rows, made = result.stdout.splitlines()
    assert head == "misread    weights  options of digitnet train"
    whole = sorted(float(error) for _, stopped, error, *_ in tried if not stopped)
    assert [float(row.split("%")[0]) for row in rows] == whole[:BEST]
    assert made.startswith("models/digitnet.h5: Network(784 -> ")
    assert ", 45 epochs, " in made
    options = shlex.split(rows[0][rows[0].index("--layers") :])
    # A trial is a short run of the same kind.
    short = run("train", *options, "--data", data, "--seed", 4, "--epochs", 3, "--output", "short.h5").stdout
    assert float(short.split()[-1].rstrip("%")) == pytest.approx(100 - whole[0])
    assert run("train", *options, "--data", data, "--seed", 4, "--output", "again.h5").returncode == 0
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "models" / "digitnet.h5").read_bytes()


def start(folder: Path, *arguments: object, **options: Any) -> "subprocess.Popen[str]":
    line = [sys.executable, "-m", "digitnet", "search", *map(str, arguments)]
    return subprocess.Popen(line, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_killed_again_and_again_ends_with_the_same_answer(run: Run, data: Path, tmp_path: Path) -> None:
    arguments = [*FEW, "--data", data]
    whole = run("search", *arguments, "--output", "whole.h5")
    assert whole.returncode == 0
    again = [*arguments, "--output", "killed.h5"]
    heard: list[tuple[str, ...]] = []
    for moment in (1, 2, 3):  # trials that it is let end before
        with start(tmp_path, *again) as process:
            assert process.stderr is not None
            while len(heard) < sum(range(moment + 1)):
                heard += trials(process.stderr.readline())
            time.sleep(0.02 * moment)
            process.kill()
            heard += trials(process.stderr.read())
        assert process.returncode == -signal.SIGKILL
    with (tmp_path / "killed.h5.study").open("a") as journal:
        journal.write('{"op_code":5,"wor')  # as when the disk was full
    lock = tmp_path / "killed.h5.study.lock"
    lock.unlink(missing_ok=True)
    lock.symlink_to("killed.h5.study")  # as when it was killed while Optuna was writing
    with start(tmp_path, *again) as process:
        while not (tmp_path / "killed.h5.checkpoint").exists():
            time.sleep(0.002)
        process.kill()
        _, errors = process.communicate()
        heard += trials(errors)
    last = run("search", *again)
    assert last.stderr == "killed.h5.study: going on after 8 trials\n"
    assert last.stdout == whole.stdout.replace("whole.h5", "killed.h5")
    assert (tmp_path / "killed.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    # One that had ended may have been killed before it could say so; none was tried twice.
    assert len(heard) == len(set(heard))
    assert set(heard) <= set(trials(whole.stderr))
    assert not list(tmp_path.glob("*.lock*"))


def test_a_checkpoint_of_another_network_is_no_hindrance(run: Run, data: Path, tmp_path: Path) -> None:
    run("train", "--layers", "784,9,10", "--data", data, "--time-limit", "0")
    assert (tmp_path / "models" / "digitnet.h5.checkpoint").exists()
    result = run("search", "--epochs", 1, "--trials", 1, "--data", data)
    assert result.returncode == 0
    assert "784 -> 9 relu" not in result.stdout
    assert not (tmp_path / "models" / "digitnet.h5.checkpoint").exists()


def test_ctrl_c_says_how_to_go_on(data: Path, clean_environment: None, tmp_path: Path) -> None:
    with start(tmp_path, "--data", data, "--jobs", 2) as process:
        assert process.stderr is not None
        assert trials(process.stderr.readline())
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, "")
    *_, last = errors.splitlines()
    assert re.fullmatch(r"digitnet: interrupted after \d+ trials?; the same command goes on", last)
    assert not (tmp_path / "models" / "digitnet.h5").exists()


def its_workers(process: int) -> list[int]:
    """Numbers of the processes that train for another."""
    every = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in every if b"search_workers" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_ctrl_c_at_the_start_is_no_traceback(data: Path, clean_environment: None, tmp_path: Path) -> None:
    """A terminal sends it to all processes of a group; those that are just starting must not complain."""
    with start(tmp_path, "--data", data, start_new_session=True) as process:
        while not (started := its_workers(process.pid)):
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "digitnet: interrupted after 0 trials; the same command goes on\n"
    late = time.monotonic() + 30
    while Path(f"/proc/{started[0]}").exists():  # it finds the pipe closed
        assert time.monotonic() < late
        time.sleep(0.01)


def test_jobs_try_the_same_at_random(run: Run, data: Path) -> None:
    arguments = ["search", "--epochs", 1, "--trials", 5, "--data", data, "--sampler", "random"]
    one, two = run(*arguments, "--output", "1.h5"), run(*arguments, "--output", "2.h5", "--jobs", 2)
    assert (one.returncode, two.returncode) == (0, 0)
    options = [sorted(options for *_, options in trials(result.stderr)) for result in (one, two)]
    assert options[0] == options[1]


def test_evolution_shows_the_front_and_draws_it(run: Run, data: Path, tmp_path: Path) -> None:
    arguments = ["--sampler", "evolution", "--epochs", 3, "--trials", 24, "--jobs", 2, "--plot", "new/front.png"]
    result = run("search", "--data", data, *arguments)
    assert result.returncode == 0
    tried = trials(result.stderr)
    assert len({options for *_, options in tried}) == 24
    assert any(stopped for _, stopped, *_ in tried)
    pairs = {(float(error), int(weights.replace(",", ""))) for _, stopped, error, weights, _ in tried if not stopped}
    rows = [row.split() for row in result.stdout.splitlines()[1:-1]]
    shown = [(float(row[0].rstrip("%")), int(row[1].replace(",", ""))) for row in rows]
    assert shown == sorted(
        pair
        for pair in pairs
        if not any(other != pair and other[0] <= pair[0] and other[1] <= pair[1] for other in pairs)
    )
    with Image.open(tmp_path / "new" / "front.png") as picture:
        assert (picture.format, picture.size, picture.mode) == ("PNG", (720, 480), "L")
        assert picture.getextrema() == (0, 255)


def test_time_limit(run: Run, data: Path) -> None:
    result = run("search", "--data", data, "--time-limit", "5s", "--epochs", 2)
    assert result.returncode == 0
    tried = trials(result.stderr)
    assert result.stderr.splitlines()[-1] == f"time limit: stopped after {len(tried)} trials; the same command goes on"
    none = run("search", "--data", data, "--time-limit", "0", "--output", "other.h5")
    assert none.returncode == 1
    assert none.stderr.splitlines()[-1] == (
        "digitnet: other.h5.study: no trial has come to its end yet; the same command goes on"
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sampler": "random"}, "x.study is of a search with sampler tpe, not random; give the same settings"),
        ({"seed": 2}, "seed 1, not 2"),
        ({"epochs": 2}, "epochs 1, not 2"),
        ({"facts": {"validation": 0.2}}, "validation 0.1, not 0.2"),
    ],
)
def test_another_search_is_refused(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    path = tmp_path / "x.study"
    plan: dict[str, Any] = {"sampler": "tpe", "seed": 1, "epochs": 1, "facts": {"validation": 0.1}}
    Search(path, **plan).close()
    with pytest.raises(DigitnetError, match=problem):
        Search(path, **plan | change)
    Search(path, **plan).close()


@pytest.mark.parametrize(
    ("study", "problem"),
    [("few/train-labels-idx1-ubyte", "train-labels-idx1-ubyte: not a study; name"), ("few", "few: Is a directory")],
)
def test_what_is_no_study_stays_as_it_is(run: Run, data: Path, study: str, problem: str) -> None:
    before = {path: path.read_bytes() for path in data.iterdir()}
    result = run("search", "--data", data, "--study", study)
    assert (result.returncode, result.stdout, len(result.stderr.splitlines())) == (1, "", 1)
    assert problem in result.stderr
    assert {path: path.read_bytes() for path in data.iterdir()} == before


def test_a_damaged_study_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.study"
    with closing(Search(path, "tpe", 1, 1, {})), pytest.raises(DigitnetError, match="in use by another process"):
        Search(path, "tpe", 1, 1, {})
    whole = path.read_text()
    for damaged in (whole.replace("op_code", "op", 2)[:-40] + "\n", whole + "{}\n", whole + "no JSON\n" + whole):
        content = damaged if damaged.startswith('{"op_code":') else '{"op_code":' + damaged
        path.write_text(content)
        with pytest.raises(DigitnetError, match=r"not a sound study \(.*\); remove it, or name another --study"):
            Search(path, "tpe", 1, 1, {})
        assert path.read_text() == content
    path.write_text(whole)
    Search(path, "tpe", 1, 1, {}).close()


def tried(search: Search, count: int, rng: np.random.Generator) -> None:
    """So many trials, without training: what they misread is drawn."""
    for _ in range(count):
        attempt, error = search._begin(), float(rng.random())
        while search._hear(attempt, error):
            error *= 0.9


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """By its sampler, a small study, in which a trial was cut off."""
    folder, contents = tmp_path_factory.mktemp("journals"), {}
    for sampler, count in (("tpe", 8), ("evolution", 12)):
        with closing(Search(folder / sampler, sampler, 1, 3, {"validation": 0.1})) as search:
            tried(search, count, np.random.default_rng(1))
            search._begin()
        contents[sampler] = (folder / sampler).read_bytes()
    return contents


INTERESTING = b'0 -1 1 2.5 99999999999999999999 1e999 NaN null true "" [] {}'.split()
VALUE = re.compile(rb'(?<=:)(?:-?[\d.e-]+|"[^"]*"|true|false|null)')


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """A journal with bytes or values changed, or lines lost, doubled or in another order."""
    lines = content.splitlines(keepends=True)
    kind, first, second = rng.integers(6), *(int(place) for place in rng.integers(1, len(lines), 2))
    if kind == 0:
        lines[first], lines[second] = lines[second], lines[first]
    elif kind == 1:
        del lines[first]
    elif kind == 2:
        lines.insert(first, lines[second])
    elif kind == 3:
        changed = bytearray(content)
        for place in rng.integers(12, len(content), rng.integers(1, 9)):
            changed[place] = rng.integers(256)
        return bytes(changed)
    else:
        for number in (first, second)[: kind - 3]:
            found = list(VALUE.finditer(lines[number]))
            start, stop = found[rng.integers(len(found))].span()
            lines[number] = lines[number][:start] + INTERESTING[rng.integers(len(INTERESTING))] + lines[number][stop:]
    return b"".join(lines)


@pytest.mark.parametrize("sampler", ["tpe", "evolution"])
@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.fuzz)])
def test_a_damaged_study_is_a_line_or_goes_on(
    journals: dict[str, bytes], sampler: str, count: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, rng, lines = tmp_path / "x.study", np.random.default_rng(1), []
    for _ in range(count):
        path.write_bytes(damaged(journals[sampler], rng))
        try:
            with closing(Search(path, sampler, 1, 3, {"validation": 0.1})) as search:
                tried(search, 2, rng)
                assert all(0 <= trial.merit[0] <= 1 for trial in [*search.trials, *search.best(), *search.front()])
        except DigitnetError as error:
            lines.append(str(error))
    assert count * 0.4 < len(lines) < count * 0.9
    for line in lines:
        assert line.startswith(f"{path}")
        assert line.isprintable()
        assert "name another --study" in line
    assert capfd.readouterr() == ("", "")


def test_files_that_are_only_called_as_a_lock_stay(tmp_path: Path, journals: dict[str, bytes]) -> None:
    """As a study called uv in a project of uv's."""
    (tmp_path / "uv").write_bytes(journals["tpe"])
    (tmp_path / "uv.lock").write_text("version = 1\n")
    (tmp_path / "uv.lock2").symlink_to("elsewhere")
    (tmp_path / "uv.lock1234.rename").symlink_to("uv")  # Optuna's own, of a process that was killed
    began = time.monotonic()
    with closing(Search(tmp_path / "uv", "tpe", 1, 3, {"validation": 0.1})) as search:
        tried(search, 1, np.random.default_rng(2))
    assert time.monotonic() - began < 10  # Optuna would wait for half a minute, and then remove it
    assert (tmp_path / "uv.lock").read_text() == "version = 1\n"
    assert {path.name for path in tmp_path.iterdir()} == {"uv", "uv.lock", "uv.lock2"}


def test_a_worker_that_is_killed_is_missed(tmp_path: Path, digits: Dataset) -> None:
    def kill() -> None:
        while not (started := its_workers(os.getpid())):
            time.sleep(0.01)
        os.kill(started[0], signal.SIGKILL)

    with closing(Search(tmp_path / "x.study", "random", 1, 1000, {})) as search:
        Thread(target=kill).start()
        with pytest.raises(DigitnetError, match="a process was killed; the same command goes on"):
            list(search.go(digits[:1900], digits[1900:], 2, None, 1))


def test_usage(run: Run, data: Path) -> None:
    result = run("search", "--data", data, "--validation-split", 0)
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert "a search needs digits to measure on" in result.stderr
    assert tuple(SAMPLERS) == command.SAMPLERS


def test_without_optuna(tmp_path: Path) -> None:
    code = "import sys; sys.modules['optuna'] = None; from digitnet.cli import main; main()"

    def digitnet(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True)

    result = digitnet("search")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "digitnet: searching needs Optuna; pip install 'digitnet[search]' brings it\n"
    assert list(tmp_path.iterdir()) == []
    assert digitnet("search", "--help").returncode == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5))))
def test_front(pairs: list[tuple[int, int]]) -> None:
    every = [
        Trial(TrialSettings(("784", str(width), "10"), "relu", TrainingSettings(), 1), (1.0, error / 5), False)
        for error, width in pairs
    ]
    chosen = [trial.merit for trial in front(every)]
    assert chosen == sorted(set(chosen))
    for trial in every:
        assert any(error <= trial.merit[0] and weights <= trial.merit[1] for error, weights in chosen)
    for one in chosen:
        assert sum(error <= one[0] and weights <= one[1] for error, weights in chosen) == 1
