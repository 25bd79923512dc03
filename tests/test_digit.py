"""Which of the ink is the digit."""

import numpy as np
import pytest
from PIL import Image

from digitnet import Dataset
from digitnet.imaging.cleanup import PEN, keep_main_component, thicken, without_frame
from digitnet.imaging.preprocess import otsu
from digitnet.types import UInt8Array


def enlarged(digit: UInt8Array) -> UInt8Array:
    size = digit.shape[1] * 8, digit.shape[0] * 8
    return np.asarray(Image.fromarray(digit).resize(size, Image.Resampling.BILINEAR))


def boxed(strength: UInt8Array, *sides: str, faint: float = 1.0) -> UInt8Array:
    """A digit within two thin black lines on each side named."""
    frame = np.pad((strength * faint).astype(np.uint8), 30)
    for side in sides:
        for at in (5, 10):
            lines = {"top": frame[at : at + 2], "bottom": frame[-at - 2 : -at]}
            lines |= {"left": frame[:, at : at + 2], "right": frame[:, -at - 2 : -at]}
            lines[side][...] = 255
    return frame


def without(strength: UInt8Array) -> UInt8Array:
    """One picture without its frame."""
    return without_frame(strength[..., None], otsu(strength[..., None]))[..., 0]


@pytest.mark.parametrize(
    "sides", [("top",), ("left",), ("left", "right"), ("left", "bottom"), ("top", "bottom", "left", "right")]
)
def test_frames_go_and_digits_stay(digits: Dataset, sides: tuple[str, ...]) -> None:
    for digit in digits.images[:20]:
        pencil = enlarged(digit)
        rest = without(boxed(pencil, *sides, faint=0.4))
        np.testing.assert_array_equal(rest[30:-30, 30:-30], (pencil * 0.4).astype(np.uint8))
        edge = rest.copy()
        edge[30:-30, 30:-30] = 0
        assert not edge.any()


def test_a_line_that_the_digit_touches_goes_and_the_digit_stays(digits: Dataset) -> None:
    for digit in digits.images[np.isin(digits.labels, [1, 4, 7, 9])][:30]:  # they stand on a stem
        pencil = enlarged(digit)
        lowest = np.nonzero((pencil > 127).any(axis=1))[0].max()
        if lowest < 190:  # too far from the edge for a frame
            continue
        ruled = pencil.copy()
        ruled[lowest - 4 : lowest, :] = ruled[:, 5:9] = 255
        rest = without(ruled)
        np.testing.assert_array_equal(rest[30 : lowest - 10, 30:-30], pencil[30 : lowest - 10, 30:-30])
        assert not rest[:, :20].any()
        assert not rest[lowest - 4 : lowest].any()


def test_a_digit_alone_is_no_frame(digits: Dataset) -> None:
    for digit in digits.images[:500]:
        rows, columns = np.nonzero(digit)
        tight = enlarged(digit[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1])
        np.testing.assert_array_equal(without(tight), tight)


def test_specks_and_far_pieces_go_and_near_ones_stay() -> None:
    strength = np.zeros((100, 100), np.uint8)
    strength[30:70, 40:60] = 200  # the digit
    strength[22:26, 40:60] = 180  # its bar
    strength[14:18, 40:60] = 180  # and what is near that one
    strength[80:82, 80:82] = 255  # a speck
    strength[0:100, 0:3] = 255  # an edge
    blank = np.zeros_like(strength)
    stack = np.stack([blank, strength, blank], axis=-1)
    kept = keep_main_component(stack, otsu(stack))[0][..., 1]
    assert kept[30:70, 40:60].all()
    assert kept[22:26, 40:60].all()
    assert kept[14:18, 40:60].all()
    assert not kept[80:82, 80:82].any()
    assert not kept[:, 0:3].any()


@pytest.mark.parametrize("side", [20, 80, 300])
@pytest.mark.parametrize("width", [1, 2])
def test_hairlines_become_as_thick_as_a_pen(side: int, width: int) -> None:
    strength = np.zeros((side, side), np.uint8)
    strength[:, :width] = strength[:, -width:] = 255
    thick = thicken(strength[..., None])[0]
    middle = thick[len(thick) // 2] > 127
    assert middle.sum() / 2 / len(thick) == pytest.approx(max(PEN, width / side), rel=0.35)


def test_thick_strokes_stay() -> None:
    strength = np.zeros((100, 100), np.uint8)
    strength[:, 40:60] = 255
    np.testing.assert_array_equal(thicken(strength[..., None])[0], strength)
