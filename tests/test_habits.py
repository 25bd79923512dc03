"""What a habit adds, and what it leaves alone."""

import numpy as np

from digitnet import Dataset
from digitnet.data.style_variants import add_style_variants


def test_only_ones_sevens_and_nines_change(digits: Dataset) -> None:
    few = digits[:500]
    changed = add_style_variants(few.images, few.labels, 1, np.random.default_rng(1))
    others = ~np.isin(few.labels, [1, 7, 9])
    np.testing.assert_array_equal(changed[others], few.images[others])
    ink, before = ((images[~others] > 127).sum(axis=(1, 2)) for images in (changed, few.images))
    assert (ink >= before - 2).all(), "strokes are added, none goes but over the edge"
    assert (ink > before).mean() > 0.8


def test_the_digit_stays_centred(digits: Dataset) -> None:
    few = digits[:300]
    changed = add_style_variants(few.images, few.labels, 1, np.random.default_rng(1)).astype(float)
    for axis in (1, 2):
        mass = changed.sum(axis=3 - axis)
        assert (abs(mass @ np.arange(28) / mass.sum(axis=1) - 14) < 1).all()


def test_a_share_of_them_changes(digits: Dataset) -> None:
    changed = add_style_variants(digits.images, digits.labels, 0.3, np.random.default_rng(1))
    differ = (changed != digits.images).any(axis=(1, 2))
    assert 0.2 < differ[digits.labels == 1].mean() < 0.4
