"""How fast folders are read, against Pillow's decoding alone; part of ``make bench``.

Whole processes are timed, start and end included, in turns; figures are medians, ratios medians of the ratios of each
turn.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.figures import DIGITNET, measured
from digitnet import read_dataset
from digitnet.imaging.image_files import save_grey
from digitnet.imaging.preprocess import LARGEST

ROUNDS = 5
SMALL, LARGE, NAMES = 10_000, 500, 100_000
PHONE = (4032, 3024)
DECODE = (
    "import os, sys; from PIL import Image\n"
    "for entry in os.scandir(sys.argv[1]):\n"
    "    with Image.open(entry.path) as picture:\n"
    f"        picture.draft('L', ({LARGEST}, {LARGEST})); picture.load()"
)


def against_pillow(folder: Path) -> tuple[list[float], list[float], list[float]]:
    """Seconds of each turn: Pillow alone, one process of ours, two."""
    predict = [DIGITNET, "predict", str(folder), "--jobs"]
    commands = [[sys.executable, "-c", DECODE, str(folder)], [*predict, "1"], [*predict, "2"]]
    turns = [[measured(command)[0] for command in commands] for _ in range(ROUNDS)]
    pillow, one, two = (list(times) for times in zip(*turns, strict=True))
    return pillow, one, two


def photo(rng: np.random.Generator, digit: np.ndarray) -> Image.Image:
    """A phone's picture of a digit on paper whose light falls off, with the sensor's noise."""
    width, height = PHONE
    paper = 200 - 60 * np.linspace(0, 1, width, dtype=np.float32) * np.linspace(0, 1, height, dtype=np.float32)[:, None]
    ink = np.asarray(Image.fromarray(digit).resize((height // 2, height // 2), Image.Resampling.BICUBIC), np.float32)
    top, left = height // 4, (width - height // 2) // 2
    paper[top : top + height // 2, left : left + height // 2] *= 1 - ink / 400
    return Image.fromarray((paper + rng.normal(0, 3, paper.shape)).clip(0, 255).astype(np.uint8)).convert("RGB")


def first_answer(names: list[str]) -> float:
    """Seconds from the start until the first of so many is answered; the others are still coming."""
    began = time.perf_counter()
    command = [DIGITNET, "predict", "--files-from", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(("\n".join(names[:1000]) + "\n").encode())
        process.stdin.flush()
        process.stdout.readline()
        seconds = time.perf_counter() - began
        process.kill()
    return seconds


def report() -> list[str]:
    """A section of RESULTS.md."""
    lines = [
        "",
        "## Folders",
        "",
        "| pictures | Pillow alone | one process | times Pillow | two processes | speed-up |",
    ]
    lines.append("|---|---|---|---|---|---|")
    data = read_dataset(Path(os.environ.get("DIGITNET_DATA", "data")), "test")
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as scratch:
        small, large, listed = Path(scratch, "small"), Path(scratch, "large"), Path(scratch, "names")
        small.mkdir()
        large.mkdir()
        for number, digit in enumerate(data.images[:SMALL]):
            save_grey(small / f"{number:05}.png", digit)
        for number in range(LARGE):
            path, original = large / f"{number:03}.jpg", large / f"{number % 20:03}.jpg"
            if number < 20:
                photo(rng, data.images[number]).save(path, quality=90)
            else:
                path.hardlink_to(original)
        for folder, kind in ((small, f"{SMALL:,} PNGs of 28x28"), (large, f"{LARGE} JPEGs of 12 megapixels")):
            pillow, one, two = against_pillow(folder)
            times = median(b / a for a, b in zip(pillow, one, strict=True))
            faster = median(a / b for a, b in zip(one, two, strict=True))
            cells = [f"{median(pillow):.2f} s", f"{median(one):.2f} s", f"{times:.2f}", f"{median(two):.2f} s"]
            lines.append("| " + " | ".join([kind, *cells, f"{faster:.2f}"]) + " |")
        names = [str(path) for path in sorted(small.iterdir())] * (NAMES // SMALL)
        peaks = []
        for count in (NAMES // 10, NAMES):
            listed.write_text("\n".join(names[:count]))
            shell = f"{DIGITNET} predict --files-from - < {listed}"
            peaks.append(f"{measured(['sh', '-c', shell])[1]:.0f} MB for {count:,}")
        first = median(first_answer(names) for _ in range(ROUNDS))
    lines += ["", f"Names on stdin: the largest process takes {' and '.join(peaks)}; the first answer comes after"]
    return [*lines, f"{first:.2f} s."]


if __name__ == "__main__":
    print("\n".join(report()))
