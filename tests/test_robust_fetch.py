"""Fetching as a process, from real servers on this machine that do their worst, and killed at any moment."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from digitnet.data import download
from tests.conftest import Run
from tests.server import mirror
from tests.test_fetch import NAMES, no_proxy_and_no_index, only_right_files, packed

__all__ = ["no_proxy_and_no_index", "packed"]  # fixtures

HURRIED = "from digitnet.data import download; download.STALL_SECONDS, download.TOTAL_SECONDS = 0.5, 2.0; "
HURRIED += "from digitnet.cli import main; main()"
"""``digitnet`` with less patience."""


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        ("missing", "Not Found"),
        ("redirect loop", "infinite loop"),
        ("redirect to nonsense", "Invalid IPv6 URL"),
        ("wrong content", "wrong content"),
        ("no length", ""),
        ("gzip bomb", "wrong content"),
        ("too little", "wrong content"),
        ("dies", "wrong content"),
        ("stalls", "timed out"),
        ("dribbles", "took longer than"),
        ("endless", "longer than it can be"),
    ],
)
@pytest.mark.usefixtures("clean_environment")
def test_a_bad_mirror_alone(behaviour: str, problem: str, packed: Path, tmp_path: Path) -> None:
    """A line for the mirror, one for the index, one for the end; nothing in the folder."""
    with mirror(packed, behaviour) as server:
        command = [sys.executable, "-c", HURRIED, "fetch", "--mirror", server.url]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        url = server.url
    if behaviour == "no length":  # its files are right nevertheless
        assert (result.returncode, result.stderr) == (0, "")
        return
    first, index, last = result.stderr.splitlines()
    assert (result.returncode, result.stdout) == (1, "")
    assert first.startswith(f"{url}: ")
    assert problem in first
    assert index.startswith("the package index: ")
    assert last.startswith("digitnet: could not get ")
    assert not list((tmp_path / "data").glob("*"))


@pytest.mark.parametrize("url", ["http://[::1/", "http://127.0.0.1:999999/", "http://a b/", "http://" + "x" * 99 + "/"])
def test_an_address_that_is_none_is_a_line(run: Run, url: str) -> None:
    result = run("fetch", "--mirror", url)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 3
    assert result.stderr.startswith(f"{url}: ")


def test_through_a_proxy(run: Run, mnist: Path, packed: Path, tmp_path: Path) -> None:
    """The server stands in for it: what it is asked for is a whole address."""
    with mirror(packed) as server:
        environment = os.environ | {"http_proxy": f"http://127.0.0.1:{server.server_port}"}
        result = run("fetch", "--mirror", "http://mnist.invalid/", env=environment)
        assert (result.returncode, result.stderr) == (0, "")
        assert server.asked == [f"http://mnist.invalid/{name}.gz" for name in NAMES]
    assert only_right_files(tmp_path / "data", mnist) == sorted(NAMES)
    dead = run("fetch", "--mirror", "http://mnist.invalid/", "--data", "x", env=environment)
    assert dead.returncode == 1
    assert dead.stderr.startswith("http://mnist.invalid/: Connection refused\n")


@pytest.mark.usefixtures("clean_environment")
def test_two_at_once_in_one_folder(mnist: Path, packed: Path, tmp_path: Path) -> None:
    with mirror(packed) as server:
        command = [sys.executable, "-m", "digitnet", "fetch", "--mirror", server.url]
        both = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        outputs = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(len(output.splitlines()) == 4 for output in outputs)
    assert only_right_files(tmp_path / "data", mnist) == sorted(NAMES)


@pytest.mark.parametrize("kills", [6, pytest.param(50, marks=pytest.mark.fuzz)])
@pytest.mark.usefixtures("clean_environment")
def test_killed_at_any_moment(mnist: Path, packed: Path, tmp_path: Path, kills: int) -> None:
    """The folder holds right files and, hidden, what a killed process was writing; the next one tidies up."""
    folder, rng, killed = tmp_path / "data", np.random.default_rng(1), 0
    with mirror(packed) as server:
        command = [sys.executable, "-m", "digitnet", "fetch", "--mirror", server.url]
        began = time.monotonic()
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        usual = time.monotonic() - began
        for _ in range(kills):
            if rng.random() < 0.5 or len(os.listdir(folder)) == len(NAMES):
                for name in os.listdir(folder):
                    (folder / name).unlink()
            with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as process:
                time.sleep(usual * rng.uniform(0.2, 1))
                process.kill()
                process.communicate()
            killed += process.returncode == -9
            for path in folder.iterdir():
                hidden = path.name.startswith(".") and path.name.endswith(".tmp")
                assert hidden or path.read_bytes() == (mnist / path.name).read_bytes()
        assert killed > kills / 2
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60).returncode == 0
    assert only_right_files(folder, mnist) == sorted(NAMES)


def test_what_a_killed_fetch_leaves_does_not_look_like_data(run: Run, tmp_path: Path) -> None:
    """``train`` fetches where there is nothing but that."""
    name = f".{next(iter(download.FILES))}.{os.uname().nodename}-1.tmp"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).touch()
    environment = os.environ | {"https_proxy": "http://127.0.0.1:9/"}
    result = run("train", "--layers", "784,10", env=environment)
    assert result.stderr.startswith("data: no data here yet, fetching MNIST\n")


def test_a_folder_that_cannot_be_written_is_found_before_the_download(run: Run, packed: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with mirror(packed) as server:
        result = run("fetch", "--mirror", server.url, "--data", "file/x")
        assert (result.returncode, server.asked) == (1, [])
    assert len(result.stderr.splitlines()) == 1
