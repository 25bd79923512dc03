"""From a picture to how much ink stands where: the paper, its light and its noise taken away.

Every step takes and returns whole pictures of one size, side by side in a stack (height, width, n): a step then costs
n small pictures hardly more than one.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Literal

import numpy as np
from PIL import Image, ImageChops

from digitnet.types import Floats, UInt8Array

FAINTEST = 20
"""Grey levels by which ink must differ from paper to count as ink."""
LARGEST = 400
"""Pixels of a picture's longer side that are enough to see a digit by."""
SHEET = 1600
"""Pixels of a picture's longer side that are enough to see lines of digits by."""
LARGE = 16_000_000
"""Pixels of a picture beyond which no copy of all of it is made."""
TILE = 1024
"""Pixels of each side of the parts in which it is looked at instead."""

GRAINY = 60
"""Pixels of a picture's longer side from which on a blur by a pixel costs a digit nothing."""

ORIENTATION = 0x0112
"""EXIF's tag (CIPA DC-008, section 4.6.4); Pillow's table of all tags would take a while to import."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture of each EXIF orientation upright."""

Polarity = Literal["auto", "dark", "light"]
"""What ink looks like against its paper."""


def grey_levels(picture: Image.Image) -> Image.Image:
    """Any picture -> its luminance (mode L), upright, transparency over a contrasting paper."""
    if picture.info:  # Pillow looks long for EXIF where there is nothing
        picture = upright(picture)
    if _is_deep(picture):
        levels = np.asarray(picture)
        return Image.fromarray(_eight_bits(levels, *_extremes(levels)))
    if not picture.has_transparency_data:
        return _luminance(picture)
    picture = _rgba(picture)
    alpha = np.asarray(picture.getchannel("A"), np.float32) / 255
    grey = np.asarray(picture.convert("L"), np.float32)
    visible = float((grey * alpha).sum() / max(float(alpha.sum()), 1e-6))
    paper = 255 if visible < 128 else 0
    return Image.fromarray(np.rint(grey * alpha + paper * (1 - alpha)).astype(np.uint8))


def _is_deep(picture: Image.Image) -> bool:
    """Whether its levels are integers beyond 8 bits or floats."""
    return picture.mode == "F" or picture.mode.startswith("I")


def _luminance(picture: Image.Image) -> Image.Image:
    """Of a picture without transparency; Pillow converts LAB to nothing else, but its lightness is a grey already."""
    if picture.mode == "L":
        return picture
    return picture.getchannel("L") if picture.mode == "LAB" else picture.convert("L")


def _rgba(picture: Image.Image) -> Image.Image:
    return picture.convert("LA" if picture.mode == "La" else "RGBA").convert("RGBA")


