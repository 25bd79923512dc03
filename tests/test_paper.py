"""Paper, its light and its noise, and what is left when they are gone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from scipy import ndimage

from digitnet import Dataset
from digitnet.arrays import Bytes
from digitnet.ink import normalize
from digitnet.paper import LARGEST, even_light, grey_levels, is_light_on_dark, local_maximum, otsu, reduce, stretch

GREYS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40))


def test_floats_from_0_to_1_are_levels() -> None:
    levels = np.full((30, 30), 0.9, np.float32)
    levels[5:25, 14:17] = 0.1
    assert grey_levels(Image.fromarray(levels)).max() == 229
    assert normalize(Image.fromarray(levels)).any()


@given(grey=GREYS, rows=st.integers(0, 9), columns=st.integers(0, 9))
def test_local_maximum_is_scipys(grey: Bytes, rows: int, columns: int) -> None:
    expected = ndimage.maximum_filter(grey, (2 * rows + 1, 2 * columns + 1), mode="constant")
    np.testing.assert_array_equal(local_maximum(grey, rows, columns), expected)


@given(grey=GREYS)
def test_even_light_is_scipys_closing(grey: Bytes) -> None:
    size = 2 * (max(grey.shape) // 4 + 1) + 1
    paper = ndimage.grey_closing(np.pad(grey, size), size)[size:-size, size:-size]
    np.testing.assert_array_equal(even_light(grey), paper - grey)


def test_light_that_falls_off_is_paper_and_a_stroke_is_not(digits: Dataset) -> None:
    slope = np.linspace(250, 90, 28)[:, None]
    for digit in digits.images[:20]:
        shaded = np.rint(slope * (1 - digit / 510)).astype(np.uint8)
        strength = even_light(shaded)
        assert strength[digit == 0].max() <= 10
        assert (strength[digit == 255] > 30).all()


@pytest.mark.parametrize("shape", [(3000, 2000), (2000, 3000), (401, 1), (1, 5000)])
def test_reduce_keeps_the_shape(shape: tuple[int, int]) -> None:
    small = reduce(np.full(shape, 77, np.uint8))
    assert max(small.shape) == LARGEST
    assert (small == 77).all()
    assert min(small.shape) == max(1, round(min(shape) * LARGEST / max(shape)))


def test_ink_is_what_departs_from_the_margin(digits: Dataset) -> None:
    for digit in digits.images[:50]:
        assert is_light_on_dark(digit)
        assert not is_light_on_dark(255 - digit)
        framed = 255 - digit
        framed[[0, -1]] = framed[:, [0, -1]] = 190
        assert not is_light_on_dark(framed), "a thin grey edge is no paper"


def test_the_polarity_can_be_told() -> None:
    grey = np.full((40, 40), 128, np.uint8)
    grey[8:32, 10:13], grey[8:32, 27:30] = 0, 255
    dark, light = (normalize(Image.fromarray(grey), polarity) > 127 for polarity in ("dark", "light"))
    assert dark.any()
    assert light.any()
    assert not (dark & light).all()


@given(levels=arrays(np.uint8, st.integers(1, 60), elements=st.integers(0, 8)))
def test_otsu_splits_best(levels: Bytes) -> None:
    """Against the definition: least variance within the two classes."""

    def within(threshold: int) -> float:
        classes = levels[levels <= threshold], levels[levels > threshold]
        return float(sum(part.var() * len(part) for part in classes if len(part)))

    assert within(otsu(levels)) == pytest.approx(min(map(within, range(9))))


def test_stretch_puts_the_threshold_halfway() -> None:
    strength = np.array([[10, 10, 60, 110, 110]], np.uint8)
    assert stretch(strength, 60).tolist() == [[0, 0, 102, 255, 255]]
    assert not stretch(strength, 200).any()
