"""Connected components, against SciPy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from digitnet.imaging.components import components


@given(mask=arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=30), elements=st.booleans()))
def test_pieces_are_scipys(mask: np.ndarray) -> None:
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    pieces = components(mask)
    assert len(pieces) == count
    assert len(set(zip(labels.ravel(), pieces.labels.ravel(), strict=True))) == len(np.unique(labels))
    assert pieces.areas.tolist() == [(pieces.labels == number).sum() for number in range(1, count + 1)]
    slices = ndimage.find_objects(pieces.labels)
    assert pieces.boxes.tolist() == [[rows.start, columns.start, rows.stop, columns.stop] for rows, columns in slices]


def test_pixels_of_chosen_pieces() -> None:
    mask = np.array([[1, 0, 1, 0, 1]], bool)
    assert components(mask).pixels(np.array([True, False, True])).tolist() == [[True, False, False, False, True]]


def test_a_spiral_is_one_piece() -> None:
    mask = np.ones((61, 61), bool)
    for ring in range(1, 30, 2):
        mask[ring, ring - 1 : 61 - ring] = mask[ring : 61 - ring, 60 - ring] = False
        mask[60 - ring, ring : 61 - ring] = mask[ring + 2 : 61 - ring, ring] = False
    assert len(components(mask)) == ndimage.label(mask, np.ones((3, 3)))[1]
