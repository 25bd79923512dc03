"""Connected components: which pixels of a mask hang together, in NumPy and without a loop over pixels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Components:
    """The pieces of a mask.

    Attributes:
        labels: (height, width) int, 0 outside, 1 to n in the pieces.
        areas: (n,) pixels.
        boxes: (n, 4) top, left, bottom, right; the latter two just outside.
    """

    labels: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.areas)

    def pixels(self, chosen: np.ndarray) -> np.ndarray:
        """The mask (height, width) of the pieces that a bool array (n,) chooses."""
        return np.asarray(np.concatenate([[False], chosen])[self.labels])


def components(mask: np.ndarray) -> Components:
    """Split a bool mask (height, width) into pieces; pixels hang together across edges and corners.

    Runs of pixels in a row are nodes, runs that touch in the next row are edges; every node takes the smallest
    number among its neighbours until none changes (Rosenfeld and Pfaltz 1966, with the rows done at once).
    """
    height, width = mask.shape
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    # Runs are sorted; those that touch one in the row above lie between these two.
    pitch = width + 2
    first = np.searchsorted(rows * pitch + ends, (rows - 1) * pitch + starts, side="left")
    last = np.searchsorted(rows * pitch + starts, (rows - 1) * pitch + ends, side="right")
    counts = np.maximum(last - first, 0)
    below = np.repeat(np.arange(len(rows)), counts)
    above = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts) + np.repeat(first, counts)
    root = np.arange(len(rows))
    while True:
        smallest = np.minimum(root[below], root[above])
        before = root.copy()
        np.minimum.at(root, root[below], smallest)
        np.minimum.at(root, root[above], smallest)
        root = root[root]
        if (root == before).all():
            break
    numbers, names = np.unique(root, return_inverse=True)
    labels = np.zeros((height, width), np.intp)
    lengths = ends - starts
    labels[mask] = np.repeat(names + 1, lengths)
    areas = np.bincount(names, lengths, len(numbers)).astype(int)
    boxes = np.empty((len(numbers), 4), int)
    for column, (pick, values) in enumerate(
        [(np.minimum, rows), (np.minimum, starts), (np.maximum, rows + 1), (np.maximum, ends)]
    ):
        boxes[:, column] = height + width if pick is np.minimum else 0
        pick.at(boxes[:, column], names, values)
    return Components(labels, areas, boxes)
