"""The wheel and the sdist hold what they should, and the wheel works on its own."""

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from digitnet import __version__
from tests.conftest import EXAMPLES, ROOT

pytestmark = pytest.mark.dist
WHEEL = ROOT / "dist" / f"digitnet-{__version__}-py3-none-any.whl"
SDIST = ROOT / "dist" / f"digitnet-{__version__}.tar.gz"


def committed() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.splitlines())


def test_wheel_holds_the_package_and_the_model() -> None:
    with zipfile.ZipFile(WHEEL) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {name for name in committed() if name.startswith("digitnet/")}
    assert names == modules | {"digitnet/pretrained.h5"}


def test_sdist_holds_what_is_committed() -> None:
    with tarfile.open(SDIST) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    outside = {".ci/run", ".pre-commit-config.yaml"}
    assert names - {"PKG-INFO"} == committed() - outside


def test_the_package_index_shows_links_that_lead_somewhere() -> None:
    with zipfile.ZipFile(WHEEL) as archive:
        metadata = archive.read(f"digitnet-{__version__}.dist-info/METADATA").decode()
        assert {f"digitnet-{__version__}.dist-info/licenses/{name}" for name in ("LICENSE", "models/LICENSE")} <= set(
            archive.namelist()
        )
    links = re.findall(r"\]\(([^)#]+)\)", metadata)
    base = "https://github.com/digitnet/digitnet/blob/main/"
    assert [link for link in links if not link.startswith("https://")] == []
    assert all((ROOT / link.removeprefix(base)).exists() for link in links if link.startswith(base))
    assert "Project-URL: Homepage, https://github.com/digitnet/digitnet" in metadata
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_wheel_works_elsewhere(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    folder = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run([folder / "pip", "install", "--quiet", WHEEL], check=True)
    command = [str(folder / "digitnet"), "predict", str(EXAMPLES / "7.png")]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "7\n"
