"""From a picture to how much ink stands where: the paper, its light and its noise taken away.

Every step takes and returns whole pictures, (height, width).
"""

import warnings
from typing import Literal

import numpy as np
from PIL import ExifTags, Image

from digitnet.arrays import Bytes, Floats

FAINTEST = 20
"""Grey levels by which ink must differ from paper to count as ink."""
LARGEST = 400
"""Pixels of a picture's longer side that are enough to see a digit by."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings a picture of each EXIF orientation upright (CIPA DC-008, tag 0x0112)."""

Polarity = Literal["auto", "dark", "light"]
"""What ink looks like against its paper."""


def grey_levels(picture: Image.Image) -> Bytes:
    """Any Pillow picture -> (height, width) uint8 luminance, upright, transparency over a contrasting paper."""
    picture = upright(picture)
    if picture.mode == "F" or picture.mode.startswith("I"):
        return _eight_bits(np.asarray(picture))
    if not picture.has_transparency_data:
        # Pillow converts LAB to nothing else, but its lightness is a grey already.
        grey: Bytes = np.asarray(picture.getchannel("L") if picture.mode == "LAB" else picture.convert("L"))
        return grey
    picture = picture.convert("LA" if picture.mode == "La" else "RGBA").convert("RGBA")
    alpha = np.asarray(picture.getchannel("A"), np.float32) / 255
    grey = np.asarray(picture.convert("L"), np.float32)
    visible = float((grey * alpha).sum() / max(float(alpha.sum()), 1e-6))
    paper = 255 if visible < 128 else 0
    return np.rint(grey * alpha + paper * (1 - alpha)).astype(np.uint8)


def upright(picture: Image.Image) -> Image.Image:
    """A picture turned as its EXIF says; EXIF that is too damaged to be read says nothing."""
    try:
        with warnings.catch_warnings(action="ignore"):
            turn = TURNS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # it can raise nearly anything in Pillow's parser, and the pixels are sound
        turn = None
    return picture if turn is None else picture.transpose(turn)


def _eight_bits(levels: np.ndarray) -> Bytes:
    """Integers beyond 8 bits keep their top 8; floats and anything out of range are stretched from 0 or below."""
    if levels.dtype == np.uint16:
        top_byte: Bytes = (levels >> 8).astype(np.uint8)
        return top_byte
    with np.errstate(invalid="ignore"):  # a signalling NaN in a damaged file
        finite = np.nan_to_num(levels.astype(np.float64), posinf=0, neginf=0)
    low, high = min(finite.min(), 0), finite.max()
    top = next((top for top in (1, 255, 65535) if low >= 0 and high <= top), high - low)
    return np.asarray((finite - low) * (255 / top), np.uint8)


def scaled(levels: Bytes, longer: int, method: Image.Resampling) -> Bytes:
    """A picture with so many pixels on its longer side, its shape kept."""
    height, width = levels.shape
    scale = longer / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(levels).resize(size, method))


def reduce(grey: Bytes, largest: int = LARGEST) -> Bytes:
    """Shrink a picture by averaging until its longer side has so many pixels or fewer."""
    return scaled(grey, largest, Image.Resampling.BOX) if max(grey.shape) > largest else grey


def dark_on_light(grey: Bytes, polarity: Polarity) -> Bytes:
    """A picture whose ink is darker than its paper, turned into its negative where it is not so already."""
    is_light = is_light_on_dark(grey) if polarity == "auto" else polarity == "light"
    return 255 - grey if is_light else grey


def is_light_on_dark(grey: Bytes) -> bool:
    """Whether ink is lighter than its paper: paper is the median of the margin, ink what departs furthest from it.

    The margin is an eighth of the picture on every side, so that no thin edge counts as paper. Departures are
    squared before they are summed: a shadow is wide but shallow, ink is narrow but deep.
    """
    is_margin = np.ones(grey.shape, bool)
    is_margin[tuple(slice(length // 8 + 1, length - length // 8 - 1) for length in grey.shape)] = False
    departure = grey - np.float32(np.median(grey[is_margin]))
    return bool(np.square(np.maximum(departure, 0)).sum() > np.square(np.minimum(departure, 0)).sum())


def even_light(grey: Bytes, reach: int | None = None) -> Bytes:
    """How much darker each pixel is than the paper around it: 0 on paper, also where light falls off.

    Paper is the morphological closing, a local maximum and then a local minimum, over ``reach`` pixels either
    way, by default half the picture in all: nothing as narrow as a stroke survives it, and every slope of light
    does (Gonzalez and Woods, section 9.6.3).
    """
    reach = reach or max(grey.shape) // 4 + 1
    # The maximum is wanted beyond the edges, too, or light that falls off towards one would look like ink there.
    highest = local_maximum(np.pad(grey, reach), reach, reach)
    paper = 255 - local_maximum(255 - highest, reach, reach)[reach:-reach, reach:-reach]
    return np.asarray(paper - grey)


def local_maximum(levels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The largest level within so many rows and columns of every pixel, either way; 0 beyond the edges."""
    height, width = levels.shape
    widest = np.zeros((height + 2 * rows, width + 2 * columns), levels.dtype)
    widest[rows : rows + height, columns : columns + width] = levels
    for axis, reach in enumerate((rows, columns)):
        length = 1
        while length < 2 * reach + 1:  # maxima of ever longer stretches, each from two that overlap
            step = min(length, 2 * reach + 1 - length)
            both = (widest[:-step], widest[step:]) if axis == 0 else (widest[:, :-step], widest[:, step:])
            widest = np.maximum(*both)
            length += step
    return widest


def otsu(levels: Bytes) -> int:
    """The threshold that best splits grey levels into two classes, those above it and the rest (Otsu 1979).

    Best is the largest variance between the classes; a picture of one level gets that level.
    """
    counts = np.bincount(levels.ravel(), minlength=256).astype(np.float64)
    below = counts.cumsum()
    above = below[-1] - below
    mass = (counts * np.arange(256)).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (mass / below - (mass[-1] - mass) / above) ** 2
    if not (between > 0).any():
        return int(levels.flat[0])
    return int(np.nanargmax(between))


def is_blank(strength: Bytes, threshold: int) -> bool:
    """Whether what is above a threshold departs too little from the paper to be ink."""
    return bool(strength.max() < FAINTEST or strength[strength > threshold].mean() < FAINTEST)


def stretch(strength: Bytes, threshold: int) -> Bytes:
    """Ink strengths on a scale on which paper is 0, ink is 255 and the threshold between them about half."""
    is_ink = strength > threshold
    if not is_ink.any():
        return np.zeros_like(strength)
    paper, ink = float(strength[~is_ink].mean()) if not is_ink.all() else 0.0, float(np.median(strength[is_ink]))
    scaled: Floats = (strength - np.float32(paper)) * np.float32(255 / max(ink - paper, 1))
    return np.clip(scaled, 0, 255).astype(np.uint8)
