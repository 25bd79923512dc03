"""Many pictures, shared among processes: in order, as they are known, and nobody left behind."""

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitnet import Dataset
from digitnet.imaging.image_files import save_grey
from digitnet.parallel import parallel_map
from tests.conftest import EXAMPLES, Run

SEVEN = EXAMPLES / "7.png"


def start(folder: Path, *arguments: object) -> "subprocess.Popen[str]":
    """``digitnet predict`` in a process group of its own, as a shell would."""
    command = [sys.executable, "-m", "digitnet", "predict", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def group(leader: int) -> list[int]:
    """The processes of a group that are alive."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(its_group) == leader and state != "Z":
            found.append(int(path.parent.name))
    return found


def ends(leader: int) -> bool:
    """Whether all processes of a group end within seconds."""
    until = time.monotonic() + 5
    while group(leader) and time.monotonic() < until:
        time.sleep(0.02)
    return not group(leader)


@given(items=st.lists(st.none() | st.integers(), max_size=60), sizes=st.lists(st.integers(1, 9), min_size=1))
def test_results_are_in_the_order_of_the_items(items: list[int | None], sizes: list[int]) -> None:
    """However many of a batch there was time for, and wherever the items have to be waited for."""
    turns = iter(sizes * 100)

    def work(batch: list[int]) -> tuple[list[int], list[int]]:
        done = next(turns)
        return [2 * item for item in batch[:done]], batch[done:]

    results = [result for batch in parallel_map(work, iter(items), 1) for result in batch]
    assert results == [2 * item for item in items if item is not None]


@pytest.mark.parametrize("jobs", [2, 3, None])
def test_results_of_processes_are_in_the_order_of_the_items(jobs: int | None) -> None:
    def items() -> Iterator[int | None]:
        for item in range(300):
            yield item
            if item % 37 == 0:
                yield None

    def work(batch: list[int]) -> tuple[list[int], list[int]]:
        done = 1 + batch[0] % 5
        time.sleep(0.002 * (batch[0] % 3))
        return [-item for item in batch[:done]], batch[done:]

    assert [result for batch in parallel_map(work, items(), jobs) for result in batch] == [-item for item in range(300)]


def test_any_number_of_processes_answers_the_same(run: Run, digits: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    folder.mkdir()
    for number, digit in enumerate(digits.images[:700]):
        save_grey(folder / f"{number:03}.png", digit)
    for number in range(0, 700, 50):
        (folder / f"{number:03}.png").write_text("no picture")
    for options in ([], ["--show"], ["--number"], ["--min-confidence", "0.9"]):
        one, two = (run("predict", "digits", "--format", "jsonl", *options, "--jobs", jobs) for jobs in (1, 2))
        assert one.returncode == two.returncode == 1
        assert one.stderr == two.stderr
        assert one.stdout.count("\n") == two.stdout.count("\n") == 700
        for first, second in zip(one.stdout.splitlines(), two.stdout.splitlines(), strict=True):
            # In another company, sums may be added up in another order.
            assert json.loads(first) == json.loads(
                second, parse_float=lambda text: pytest.approx(float(text), abs=2e-6)
            )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_stops_all_at_once(tmp_path: Path, jobs: str) -> None:
    with start(tmp_path, "--files-from", "-", "--jobs", jobs) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{SEVEN}\n" * 2000)
        process.stdin.flush()
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "digitnet: interrupted\n")
    assert ends(process.pid)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_nobody_is_left_behind(tmp_path: Path, end: int | None) -> None:
    """When the first process is killed, or nobody wants its answers any more."""
    with start(tmp_path, "--files-from", "-", "--jobs", "2") as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        for _ in range(30):
            process.stdin.write(f"{SEVEN}\n" * 100)
        process.stdin.flush()
        process.stdout.readline()
        assert len(group(process.pid)) == 3
        if end:
            process.send_signal(end)
        process.stdout.close()
        errors = process.stderr.read()
        process.stdin.close()
        process.wait(timeout=30)
    said = {signal.SIGKILL: (-9, ""), signal.SIGTERM: (143, "digitnet: interrupted\n")}
    assert (process.returncode, errors) == (said[signal.Signals(end)] if end else (0, ""))
    assert ends(process.pid)


def test_a_process_that_is_ended_from_outside_is_a_line(tmp_path: Path) -> None:
    with start(tmp_path, "--files-from", "-", "--jobs", "2") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{SEVEN}\n" * 100)
        process.stdin.flush()
        process.stdout.readline()
        os.kill(next(child for child in group(process.pid) if child != process.pid), signal.SIGKILL)
        _, errors = process.communicate(f"{SEVEN}\n" * 5000, timeout=30)
    assert process.returncode == 1
    assert ends(process.pid)
    assert errors == "digitnet: a process of --jobs was ended from outside; if memory is short, try fewer\n"


def test_max_pixels(run: Run, tmp_path: Path) -> None:
    for side in (200, 201):
        save_grey(tmp_path / f"{side}.png", np.full((side, 200), 255, np.uint8))
    result = run("predict", ".", "--max-pixels", "40000", "--jobs", "2")
    assert result.stdout == "./200.png\t?\t0.0000\n"
    assert result.stderr == "./201.png: more than 40,000 pixels; --max-pixels allows more\n"
    assert result.returncode == 1
    bomb = tmp_path / "bomb.png"
    content = bytearray((tmp_path / "200.png").read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2  # what it claims
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    bomb.write_bytes(content)
    assert "100,000,000 pixels" in run("predict", bomb).stderr
    assert "100,000,000 pixels" in run("predict", bomb, "--number").stderr


def test_a_bar_on_a_terminal_and_nowhere_else(run: Run, clean_environment: None, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{SEVEN}\n" * 2000)
    command = f"{sys.executable} -m digitnet predict --files-from list --jobs 1 > out"
    terminal = ["script", "-qec", f"stty rows 40 cols 120; {command}", "/dev/null"]
    shown = subprocess.run(terminal, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=True).stdout
    assert "/2000 [" in shown
    assert "picture/s" in shown
    assert (tmp_path / "out").read_text().count("\n") == 2000
    assert run("predict", *[SEVEN] * 9).stderr == ""
