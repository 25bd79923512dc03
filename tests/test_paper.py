"""Paper, its light and its noise, and what is left when they are gone."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage

from digitnet import Dataset
from digitnet.imaging.normalize import normalize
from digitnet.imaging.preprocess import (
    LARGEST,
    denoise,
    dilate,
    grey_levels,
    is_light_on_dark,
    otsu,
    reduce,
    scaled,
    stretch,
    subtract_background,
)
from digitnet.imaging.stacks import unstack
from digitnet.types import UInt8Array

STACKS = arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3)))


def test_floats_from_0_to_1_are_levels() -> None:
    levels = np.full((30, 30), 0.9, np.float32)
    levels[5:25, 14:17] = 0.1
    assert np.asarray(grey_levels(Image.fromarray(levels))).max() == 229
    assert normalize(Image.fromarray(levels)).any()


@given(grey=STACKS, rows=st.integers(0, 9), columns=st.integers(0, 9))
def test_local_maximum_is_scipys(grey: UInt8Array, rows: int, columns: int) -> None:
    expected = ndimage.maximum_filter(grey, (2 * rows + 1, 2 * columns + 1, 1), mode="constant")
    np.testing.assert_array_equal(dilate(grey, rows, columns), expected)


def test_grain_is_blurred_in_larger_pictures_only() -> None:
    rng = np.random.default_rng(1)
    small, large = (rng.integers(0, 256, (side, 40, 2), np.uint8) for side in (59, 60))
    assert denoise(small) is small
    blur = np.outer([1, 2, 1], [1, 2, 1])[..., None] / 16
    expected = ndimage.convolve(large.astype(float), blur, mode="nearest")
    np.testing.assert_array_equal(denoise(large), np.floor(expected + 0.5))


@given(grey=STACKS)
def test_even_light_is_scipys_closing(grey: UInt8Array) -> None:
    size = 2 * (max(grey.shape[:2]) // 4 + 1) + 1
    around = ((size, size), (size, size), (0, 0))
    paper = ndimage.grey_closing(np.pad(grey, around), (size, size, 1))[size:-size, size:-size]
    np.testing.assert_array_equal(subtract_background(grey), paper - grey)


def test_light_that_falls_off_is_paper_and_a_stroke_is_not(digits: Dataset) -> None:
    slope = np.linspace(250, 90, 28)[:, None]
    for digit in digits.images[:20]:
        shaded = np.rint(slope * (1 - digit / 510)).astype(np.uint8)
        strength = subtract_background(shaded[..., None])[..., 0]
        assert strength[digit == 0].max() <= 10
        assert (strength[digit == 255] > 30).all()


@pytest.mark.parametrize("shape", [(3000, 2000), (2000, 3000), (401, 1), (1, 5000)])
def test_reduce_keeps_the_shape(shape: tuple[int, int]) -> None:
    small = np.asarray(reduce(Image.new("L", shape[::-1], 77)))
    assert max(small.shape) == LARGEST
    assert (small == 77).all()
    assert min(small.shape) == max(1, round(min(shape) * LARGEST / max(shape)))


def test_ink_is_what_departs_from_the_margin(digits: Dataset) -> None:
    light = digits.images[:50].transpose(1, 2, 0)
    assert is_light_on_dark(light).all()
    assert not is_light_on_dark(255 - light).any()
    framed = 255 - light
    framed[[0, -1]] = framed[:, [0, -1]] = 190
    assert not is_light_on_dark(framed).any(), "a thin grey edge is no paper"


def test_neither_a_frame_nor_the_edge_of_a_tight_cut_is_paper(digits: Dataset) -> None:
    for digit in digits.images[:100]:
        boxed = 255 - np.kron(digit, np.ones((2, 2), np.uint8))
        boxed[2:5] = boxed[-5:-2] = boxed[:, 2:5] = boxed[:, -5:-2] = 0
        assert not is_light_on_dark(boxed[..., None])
    tight = [digit[digit.any(axis=1)][:, digit.any(axis=0)] for digit in digits.images[:400]]
    wrong = [not is_light_on_dark(digit[..., None]) for digit in tight]
    assert np.mean(wrong) < 0.02


def test_the_polarity_can_be_told() -> None:
    grey = np.full((40, 40), 128, np.uint8)
    grey[8:32, 10:13], grey[8:32, 27:30] = 0, 255
    dark, light = (normalize(Image.fromarray(grey), polarity) > 127 for polarity in ("dark", "light"))
    assert dark.any()
    assert light.any()
    assert not (dark & light).all()


@given(
    levels=arrays(np.uint8, st.tuples(st.integers(1, 60), st.just(1), st.integers(1, 3)), elements=st.integers(0, 8))
)
def test_otsu_splits_best(levels: UInt8Array) -> None:
    """Against the definition: least variance within the two classes."""

    def within(picture: UInt8Array, threshold: int) -> float:
        classes = picture[picture <= threshold], picture[picture > threshold]
        return float(sum(part.var() * len(part) for part in classes if len(part)))

    for picture, threshold in zip(levels[:, 0].T, otsu(levels), strict=True):
        assert within(picture, threshold) == pytest.approx(min(within(picture, level) for level in range(9)))


def test_stretch_puts_the_threshold_halfway() -> None:
    strength = np.array([[10, 10, 60, 110, 110], [10, 10, 10, 10, 10]], np.uint8).T[None]
    both = stretch(strength.transpose(0, 1, 2), np.array([60, 60]))
    assert both[0].T.tolist() == [[0, 0, 102, 255, 255], [0, 0, 0, 0, 0]]


@given(
    levels=arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 3))),
    longer=st.integers(1, 90),
    method=st.sampled_from([Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC]),
)
@example(levels=np.full((3, 28, 1), 255, np.uint8), longer=20, method=Image.Resampling.BOX)
def test_scaled_is_pillows_resize(levels: UInt8Array, longer: int, method: Image.Resampling) -> None:
    assume(method == Image.Resampling.BOX or longer >= max(levels.shape[:2]))  # the chain only enlarges with the others
    ours = scaled(levels, longer, method)
    height, width = ours.shape[:2]
    assert max(height, width) == longer
    for picture, own in zip(unstack(levels), unstack(ours), strict=True):
        theirs = Image.fromarray(picture).resize((width, height), method)
        np.testing.assert_allclose(own.astype(int), np.asarray(theirs, int), atol=2)  # Pillow's weights have 22 bits
