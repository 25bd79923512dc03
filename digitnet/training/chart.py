"""A chart of points, both axes logarithmic."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from digitnet.atomic_files import writing

Point = tuple[float, float]

SCALE = 2
WIDTH, HEIGHT = 720 * SCALE, 480 * SCALE
LEFT, TOP, RIGHT, BOTTOM = 76 * SCALE, 20 * SCALE, WIDTH - 24 * SCALE, HEIGHT - 60 * SCALE
BLACK, GREY, PALE = 0, 150, 225


def save_chart(path: Path, points: Sequence[Point], chosen: Sequence[Point], names: tuple[str, str]) -> None:
    """Write a PNG: all points grey, the chosen ones black with steps from one to the next.

    Args:
        path: a file, whole or not at all, or a stream.
        points: at least one; both numbers above 0.
        chosen: some of them.
        names: of the axes, across and up.

    Raises:
        DigitnetError, OSError: see :func:`digitnet.atomic_files.writing`.
    """
    picture = Image.new("L", (WIDTH, HEIGHT), 255)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(13 * SCALE)
    across, up = (_limits([point[axis] for point in points]) for axis in (0, 1))

    def place(point: Point) -> Point:
        shares = (
            math.log(value / low) / math.log(high / low) for value, (low, high) in zip(point, (across, up), strict=True)
        )
        share_across, share_up = shares
        return LEFT + share_across * (RIGHT - LEFT), BOTTOM - share_up * (BOTTOM - TOP)

    for value in _ticks(*across):
        x, _ = place((value, up[0]))
        draw.line([(x, TOP), (x, BOTTOM)], PALE, SCALE)
        draw.text((x, BOTTOM + 6 * SCALE), f"{value:,g}" if value < 1e6 else f"{value / 1e6:g} M", BLACK, font, "ma")
    for value in _ticks(*up):
        _, y = place((across[0], value))
        draw.line([(LEFT, y), (RIGHT, y)], PALE, SCALE)
        draw.text((LEFT - 8 * SCALE, y), f"{value:.3g}", BLACK, font, "rm")
    draw.text(((LEFT + RIGHT) / 2, HEIGHT - 10 * SCALE), names[0], BLACK, font, "ms")
    draw.text((LEFT + 8 * SCALE, TOP + 4 * SCALE), names[1], BLACK, font, "la")
    draw.rectangle([(LEFT, TOP), (RIGHT, BOTTOM)], outline=BLACK, width=SCALE)
    steps = sorted(chosen)
    for before, after in pairwise(steps):
        draw.line([place(before), place((after[0], before[1])), place(after)], BLACK, SCALE)
    for shade, some in ((GREY, points), (BLACK, chosen)):
        for x, y in map(place, some):
            draw.circle((x, y), 4 * SCALE, shade)
    with writing(path) as file:
        picture.resize((WIDTH // SCALE, HEIGHT // SCALE), Image.Resampling.BOX).save(file, "PNG")


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """A little below the smallest and above the largest."""
    return min(values) / 1.2, max(values) * 1.2


def _ticks(low: float, high: float) -> Iterator[float]:
    """1, 2 and 5 times the powers of ten that lie between; only the powers, where these are many."""
    steps = (1,) if high / low > 1e3 else (1, 2, 5)
    for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high))):
        yield from (step * 10.0**power for step in steps if low <= step * 10.0**power <= high)
