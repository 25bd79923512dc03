"""What each step from picture to ink brings: ``make ablation PHOTOS=folder`` of labelled pictures.

Every row is the model that ships with one step of the chain switched off, on those pictures and on 6,000 of MNIST's
training digits on made-up paper, in made-up form cells, and shrunk to 12x12 pixels; the last row is what most people
try first: shrink to 28x28, and invert if the picture is light.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

from benchmarks.pictures import form_cell, on_paper
from digitnet import Recognizer, load, read_dataset
from digitnet.imaging.image_files import list_folder, open_picture
from digitnet.imaging.normalize import normalize
from digitnet.imaging.preprocess import grey_levels
from digitnet.imaging.stacks import unstack
from digitnet.types import UInt8Array

ROOT = Path(__file__).resolve().parent.parent
PRETRAINED = ROOT / "models" / "pretrained.h5"
WHOLE = "the whole chain"
OFF: dict[str, Callable[..., object]] = {
    "denoise": lambda grey: grey,
    "subtract_background": lambda grey, reach: np.uint8(np.median(grey)) - np.minimum(grey, np.uint8(np.median(grey))),
    "without_frame": lambda strength, threshold: strength,
    "keep_main_component": lambda strength, threshold: (strength, np.zeros(strength.shape[2], bool)),
    "stretch": lambda strength, threshold: np.where(strength > threshold, 255, 0).astype(np.uint8),
    "thicken": unstack,
    "centre": lambda box: [
        np.pad(one, [((28 - n) // 2, 28 - n - (28 - n) // 2) for n in one.shape]) for one in unstack(box)
    ],
}


def shrink(picture: Image.Image) -> UInt8Array:
    grey = np.asarray(grey_levels(picture).resize((28, 28), Image.Resampling.BOX))
    return 255 - grey if grey.mean() > 127 else grey


def main() -> None:
    files = [(digit, path) for digit in range(10) for path in list_folder(f"{sys.argv[1]}/{digit}")]
    pictures = [open_picture(path) for _, path in files]
    recognizer, rng = Recognizer(load(PRETRAINED)), np.random.default_rng(1)
    digits = read_dataset(ROOT / "data", "train")[:6000]
    papers = [on_paper(digit, rng) for digit in digits.images]
    cells = [form_cell(digit, beside, rng) for digit, beside in zip(digits.images, digits.images[::-1], strict=True)]
    small = [Image.fromarray(digit).resize((12, 12), Image.Resampling.BOX) for digit in digits.images]

    def share(made: list[Image.Image], chain: Callable[[Image.Image], UInt8Array]) -> float:
        read = recognizer.predict([chain(picture) for picture in made])
        return float(np.mean([one.digit == label for one, label in zip(read, digits.labels, strict=True)]))

    def report(name: str, chain: Callable[[Image.Image], UInt8Array]) -> None:
        read = recognizer.predict([chain(picture) for picture in pictures])
        wrong = [(path, one.digit) for (digit, path), one in zip(files, read, strict=True) if one.digit != digit]
        figures = (name, f"{1 - len(wrong) / len(files):.2%}", str(len(wrong)))
        shares = (f"{share(made, chain):.2%}" for made in (papers, cells, small))
        print("| " + " | ".join([*figures, *shares]) + " |", flush=True)
        if chain is normalize and name == WHOLE:
            misread.extend(wrong)

    misread: list[tuple[str, int | None]] = []
    print("| chain | pictures | misread | made-up paper | made-up form cells | 12x12 |\n|---|---|---|---|---|---|")
    report(WHOLE, normalize)
    for step, instead in OFF.items():
        with patch(f"digitnet.imaging.normalize.{step}", instead):
            report(f"without `{step}`", normalize)
    report("shrink to 28x28 and invert", shrink)
    print("\nMisread by the whole chain:", *(f"{path} as {digit}" for path, digit in misread), sep="\n")


if __name__ == "__main__":
    main()
