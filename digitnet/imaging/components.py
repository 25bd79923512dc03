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
    framed = np.zeros((height, width + 2), bool)
    framed[:, 1:-1] = mask
    pitch = width + 1
    edges = np.flatnonzero(framed[:, 1:] != framed[:, :-1])
    begins, stops = edges[::2], edges[1::2]  # in a row of ``pitch`` there is room for a run's end
    rows = begins // pitch
    starts, ends = begins - rows * pitch, stops - rows * pitch
    # Runs are sorted; those that touch one in the row above lie between these two.
    first = np.searchsorted(stops, begins - pitch, side="left")
    last = np.searchsorted(begins, stops - pitch, side="right")
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
    is_first = root == np.arange(len(root))
    names = is_first.cumsum()[root] - 1
    count = int(is_first.sum())
    labels = np.zeros((height, width), np.intp)
    lengths = ends - starts
    labels[mask] = np.repeat(names + 1, lengths)
    areas = np.bincount(names, lengths, count).astype(int)
    boxes = np.empty((count, 4), int)
    for column, (pick, values) in enumerate(
        [(np.minimum, rows), (np.minimum, starts), (np.maximum, rows + 1), (np.maximum, ends)]
    ):
        boxes[:, column] = height + width if pick is np.minimum else 0
        pick.at(boxes[:, column], names, values)
    return Components(labels, areas, boxes)
