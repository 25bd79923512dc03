"""What each step from picture to ink brings: ``make ablation PHOTOS=folder`` of labelled pictures.

Every row is the model that ships, on the same pictures, with one step of the chain switched off; the last row is what
most people try first: shrink to 28x28, and invert if the picture is light.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

from digitnet import Recognizer, load
from digitnet.arrays import Bytes
from digitnet.ink import normalize
from digitnet.paper import grey_levels
from digitnet.pictures import list_folder, open_picture

PRETRAINED = Path(__file__).resolve().parent.parent / "models" / "pretrained.h5"
OFF: dict[str, Callable[..., object]] = {
    "even_light": lambda grey: np.uint8(np.median(grey)) - np.minimum(grey, np.uint8(np.median(grey))),
    "without_frame": lambda strength: strength,
    "largest_piece_and_its_neighbours": lambda strength: strength,
    "stretch": lambda strength, threshold: np.where(strength > threshold, 255, 0).astype(np.uint8),
    "thicken": lambda digit: digit,
    "centre": lambda box: np.pad(box, [((28 - n) // 2, 28 - n - (28 - n) // 2) for n in box.shape]),
}


def shrink(picture: Image.Image) -> Bytes:
    grey = np.asarray(Image.fromarray(grey_levels(picture)).resize((28, 28), Image.Resampling.BOX))
    return 255 - grey if grey.mean() > 127 else grey


def main() -> None:
    files = [(digit, path) for digit in range(10) for path in list_folder(f"{sys.argv[1]}/{digit}")]
    pictures = [open_picture(path) for _, path in files]
    recognizer = Recognizer(load(PRETRAINED))

    def report(name: str, greys: list[Bytes]) -> None:
        read = recognizer.predict(greys)
        wrong = [path for (digit, path), one in zip(files, read, strict=True) if one.digit != digit]
        print(f"{name:40} {1 - len(wrong) / len(files):7.2%}  {len(wrong)} misread", flush=True)
        if name == "the whole chain":
            print("\n".join(f"    {path}" for path in wrong))

    report("the whole chain", [normalize(picture) for picture in pictures])
    for step, instead in OFF.items():
        with patch(f"digitnet.ink.{step}", instead):
            report(f"without {step}", [normalize(picture) for picture in pictures])
    report("shrink to 28x28 and invert", [shrink(picture) for picture in pictures])


if __name__ == "__main__":
    main()
