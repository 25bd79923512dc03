"""LibSVM data that are none: one line, and nothing from NumPy beside it."""

from pathlib import Path

import pytest

from digitnet import DigitnetError
from digitnet.data.libsvm import read_libsvm
from tests.test_robust_files import many

LINES = {
    "1e39": "a value that is not between 0 and 255",
    "-1e39": "a value that is not between 0 and 255",
    "1e999": "a value that is not between 0 and 255",
    "nan": "a value that is not between 0 and 255",
    "1e-50": None,
    "9" * 400: "a value that is not between 0 and 255",
    "9" * 5000: "a value that is not between 0 and 255",
    "x": "not a label and pairs",
}


@pytest.mark.parametrize("value", LINES, ids=lambda value: value[:9])
def test_a_value_that_is_none(tmp_path: Path, value: str) -> None:
    (tmp_path / "x").write_text(f"3 1:1 2:{value}\n")
    problem = LINES[value]
    if problem is None:
        read_libsvm(tmp_path / "x")
        return
    with pytest.raises(DigitnetError, match=f"x, line 1: {problem}"):
        read_libsvm(tmp_path / "x")


def test_nothing_is_printed_beside_the_line(tmp_path: Path) -> None:
    texts = ["1e39 1:0", "1 1e39:1", "1 1:1e39", "1 99999999999999999999:1", "1 -1:1", "1 :1", "1 1:1:1", "inf 1:1"]
    for number, text in enumerate(texts):
        (tmp_path / str(number)).write_text(f"3 1:1\n{text}\n")
    results = many(tmp_path, [["eval", "--data", str(number)] for number in range(len(texts))])
    for number, (code, out, err) in enumerate(results):
        assert (code, out) == (1, "")
        assert err.startswith(f"digitnet: {number}, line 2: ")
        assert err.count("\n") == 1
