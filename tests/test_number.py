"""Several digits in one picture."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitnet import Dataset, Recognizer, load
from digitnet.imaging.segmentation import DetectedDigit, find_digits
from digitnet.types import UInt8Array
from tests.conftest import ROOT, Run

SIZE = 84


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer(load(ROOT / "models" / "pretrained.h5"))


def sheet(digits: UInt8Array, rows: int, slope: float = 0.0, step: int = 90) -> Image.Image:
    """Digits dark on light, in rows of equal length, drifting down by ``slope`` pixels a pixel."""
    columns = len(digits) // rows
    paper = np.full((rows * 120 + 60 + int(slope * columns * step), columns * step + 60), 230, np.uint8)
    for index, digit in enumerate(digits):
        row, column = divmod(index, columns)
        ink = np.asarray(Image.fromarray(digit).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
        top, left = 30 + row * 120 + int(slope * column * step), 30 + column * step
        place = paper[top : top + SIZE, left : left + SIZE]
        place[...] = np.minimum(place, 230 - 0.8 * ink)
    return Image.fromarray(paper)


@pytest.mark.parametrize("slope", [0.0, 0.1])
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_digits_are_found_in_reading_order(digits: Dataset, recognizer: Recognizer, rows: int, slope: float) -> None:
    right, total = 0, 0
    for start in range(0, 240, 6 * rows):
        some = digits[start : start + 6 * rows]
        lines = find_digits(sheet(some.images, rows, slope))
        assert [len(line) for line in lines] == [6] * rows
        read = recognizer.predict([found.grey for line in lines for found in line])
        right += sum(one.digit == label for one, label in zip(read, some.labels, strict=True))
        total += len(some)
        for row, line in enumerate(lines):
            lefts = [found.box[0] for found in line]
            assert lefts == sorted(lefts)
            for column, found in enumerate(line):
                left, top, right_, bottom = found.box
                at = 30 + row * 120 + slope * column * 90
                assert at - 2 <= top < bottom <= at + SIZE + 2
                assert 28 + column * 90 <= left < right_ <= 32 + column * 90 + SIZE
    assert right / total > 0.96


def test_digits_that_touch_are_cut_where_the_network_likes_it(digits: Dataset, recognizer: Recognizer) -> None:
    right = 0
    for start in range(0, 200, 2):
        pair = digits[start : start + 2]
        inked = [digit[:, digit.any(axis=0)] for digit in pair.images]
        both = np.concatenate(inked, axis=1)
        strength = np.asarray(Image.fromarray(both).resize((both.shape[1] * 4, 112), Image.Resampling.BILINEAR))
        (parts,) = recognizer._apart([DetectedDigit((0, 0, both.shape[1], 28), strength[strength.any(axis=1)], 0.25)])
        right += [one.digit for _, one in parts] == pair.labels.tolist()
    assert right > 50


def test_a_stroke_belongs_to_the_digit_beside_it() -> None:
    paper = np.full((200, 300), 255, np.uint8)
    paper[60:150, 40:50] = paper[60:150, 200:210] = 0
    paper[45:52, 45:90] = 0  # a bar that hangs over the first
    paper[180:183, 120:123] = 0  # a speck
    (line,) = find_digits(Image.fromarray(paper))
    assert [found.box for found in line] == [(40, 45, 90, 150), (200, 60, 210, 150)]


def winding(side: int, step: int) -> UInt8Array:
    """One line that goes from side to side all the way down."""
    paper = np.full((side, side), 255, np.uint8)
    paper[::step] = 0
    paper[:, -1] = paper[:, 0] = 0
    for turn, top in enumerate(range(1, side, step)):
        paper[top : top + step - 1, -1 if turn % 2 else 0] = 255
    return paper


DOWN, ACROSS = np.indices((1600, 1600))
HARD: dict[str, np.ndarray] = {
    **{f"ruled-{step}": DOWN % step > 0 for step in (2, 4, 8, 50)},
    **{f"upright-{step}": ACROSS % step > 0 for step in (2, 4, 50)},
    **{f"winding-{step}": winding(1600, step) > 0 for step in (2, 4, 20)},
    **{f"checkers-{side}": (DOWN // side + ACROSS // side) % 2 > 0 for side in (1, 2, 8, 40)},
    **{f"grid-{step}": (DOWN % step > 0) & (ACROSS % step > 0) for step in (4, 10, 40)},
    **{f"dots-{step}": (DOWN % step >= step // 2) | (ACROSS % step >= step // 2) for step in (3, 20, 50)},
    **{f"slanted-{step}": (DOWN + ACROSS) % step > 2 for step in (9, 20, 60)},
    "zigzag": (abs(DOWN % 40 - 20) + ACROSS) % 12 > 2,
    "bars": (DOWN % 16 > 11) | (ACROSS % 150 > 90),
    "beads": (DOWN % 40 > 20) & (ACROSS % 3 + DOWN % 3 > 0),
    **{f"noise-{share}": np.random.default_rng(1).random((1600, 1600)) > share for share in (0.02, 0.4, 0.6)},
    "large": np.arange(100_000_000).reshape(10_000, 10_000) // 10_000 % 50 > 9,
}


def test_a_page_of_lines_grids_or_noise_is_given_up_or_read(run: Run, tmp_path: Path) -> None:
    """They took from seconds to minutes each."""
    for name, paper in HARD.items():
        Image.fromarray(paper.astype(np.uint8) * 255).save(tmp_path / f"{name}.png", compress_level=1)
    result = run("predict", "--number", ".", "--jobs", 1, timeout=60)
    reasons = "more than 1,000 marks; cut the picture down|lines run across the picture; cut it down"
    assert all(re.search(reasons, line) for line in result.stderr.splitlines())
    answered = {line.partition("\t")[0] for line in result.stdout.splitlines()}
    refused = {line.partition(":")[0] for line in result.stderr.splitlines()}
    assert answered | refused == {f"./{name}.png" for name in HARD}
    assert len(refused) > 5


def test_the_command_line(run: Run, digits: Dataset, recognizer: Recognizer, tmp_path: Path) -> None:
    sheet(digits.images[:6], 2).save(tmp_path / "six.png")
    Image.new("L", (50, 50), 255).save(tmp_path / "blank.png")
    text = "".join(map(str, digits.labels[:6]))
    assert run("predict", "--number", "six.png").stdout == f"{text[:3]}\n{text[3:]}\n"
    rows = [line.split("\t") for line in run("predict", "--number", ".").stdout.splitlines()]
    assert [row[:2] for row in rows] == [["./blank.png", "?"], ["./six.png", text[:3]], ["./six.png", text[3:]]]
    blank, six = map(json.loads, run("predict", "--number", ".", "--format", "jsonl").stdout.splitlines())
    assert six.pop("model") == blank.pop("model") == recognizer.model.sha256[:8]
    assert blank == {"path": "./blank.png", "lines": [], "digits": [], "reason": "no ink found"}
    assert six["lines"] == [text[:3], text[3:]]
    assert "".join(str(digit["digit"]) for digit in six["digits"]) == text
    assert all(len(digit["box"]) == 4 and len(digit["confidences"]) == 10 for digit in six["digits"])
    unsure = run("predict", "--number", "six.png", "--min-confidence", "1").stdout
    assert set(unsure) <= set("?\n" + text)
    assert run("predict", "--number", "six.png", "--save-stages", "x").returncode == 2
