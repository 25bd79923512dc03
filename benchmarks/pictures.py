"""Pictures made up to measure the chain from picture to ink: digits on paper, and what is no digit at all."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from digitnet.types import Floats, UInt8Array


def on_paper(digit: UInt8Array, rng: np.random.Generator) -> Image.Image:
    """A digit of MNIST, 2 to 10 times as large and turned up to 8 degrees, somewhere on a sheet.

    The paper has grain and light that falls off, half of all sheets a few specks of dirt, a fifth an edge of what
    lies beside; the ink covers 40 to 95 % of the paper; half of all are negatives.
    """
    side = 28 * int(rng.integers(2, 11))
    ink = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    ink = ink.rotate(rng.uniform(-8, 8), Image.Resampling.BICUBIC)
    height, width = (int(side * share) for share in rng.uniform(1, 1.6, 2))
    rows, columns = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    angle = rng.uniform(0, 2 * np.pi)
    light = rng.uniform(150, 250) + rng.uniform(0, 40) * (np.cos(angle) * columns + np.sin(angle) * rows)
    cover = np.zeros((height, width))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    cover[top : top + side, left : left + side] = np.asarray(ink) / 255
    for _ in range(int(rng.integers(0, 4) * (rng.random() < 0.5))):
        speck = np.array([height, width]) * rng.random(2)
        distance = np.hypot(*(np.mgrid[:height, :width] - speck[:, None, None]))
        cover = np.maximum(cover, np.clip(side / rng.uniform(50, 100) + 0.5 - distance, 0, 1))
    if rng.random() < 0.2:
        cover[:, : max(1, int(width * rng.uniform(0, 0.03)))] = 1
    paper = (light + rng.normal(0, rng.uniform(0, 5), cover.shape)) * (1 - cover * rng.uniform(0.4, 0.95))
    return _picture(paper if rng.random() < 0.5 else 255 - paper)


def form_cell(digit: UInt8Array, neighbour: UInt8Array, rng: np.random.Generator) -> Image.Image:
    """A digit of MNIST as it is cut out of a scanned form: 40 to 140 pixels, turned up to 6 degrees.

    Half of all show one to four lines of a printed box around it, which the digit may touch; a quarter show a part of
    the digit beside it. The ink covers 20 to 90 % of the paper, the print 30 to 100 %; half of all are negatives.
    """
    side = int(rng.integers(40, 140))
    height, width = (int(side * share) for share in rng.uniform(0.95, 1.3, 2))
    cover = np.zeros((height, width))

    def write(one: UInt8Array, top: int, left: int) -> None:
        ink = Image.fromarray(one).resize((side, side), Image.Resampling.BICUBIC)
        ink = ink.rotate(rng.uniform(-6, 6), Image.Resampling.BICUBIC)
        sheet = Image.new("L", (width, height))
        sheet.paste(ink, (left, top))
        np.maximum(cover, np.asarray(sheet) / 255, out=cover)

    top, left = (int(rng.integers(min(0, room), max(0, room) + 1)) for room in (height - side, width - side))
    write(digit, top, left)
    kind = rng.random()
    if kind < 0.25:
        write(neighbour, top, left + int(side * rng.uniform(0.85, 1.05) * rng.choice([-1, 1])))
    cover *= rng.uniform(0.2, 0.9)
    if kind > 0.5:
        pen, gap = max(1, int(side * rng.uniform(0.0125, 0.05))), int(side * rng.uniform(0, 0.08))
        for edge in rng.permutation(4)[: rng.integers(1, 5)]:  # a turn brings each in turn to the top
            turned = np.rot90(cover, edge)
            turned[gap : gap + pen] = np.maximum(turned[gap : gap + pen], rng.uniform(0.3, 1))
    cover = np.asarray(Image.fromarray((255 * cover).astype(np.uint8)).filter(ImageFilter.GaussianBlur(rng.random())))
    paper = rng.uniform(190, 250) * (1 - cover / 255) + rng.normal(0, rng.uniform(0, 5), cover.shape)
    return _picture(paper if rng.random() < 0.5 else 255 - paper)


def no_digit(rng: np.random.Generator) -> Image.Image:
    """A blank sheet, a slope of light, noise, clouds, stripes, checks, dots, rings or blots."""
    side = int(rng.integers(28, 300))
    rows, columns = np.mgrid[:side, :side] / side
    noise = rng.normal(size=(side, side))
    angle, cycles = rng.uniform(0, np.pi), rng.uniform(2, 20)
    kinds: list[Callable[[], Floats]] = [
        lambda: rng.uniform(0, 255) + rng.uniform(0, 3) * noise,
        lambda: 128 + 200 * (rng.uniform(-1, 1) * rows + rng.uniform(-1, 1) * columns) + 2 * noise,
        lambda: rng.uniform(0, 255, (side, side)),
        lambda: 128 + rng.uniform(10, 60) * noise,
        lambda: 128 + 60 * _smooth(noise, side / rng.uniform(5, 30)),
        lambda: 128 + 127 * np.sin(2 * np.pi * cycles * (columns * np.cos(angle) + rows * np.sin(angle))),
        lambda: 255.0 * (((rows * cycles).astype(int) + (columns * cycles).astype(int)) % 2),
        lambda: 255 - 255.0 * (_smooth((rng.random((side, side)) < 20 / side**2).astype(float), side / 30) > 1),
        lambda: 128 + 80 * np.sin(40 * np.hypot(rows - 0.5, rng.uniform(0.5, 2) * (columns - 0.5)) + noise / 8),
        lambda: 255.0 * (_smooth(noise, rng.uniform(1, side / 8)) > 0),
    ]
    return _picture(kinds[rng.integers(len(kinds))]())


def _smooth(levels: Floats, sigma: float) -> Floats:
    """Blurred by a Gaussian and brought to standard deviation 1."""
    at = np.arange(len(levels))
    blur = np.exp(-0.5 * ((at - at[:, None]) / sigma) ** 2)
    smooth = blur @ levels @ blur
    return np.asarray(smooth / smooth.std())


def _picture(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
