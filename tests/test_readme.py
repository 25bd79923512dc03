"""The README's transcripts, run and compared to the character."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from digitnet.cli.train import RARE
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
TRANSCRIPT = re.compile(r"(<!-- figures vary -->\n)?```console\n(.*?)```", re.DOTALL)


@pytest.mark.usefixtures("clean_environment")
def test_transcripts(tmp_path: Path, mnist: Path) -> None:
    """All in one folder, one after the other; where figures vary from machine to machine, digits are not compared."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "data").mkdir()
    for file in mnist.glob("*-ubyte"):
        (tmp_path / "data" / file.name).symlink_to(file)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    compared = 0
    for vary, text in TRANSCRIPT.findall(README):
        for entry in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, expected = entry.partition("\n")
            shell = ["bash", "-c", f"exec 2>&1; {command}"]
            result = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
            said = result.stdout
            if vary:
                said, expected = (re.sub(r"[\d,]*\d", "0", part) for part in (said, expected))
            assert said == expected, command
            compared += 1
    assert compared >= 10


def test_the_table_of_rare_settings_is_that_of_the_code() -> None:
    for name, (_, default, meaning) in RARE.items():
        assert f"| `{name}` | {default} | {meaning} |" in README


def test_the_five_lines_are_those_of_the_package() -> None:
    import digitnet

    assert digitnet.__doc__
    lines = [line.strip() for line in digitnet.__doc__.splitlines() if line.startswith("    ")]
    assert "\n".join(lines) in README
    assert len(lines) == 5


def test_the_five_lines_run(tmp_path: Path, mnist: Path) -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code
    program = code[1].replace('"data"', repr(str(mnist)))
    program = program.replace('"my_digit.png"', repr(str(ROOT / "examples" / "7.png")))
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert result.stderr == ""
    assert result.stdout.splitlines()[-1] == "7"


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
