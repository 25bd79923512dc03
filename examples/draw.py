"""Draw the example pictures, stroke by stroke: ``python examples/draw.py``.

Each digit is a few strokes through points in a unit square, smoothed and drawn with a round pen.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

HERE = Path(__file__).parent
Points = list[tuple[float, float]]

STROKES: dict[str, list[Points]] = {
    "0": [[(0.5, 0.02), (0.12, 0.3), (0.15, 0.75), (0.5, 0.98), (0.88, 0.7), (0.85, 0.25), (0.52, 0.03)]],
    "1": [[(0.25, 0.3), (0.55, 0.02), (0.52, 0.5), (0.5, 1.0)]],
    "2": [[(0.12, 0.25), (0.3, 0.04), (0.7, 0.06), (0.8, 0.3), (0.5, 0.65), (0.08, 0.97), (0.45, 0.9), (0.95, 0.95)]],
    "3": [[(0.15, 0.12), (0.5, 0.0), (0.82, 0.2), (0.4, 0.47), (0.85, 0.68), (0.6, 0.97), (0.1, 0.9)]],
    "4": [[(0.4, 0.0), (0.25, 0.35), (0.1, 0.62), (0.5, 0.6), (0.95, 0.55)], [(0.75, 0.2), (0.7, 0.6), (0.62, 1.0)]],
    "5": [[(0.8, 0.03), (0.25, 0.05), (0.2, 0.42), (0.65, 0.42), (0.78, 0.72), (0.5, 0.98), (0.1, 0.9)]],
    "6": [[(0.75, 0.02), (0.35, 0.3), (0.15, 0.7), (0.45, 0.98), (0.82, 0.78), (0.6, 0.53), (0.22, 0.7)]],
    "8": [
        [
            (0.7, 0.1),
            (0.3, 0.08),
            (0.28, 0.35),
            (0.7, 0.6),
            (0.7, 0.92),
            (0.3, 0.95),
            (0.25, 0.65),
            (0.68, 0.35),
            (0.72, 0.12),
        ]
    ],
    "9": [[(0.75, 0.3), (0.4, 0.5), (0.2, 0.25), (0.5, 0.02), (0.78, 0.2), (0.72, 0.6), (0.6, 1.0)]],
    "7": [[(0.08, 0.1), (0.45, 0.07), (0.88, 0.05), (0.7, 0.4), (0.5, 0.7), (0.38, 1.0)]],
}


def curve(points: Points, steps: int = 24) -> np.ndarray:
    """A smooth curve through points (Catmull and Rom 1974): (m, 2)."""
    p = np.array([points[0], *points, points[-1]])
    t = np.linspace(0, 1, steps)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate(pieces)


def draw(strokes: list[Points], size: tuple[int, int], box: tuple[int, int, int, int], pen: int) -> Image.Image:
    """Ink 255 on 0: strokes in a box (left, top, right, bottom), with a pen so many pixels wide."""
    field = Image.new("L", (size[0] * 2, size[1] * 2))
    canvas = ImageDraw.Draw(field)
    left, top, right, bottom = box
    for stroke in strokes:
        for x, y in curve(stroke):
            x, y = 2 * (left + x * (right - left)), 2 * (top + y * (bottom - top))
            canvas.ellipse((x - pen, y - pen, x + pen, y + pen), fill=255)
    return field.resize(size, Image.Resampling.BOX)


def hand(folder: Path, rng: np.random.Generator) -> None:
    """Five pictures of every digit by a hand that leans far to the left, in sub-folders 0 to 9."""
    for digit, strokes in STROKES.items():
        (folder / digit).mkdir(parents=True, exist_ok=True)
        for number in range(1, 6):
            shaken = [[(x + rng.normal(0, 0.035), y + rng.normal(0, 0.035)) for x, y in stroke] for stroke in strokes]
            leaning = [[(0.2 + 0.6 * (x + 0.75 * (y - 0.5)), y) for x, y in stroke] for stroke in shaken]
            ink = draw(leaning, (64, 64), (10, 8, 54, 56), 3)
            Image.eval(ink, lambda level: 255 - level).save(folder / digit / f"{number}.png")


def main() -> None:
    """Write every example."""
    hand(HERE / "hand" / "learn", np.random.default_rng(3))
    hand(HERE / "hand" / "check", np.random.default_rng(4))
    rng = np.random.default_rng(7)
    # A mouse drawing: black on white.
    mouse = draw(STROKES["7"], (200, 200), (60, 40, 140, 165), 9)
    Image.eval(mouse, lambda ink: 255 - ink).save(HERE / "7.png")
    # Chalk: light on a dark board.
    chalk = np.asarray(draw(STROKES["2"], (160, 160), (40, 30, 120, 130), 8)) * 0.8 + 35
    Image.fromarray(chalk.astype(np.uint8)).save(HERE / "chalk-2.png")
    # A photo: blue pen on cream paper, darker to one side, with the grain of a sensor.
    ink = np.asarray(draw(STROKES["4"], (640, 480), (230, 90, 400, 360), 12), np.float32)[..., None] / 255
    light = np.linspace(1.0, 0.85, 640)[None, :, None]
    photo = (np.array([222, 214, 196]) * (1 - ink) + np.array([48, 62, 140]) * ink) * light
    photo += rng.normal(0, 4, photo.shape)
    Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(HERE / "photo-4.jpg", quality=88)
    # A drawing on nothing: black on transparency.
    strokes = draw(STROKES["3"], (120, 160), (25, 25, 95, 135), 10)
    nothing = Image.new("RGBA", strokes.size)
    nothing.putalpha(strokes)
    nothing.save(HERE / "transparent-3.png")
    Image.new("L", (64, 64), 255).save(HERE / "blank.png")
    # Two lines of digits, none quite level.
    page = np.zeros((260, 420), np.uint8)
    for top, text in ((25, "2026"), (145, "31")):
        for place, digit in enumerate(text):
            left, drop = 30 + 95 * place, int(rng.integers(-6, 7))
            page = np.maximum(
                page, np.asarray(draw(STROKES[digit], (420, 260), (left, top + drop, left + 60, top + drop + 85), 5))
            )
    Image.fromarray(255 - page).save(HERE / "numbers" / "dates.png")


if __name__ == "__main__":
    main()
