"""Draw what the distortions make of digits: ``make grid`` writes distortions.png.

A row of MNIST as it is, then rows of each kind, then habits and nonsense.
"""

from pathlib import Path

import numpy as np

from digitnet import read_dataset
from digitnet.data.augment import AUGMENTATIONS, SHARERS, augment
from digitnet.data.negatives import nonsense
from digitnet.data.style_variants import HABITS, add_style_variants
from digitnet.imaging.image_files import save_grey

ROOT = Path(__file__).resolve().parent.parent
COLUMNS, ROWS = 32, 3


def main() -> None:
    rng = np.random.default_rng(1)
    digits = read_dataset(ROOT / "data", "train")
    few = digits[:COLUMNS]
    pictures = [few.images]
    for name, how in AUGMENTATIONS.items():
        # Each digit in company of its own copies, or neighbours would show the same warp.
        copies = few.images.repeat(SHARERS, axis=0)
        pictures += [augment(copies, how, rng)[::SHARERS] for _ in range(ROWS if name != "none" else 0)]
    habitual = digits[np.isin(digits.labels, list(HABITS))][:COLUMNS]
    pictures += [add_style_variants(habitual.images, habitual.labels, 1, rng), nonsense(2 * COLUMNS, rng)[:COLUMNS]]
    sheet = np.vstack([np.hstack(list(row)) for row in pictures])
    save_grey(Path("distortions.png"), sheet.repeat(2, axis=0).repeat(2, axis=1))
    print("distortions.png: MNIST; light, strong and wide, three rows each; habits; nonsense")


if __name__ == "__main__":
    main()