def grey_of_large(picture: Image.Image, largest: int) -> Image.Image:
    """What :func:`grey_levels` gives, reduced by the whole number that leaves at least ``2 * largest`` pixels.

    It is made tile by tile, for which little memory is needed beside the picture's.
    """
    factor = max(1, max(picture.size) // (2 * largest))
    size = -(-picture.width // factor), -(-picture.height // factor)
    grey, alpha = Image.new("L", size), None
    if _is_deep(picture):
        lows, highs = zip(*(_extremes(np.asarray(tile)) for tile, _ in _tiles(picture, factor)), strict=True)
        for tile, place in _tiles(picture, factor):
            levels = _eight_bits(np.asarray(tile), min(lows), max(highs))
            grey.paste(Image.fromarray(levels).reduce(factor), place)
    elif not picture.has_transparency_data:
        for tile, place in _tiles(picture, factor):
            grey.paste(_luminance(tile).reduce(factor), place)
    else:
        alpha = Image.new("L", size)
        for tile, place in _tiles(picture, factor):
            tile = _rgba(tile)
            opacity = tile.getchannel("A")
            alpha.paste(opacity.reduce(factor), place)
            grey.paste(ImageChops.multiply(tile.convert("L"), opacity).reduce(factor), place)
        # As in grey_levels, where the levels are not yet multiplied by the opacity.
        visible = 255 * np.asarray(grey).mean() / max(np.asarray(alpha).mean(), 1e-6)
        if visible < 128:
            grey = ImageChops.add(grey, ImageChops.invert(alpha))
    turn = _turn(picture)
    return grey if turn is None else grey.transpose(turn)


def _tiles(picture: Image.Image, factor: int) -> Iterator[tuple[Image.Image, tuple[int, int]]]:
    """Parts that cover a picture, and where each belongs when all are reduced by a factor."""
    side = factor * max(1, TILE // factor)
    for top in range(0, picture.height, side):
        for left in range(0, picture.width, side):
            box = left, top, min(left + side, picture.width), min(top + side, picture.height)
            yield picture.crop(box), (left // factor, top // factor)


def upright(picture: Image.Image) -> Image.Image:
    """A picture turned as its EXIF says."""
    turn = _turn(picture)
    return picture if turn is None else picture.transpose(turn)


def _turn(picture: Image.Image) -> Image.Transpose | None:
    """What brings a picture upright; EXIF that is too damaged to be read says nothing."""
    try:
        return TURNS.get(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # it can raise nearly anything in Pillow's parser, and the pixels are sound
        return None


def _extremes(levels: np.ndarray) -> tuple[float, float]:
    """The least and the largest level that is finite."""
    finite = _finite(levels)
    return float(finite.min()), float(finite.max())


def _finite(levels: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # a signalling NaN in a damaged file
        return np.nan_to_num(levels.astype(np.float64), posinf=0, neginf=0)


def _eight_bits(levels: np.ndarray, least: float, high: float) -> UInt8Array:
    """Integers beyond 8 bits keep their top 8; floats and anything out of range are stretched from 0 or below.

    ``least`` and ``high`` are the extremes of the whole picture, of which ``levels`` may be a part.
    """
    if levels.dtype == np.uint16:
        top_byte: UInt8Array = (levels >> 8).astype(np.uint8)
        return top_byte
    low = min(least, 0)
    top = next((top for top in (1, 255, 65535) if low >= 0 and high <= top), high - low)
    return np.asarray((_finite(levels) - low) * (255 / top), np.uint8)


def small_grey(picture: Image.Image, largest: int = LARGEST) -> Image.Image:
    """The luminance of a picture (mode L), upright, with no more pixels on its longer side than is needed.

    Raises:
        OSError: the picture's pixels cannot be decoded.
    """
    is_large = picture.width * picture.height > LARGE
    return reduce(grey_of_large(picture, largest) if is_large else grey_levels(picture), largest)


def reduce(grey: Image.Image, largest: int = LARGEST) -> Image.Image:
    """Shrink a picture by averaging until its longer side has so many pixels or fewer."""
    if max(grey.size) <= largest:
        return grey
    width, height = scaled_shape(grey.size, largest)
    return grey.resize((width, height), Image.Resampling.BOX)


def pixels(greys: Iterable[Image.Image]) -> list[UInt8Array]:
    """Pictures of mode L -> their grey levels (height, width).

    Neighbours of one size are pasted into one: that is several times as fast as to look into each.
    """
    levels: list[UInt8Array] = []
    for (width, height), alike in groupby(greys, key=lambda grey: grey.size):
        same = list(alike)
        sheet = Image.new("L", (width, height * len(same)))
        for place, grey in enumerate(same):
            sheet.paste(grey, (0, place * height))
        levels += list(np.asarray(sheet).reshape(len(same), height, width))
    return levels


def scaled_shape(shape: tuple[int, int], longer: int) -> tuple[int, int]:
    """Two sides, with so many pixels on the longer one, their proportion kept."""
    scale = longer / max(shape)
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def scaled(levels: UInt8Array, longer: int, method: Image.Resampling) -> UInt8Array:
    """Small pictures with so many pixels on their longer side, their shape kept; as Pillow would, but all at once.

    A picture becomes the same in any company, as sums are exact. Levels differ from Pillow's, whose weights have 22
    binary digits, by 2 at most, averaged (BOX) or enlarged; shrunk with overshoot (BICUBIC), tall ones differ more.
    """
    height, width, count = levels.shape
    high, wide = scaled_shape((height, width), longer)
    across = _rounding(resizing(width, wide, method) @ levels.astype(np.float32))
    np.floor(across, out=across)
    down = _rounding(resizing(height, high, method) @ across.reshape(height, -1))
    return down.reshape(high, wide, count).astype(np.uint8)


def _rounding(levels: Floats) -> Floats:
    """Whole numbers in the parts before the point, 0 to 255, in place."""
    levels += np.float32(0.5)
    return levels.clip(0, 255, out=levels)


@lru_cache(maxsize=256)
def resizing(old: int, new: int, method: Image.Resampling) -> Floats:
    """Pillow's weights as a matrix (new, old) that resizes a column of pixels: what it makes of the unit vectors.

    They have 15 binary digits after the point, so that every sum over grey levels is exact in float32, whatever the
    order of adding.
    """
    unit = Image.fromarray(np.eye(old, dtype=np.float32)).resize((new, old), method)
    weights = np.ascontiguousarray(np.asarray(unit).T)
    return np.asarray(np.rint(weights * np.float32(1 << 15)) / np.float32(1 << 15))


def dark_on_light(grey: UInt8Array, polarity: Polarity) -> UInt8Array:
    """Pictures whose ink is darker than their paper, turned into their negatives where it is not so already."""
    if polarity == "dark":
        return grey
    return 255 - grey if polarity == "light" else np.where(is_light_on_dark(grey), 255 - grey, grey)


def denoise(grey: UInt8Array) -> UInt8Array:
    """Pictures that are larger than a digit needs, blurred by a pixel: that halves the grain of paper and sensor.

    Else the local maximum that even_light takes for paper would be grain, and faint pencil no darker than that.
    """
    if max(grey.shape[:2]) < GRAINY:
        return grey
    levels = grey.astype(np.uint16)
    for axis in (0, 1):
        ends = [levels.take([end], axis) for end in (0, -1)]
        wide = np.concatenate([ends[0], levels, ends[1]], axis).swapaxes(0, axis)
        levels = (wide[:-2] + 2 * wide[1:-1] + wide[2:]).swapaxes(0, axis)
    return (levels + 8 >> 4).astype(np.uint8)


def is_light_on_dark(grey: UInt8Array) -> np.ndarray:
    """Whether ink is lighter than its paper (n,): ink is what departs furthest from paper.

    Paper is the middle one of three medians: the whole picture's, which a fat digit misleads; that of the margin, an
    eighth of the picture on every side, which a frame misleads; and that of the four corners, a quarter of the picture
    high and wide, which light that falls off misleads. Departures are squared before they are summed: a shadow is wide
    but shallow, ink is narrow but deep.
    """
    height, width, _ = grey.shape
    rows, columns = -(-height // 8), -(-width // 8)
    between = grey[rows : height - rows]
    margin = _medians(grey[:rows], grey[-rows:], between[:, :columns], between[:, -columns:])
    rows, columns = -(-height // 4), -(-width // 4)
    upper, lower = grey[:rows], grey[-rows:]
    corners = _medians(upper[:, :columns], upper[:, -columns:], lower[:, :columns], lower[:, -columns:])
    departure = grey - np.sort([_medians(grey), margin, corners], axis=0)[1].astype(np.float32)
    departure *= abs(departure)
    return np.asarray(total(departure, np.float64) > 0)


def _medians(*parts: UInt8Array) -> UInt8Array:
    """The median of what lies in all these parts (n,); NumPy's own imports masked arrays, a tenth of the start-up."""
    levels = np.concatenate([part.reshape(-1, part.shape[-1]) for part in parts])
    middle = len(levels) // 2
    medians: UInt8Array = np.partition(levels, middle, axis=0)[middle]
    return medians


def subtract_background(grey: UInt8Array, reach: int | None = None) -> UInt8Array:
    """How much darker each pixel is than the paper around it: 0 on paper, also where light falls off.

    Paper is the morphological closing, a local maximum and then a local minimum, over ``reach`` pixels either
    way, by default inked the picture in all: nothing as narrow as a stroke survives it, and every slope of light
    does (Gonzalez and Woods, section 9.6.3).
    """
    reach = reach or max(grey.shape[:2]) // 4 + 1
    # The maximum is wanted beyond the edges, too, or light that falls off towards one would look like ink there.
    highest = dilate(pad(grey, reach, reach), reach, reach)
    paper = 255 - dilate(255 - highest, reach, reach)[reach:-reach, reach:-reach]
    return np.asarray(paper - grey)


def total(levels: np.ndarray, dtype: type[np.generic] = np.uint32) -> np.ndarray:
    """The sum of each picture's pixels (n,): along one axis after the other, ten times as fast as along both."""
    return np.asarray(levels.sum(axis=0, dtype=dtype).sum(axis=0))


def pad(levels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Pictures with so many rows of 0 above and below, and columns of 0 on the left and right."""
    height, width, *count = levels.shape
    wider = np.zeros((height + 2 * rows, width + 2 * columns, *count), levels.dtype)
    wider[rows : rows + height, columns : columns + width] = levels
    return wider


def dilate(levels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The largest level within so many rows and columns of every pixel, either way; 0 beyond the edges."""
    widest = pad(levels, rows, columns)
    for axis, reach in enumerate((rows, columns)):
        length = 1
        while length < 2 * reach + 1:  # maxima of ever longer stretches, each from two that overlap
            step = min(length, 2 * reach + 1 - length)
            both = (widest[:-step], widest[step:]) if axis == 0 else (widest[:, :-step], widest[:, step:])
            widest = np.maximum(*both)
            length += step
    return widest


def otsu(levels: UInt8Array) -> np.ndarray:
    """The thresholds (n,) that best split grey levels into two classes, those above it and the rest (Otsu 1979).

    Best is the largest variance between the classes; a picture of one level gets that level.
    """
    size = levels.shape[0] * levels.shape[1]
    counts = _histograms(levels, levels > 0).astype(np.float64)
    counts[:, 0] = size - counts.sum(axis=1)
    below = counts.cumsum(axis=1)
    above = size - below
    mass = (counts * np.arange(256)).cumsum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[:, -1:] - mass) / above) ** 2
    splits = between > 0
    return np.asarray(np.where(splits.any(axis=1), np.where(splits, between, 0).argmax(axis=1), levels[0, 0]))


def _histograms(levels: UInt8Array, chosen: np.ndarray) -> np.ndarray:
    """How many of the pixels that a mask chooses have each level, (n, 256)."""
    count = levels.shape[-1]
    places = np.flatnonzero(chosen)
    counts = np.bincount(places % count * 256 + levels.ravel()[places], minlength=256 * count)
    return counts.reshape(count, 256)


def is_blank(strength: UInt8Array, threshold: np.ndarray) -> np.ndarray:
    """Whether what is above a threshold departs too little from the paper to be ink (n,)."""
    is_ink = strength > threshold
    mean = total(strength * is_ink) / np.maximum(total(is_ink), 1)
    return np.asarray((strength.max(axis=0).max(axis=0) < FAINTEST) | (mean < FAINTEST))


def stretch(strength: UInt8Array, threshold: np.ndarray) -> UInt8Array:
    """Ink strengths on a scale on which paper is 0, ink is 255 and the threshold between them about inked."""
    is_ink = strength > threshold
    inked, bare = total(is_ink), total(~is_ink)
    paper = total(strength * ~is_ink) / np.maximum(bare, 1)
    scale = 255 / np.maximum(_median_of(strength, is_ink) - paper, 1)
    levels: Floats = (strength - paper.astype(np.float32)) * np.where(inked, scale, 0).astype(np.float32)
    return np.clip(levels, 0, 255, out=levels).astype(np.uint8)


def _median_of(levels: UInt8Array, chosen: np.ndarray) -> np.ndarray:
    """The median (n,) of the pixels that a mask chooses in each picture; anything where there is none."""
    below = _histograms(levels, chosen).cumsum(axis=1)
    inked = below[:, -1:]
    return np.asarray((below <= (inked - 1) // 2).sum(axis=1) + (below <= inked // 2).sum(axis=1)) / 2
