"""Distortions, against Pillow's and plain NumPy's arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from digitnet import Dataset, evaluate, load
from digitnet.data.augment import (
    AUGMENTATIONS,
    WORD,
    Augmentation,
    augment,
    sampling_grid,
    smoothing,
    warp,
    weighted_sum,
)
from digitnet.imaging.normalize import Binarization, binarize
from digitnet.types import UInt8Array
from tests.conftest import ROOT


def as_words(picture: UInt8Array) -> np.ndarray:
    """One group of eight times the same picture."""
    return np.repeat(picture.reshape(-1, 1), WORD, axis=1).view(np.uint64).reshape(1, 1, -1)


def as_picture(words: np.ndarray, shape: tuple[int, int]) -> UInt8Array:
    picture: UInt8Array = words.view(np.uint8).reshape(*shape, WORD)[..., 3]
    return picture


@given(count=st.integers(1, 40), seed=st.integers(0, 99))
def test_no_distortion_changes_nothing(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (count, 28, 28), np.uint8)
    pictures[:, [0, -1]] = pictures[:, :, [0, -1]] = 0
    same = augment(pictures, AUGMENTATIONS["none"], rng)
    # The last row and column lie a sixteenth of a pixel inwards, where there is a neighbour to look up.
    np.testing.assert_array_equal(same[:, :-1, :-1], pictures[:, :-1, :-1])


@given(bytes_=st.lists(st.binary(min_size=8, max_size=8), min_size=2, max_size=2), weight=st.integers(0, 256))
def test_words_are_weighed_byte_by_byte(bytes_: list[bytes], weight: int) -> None:
    one, other = (np.frombuffer(eight, np.uint64) for eight in bytes_)
    weights = np.array([weight], np.uint64)
    mixed = weighted_sum([(one, weights), (other, 256 - weights)]).view(np.uint8)
    expected = [(a * weight + b * (256 - weight)) // 256 for a, b in zip(*bytes_, strict=True)]
    assert mixed.tolist() == expected


@pytest.mark.parametrize("coefficients", [(1, 0, 1, 0, 1, 2), (1, 0, 0.5, 0, 1, -0.25), (0.75, 0.25, 2, -0.25, 1, 4)])
def test_warp_is_pillows_affine_transform(coefficients: tuple[float, ...], digits: Dataset) -> None:
    picture = digits.images[0]
    a, b, c, d, e, f = coefficients  # column, row and one -> column, then row
    row, column = np.mgrid[:28, :28].astype(np.float32)
    source = np.stack([d * column + e * row + f, a * column + b * row + c])[None]
    # Pillow counts from the corner of a pixel, we from its middle.
    offsets = (a, b, c + 0.5 - (a + b) / 2, d, e, f + 0.5 - (d + e) / 2)
    expected = Image.fromarray(picture).transform((28, 28), Image.Transform.AFFINE, offsets, Image.Resampling.BILINEAR)
    ours = as_picture(warp(as_words(picture), source, 28), (28, 28))
    assert picture.any()
    np.testing.assert_allclose(ours.astype(int), np.asarray(expected).astype(int), atol=255 / 16)


def test_each_amount_stays_within_its_limit_and_uses_it() -> None:
    row = np.mgrid[:28, :28][0]
    shifts = sampling_grid(4000, 28, 1, Augmentation(shift=2), np.random.default_rng(1))[:, 0] - row
    assert 1.99 < abs(shifts).max() <= 2.0001
    assert abs(shifts.mean()) < 0.1
    turned = sampling_grid(4000, 28, 1, Augmentation(rotation=10), np.random.default_rng(1))
    angles = np.degrees(np.arcsin(turned[:, 0, 0, 1] - turned[:, 0, 0, 0]))
    assert 9.9 < abs(angles).max() <= 10.01


def test_elastic_fields_are_smooth_and_of_the_size_asked_for() -> None:
    fields = sampling_grid(2000, 28, 1, Augmentation(elastic=3, smoothness=5), np.random.default_rng(1))
    fields = fields - np.mgrid[:28, :28]
    np.testing.assert_allclose(np.sqrt(np.square(fields).mean(axis=(0, 1))), 3, rtol=0.1)
    assert np.sqrt(np.square(np.diff(fields)).mean()) < 3 / 5
    np.testing.assert_allclose(np.square(smoothing(28, 1, 4)).sum(axis=1), 1, rtol=1e-5)


def test_strokes_become_thicker_and_thinner(digits: Dataset) -> None:
    ink = (digits.images[:100] > 127).mean()
    thicker = augment(digits.images[:100], Augmentation(thickness=1), np.random.default_rng(1))
    thinner = augment(digits.images[:100], Augmentation(thinness=1), np.random.default_rng(1))
    assert (thinner > 127).mean() < ink < (thicker > 127).mean()
    assert (thicker >= digits.images[:100])[:, :-1, :-1].all()
    assert (thinner <= digits.images[:100])[:, :-1, :-1].all()


def test_the_same_seed_draws_the_same(digits: Dataset) -> None:
    once, twice, other = (
        augment(digits.images[:100], AUGMENTATIONS["strong"], np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(once, twice)
    assert (once != other).any()


def test_distorted_digits_stay_what_they_are(digits: Dataset) -> None:
    model = load(ROOT / "models" / "pretrained.h5")
    light = augment(digits.images, AUGMENTATIONS["light"], np.random.default_rng(1))
    assert (light != digits.images).any(axis=(1, 2)).all()
    assert evaluate(model, replace(digits, images=light)).accuracy > 0.8


def test_finer_copies_are_enlarged_once(digits: Dataset) -> None:
    fine = augment(digits.images[:100], AUGMENTATIONS["none"], np.random.default_rng(1), 2)
    seen = (fine > 127).reshape(100, -1)
    assert (seen != binarize(digits.images[:100], Binarization(side=56))).mean() < 0.003
