"""The chain from a picture to ink, step by step, and what must hold for any picture."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from benchmarks.pictures import on_paper
from digitnet import Dataset, Recognizer, load, read_dataset
from digitnet.imaging.normalize import (
    Binarization,
    Stages,
    binarize,
    center_by_mass,
    cut_out,
    normalize,
    normalize_all,
    resize_to_box,
    stages,
)
from digitnet.imaging.preprocess import resizing, small_grey
from digitnet.types import UInt8Array
from tests.conftest import EXAMPLES, ROOT

GREYS = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40))


def differing(a: UInt8Array, b: UInt8Array) -> float:
    """Share of ink pixels of either that the other lacks."""
    seen_a, seen_b = (binarize(grey[None], Binarization()).astype(bool) for grey in (a, b))
    return float((seen_a != seen_b).sum() / max((seen_a | seen_b).sum(), 1))


def on_sheet(digit: UInt8Array, width: int, height: int, left: int, top: int, scale: int) -> Image.Image:
    """A digit, dark on light, enlarged and somewhere on a sheet."""
    paper = Image.new("L", (width, height), 240)
    size = digit.shape[1] * scale, digit.shape[0] * scale
    ink = Image.fromarray(digit).resize(size, Image.Resampling.BILINEAR)
    paper.paste(Image.new("L", size, 30), (left, top), ink)
    return paper


def test_leaves_mnist_as_it_is(digits: Dataset) -> None:
    """MNIST's own pictures are what normalize makes of pictures; thin strokes apart, they hardly change."""
    shares = [differing(normalize(Image.fromarray(digit)), digit) for digit in digits.images[:300]]
    assert np.median(shares) < 0.03
    assert np.mean(shares) < 0.1


@given(left=st.integers(0, 150), top=st.integers(0, 150), index=st.integers(0, 99))
@settings(deadline=None, max_examples=50)
def test_position_does_not_matter(digits: Dataset, left: int, top: int, index: int) -> None:
    digit = digits.images[index]
    here, there = on_sheet(digit, 330, 330, left, top, 4), on_sheet(digit, 330, 330, 80, 80, 4)
    np.testing.assert_array_equal(normalize(here), normalize(there))


@pytest.mark.parametrize("scale", [4, 8, 11])
def test_size_hardly_matters(digits: Dataset, scale: int) -> None:
    shares = []
    for digit in digits.images[:100]:
        one, other = (normalize(on_sheet(digit, 330, 330, 9, 9, s)) for s in (scale, 6))
        shares.append(differing(one, other))
    assert np.mean(shares) < 0.12


@given(grey=GREYS)
@settings(deadline=None)
def test_any_picture_becomes_28x28_and_polarity_does_not_matter(grey: UInt8Array) -> None:
    seen = normalize(Image.fromarray(grey))
    assert seen.shape == (28, 28)
    assert seen.dtype == np.uint8
    dark, light = normalize(Image.fromarray(grey), "dark"), normalize(Image.fromarray(255 - grey), "light")
    np.testing.assert_array_equal(dark, light)
    assert any((seen == one).all() for one in (dark, normalize(Image.fromarray(grey), "light")))


def test_many_pictures_at_once_are_as_one_at_a_time(digits: Dataset) -> None:
    """Of one size and of many, with ink and without, framed and dirty, in their order."""
    rng = np.random.default_rng(1)
    pictures = [Image.fromarray(digit) for digit in digits.images[:300]]
    pictures += [on_paper(digit, rng) for digit in digits.images[:60]]
    pictures += [Image.new("L", (28, 28), 200), Image.open(EXAMPLES / "photo-4.jpg"), Image.new("L", (300, 1))]
    order = rng.permutation(len(pictures))
    together = normalize_all([small_grey(pictures[i]) for i in order])
    for i, grey in zip(order, together, strict=True):
        np.testing.assert_array_equal(grey, normalize(pictures[i]))
    assert normalize_all([]).shape == (0, 28, 28)


def test_stages_go_from_grey_to_normalized() -> None:
    pictures = [Image.new("L", (28, 28), 200), small_grey(Image.open(EXAMPLES / "7.png"))]
    steps = zip(Stages._fields[:-1], stages(pictures)[:-1], strict=True)
    sizes = {name: [picture.shape for picture in levels] for name, levels in steps}
    assert list(sizes) == ["grey", "strength", "digit", "thick", "normalized"]
    assert [shapes[0] for shapes in sizes.values()] == [(28, 28), (28, 28), (0, 0), (0, 0), (28, 28)]
    assert [shapes[1] for shapes in sizes.values()][:2] == [(200, 200)] * 2


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 3000), (3000, 1), (28, 28)])
@pytest.mark.parametrize("level", [0, 127, 255])
def test_one_level_is_no_ink(size: tuple[int, int], level: int) -> None:
    assert not normalize(Image.new("L", size, level)).any()


def test_faint_grain_is_no_ink() -> None:
    grain = 200 + np.random.default_rng(1).normal(0, 3, (60, 60))
    assert not normalize(Image.fromarray(grain.astype(np.uint8))).any()


def test_a_hairline_survives() -> None:
    grey = np.full((1000, 1000), 255, np.uint8)
    grey[100:900, 500:502] = 0
    assert binarize(normalize(Image.fromarray(grey))[None], Binarization()).sum() >= 20


@pytest.mark.parametrize(
    "mode",
    ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16", "PA", "La", "RGBa", "RGBX"],
)
def test_every_mode_shows_the_same_digit(mode: str) -> None:
    with Image.open(EXAMPLES / "7.png") as picture:
        expected = normalize(picture)
        if mode == "I;16":
            converted = Image.fromarray(np.asarray(picture, np.uint16) * 257)
        elif mode == "LAB":  # Pillow gets there only by colour management
            from PIL import ImageCms

            srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
            converted = ImageCms.profileToProfile(picture.convert("RGB"), srgb, lab, outputMode="LAB") or picture
        else:
            via = {"PA": "P", "La": "LA", "RGBa": "RGBA"}.get(mode, mode)
            converted = picture.convert(via).convert(mode)
    assert converted.mode == mode
    assert differing(normalize(converted), expected) < 0.1


@pytest.mark.parametrize("ink", [(0, 0, 0), (255, 255, 255), (10, 20, 120)])
def test_transparency_lies_over_paper_that_contrasts(ink: tuple[int, int, int]) -> None:
    picture = Image.new("RGBA", (60, 60))
    picture.paste((*ink, 255), (28, 10, 33, 50))
    assert binarize(normalize(picture)[None], Binarization()).sum() > 20


def test_exif_turns_the_picture() -> None:
    with Image.open(EXAMPLES / "7.png") as picture:
        expected = normalize(picture)
        turned = picture.rotate(90, expand=True)
    exif = turned.getexif()
    exif[0x0112] = 6  # "turn me a quarter clockwise"
    turned.info["exif"] = exif.tobytes()
    np.testing.assert_array_equal(normalize(turned), expected)


def test_cut_out_keeps_soft_edges() -> None:
    strength = np.zeros((9, 9), np.uint8)
    strength[3:6, 4], strength[6, 4], strength[4, 3] = 255, 60, 10
    crop, nothing = cut_out(np.stack([strength, np.zeros_like(strength)], axis=-1))
    assert crop.shape == (4, 1)
    assert nothing.size == 0


@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_fit_box_keeps_the_shape(height: int, width: int) -> None:
    box = resize_to_box(np.full((height, width, 2), 200, np.uint8))
    assert max(box.shape[:2]) == 20
    assert box.shape[0] / box.shape[1] == pytest.approx(height / width, abs=0.5 * max(1, height / width) ** 2)
    assert box.min() == 255


@given(box=arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.integers(1, 255)))
def test_centre_puts_the_middle_of_the_ink_in_the_middle(box: UInt8Array) -> None:
    field = center_by_mass(box[..., None])[0]
    assert field.sum(dtype=int) == box.sum(dtype=int)
    mass = field / field.sum(dtype=float)
    for axis in (0, 1):
        along = mass.sum(axis=1 - axis)
        off = along @ np.arange(28) - 14
        at_edge = along[-1] if off < 0 else along[0]
        assert abs(off) <= 0.5 + 1e-9 or at_edge > 0, "off centre, with room to move"


def test_centre_of_mnist_is_where_mnist_has_it(digits: Dataset) -> None:
    mass = digits.images / digits.images.sum(axis=(1, 2), keepdims=True, dtype=float)
    assert (mass.sum(axis=2) @ np.arange(28)).mean() == pytest.approx(14, abs=0.1)
    assert (mass.sum(axis=1) @ np.arange(28)).mean() == pytest.approx(14, abs=0.1)


def test_binarize_takes_what_is_above_the_threshold() -> None:
    grey = np.zeros((2, 28, 28), np.uint8)
    grey[1, 3, 4], grey[1, 3, 5] = 101, 100
    vectors = binarize(grey, Binarization(threshold=100))
    assert vectors.shape == (2, 784)
    assert vectors.dtype == np.uint8
    assert np.flatnonzero(vectors[1]).tolist() == [3 * 28 + 4]
    assert not vectors[0].any()


@pytest.mark.parametrize("side", [1, 7, 16, 56])
def test_resizing_agrees_with_pillow(digits: Dataset, side: int) -> None:
    matrix = resizing(28, side, Image.Resampling.BILINEAR)
    for digit in digits.images[:20]:
        ours = matrix @ digit.astype(np.float32) @ matrix.T
        theirs = np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BILINEAR), float)
        np.testing.assert_allclose(ours, theirs, atol=1.01)  # Pillow rounds twice
    assert binarize(digits.images[:5], Binarization(side=side)).shape == (5, side**2)


@pytest.mark.parametrize("wrong", [{"side": 0}, {"threshold": 255}, {"threshold": -1}])
def test_refuses_settings_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        Binarization(**wrong)


def test_digits_on_paper_are_read_through_the_whole_chain(mnist: Path) -> None:
    """What the chain adds to a network's errors on MNIST is little, whatever the size, paper, light and polarity."""
    recognizer, rng = Recognizer(load(ROOT / "models" / "pretrained.h5")), np.random.default_rng(1)
    digits = read_dataset(mnist, "test")[:1000]
    predictions = recognizer.predict([normalize(on_paper(digit, rng)) for digit in digits.images])
    right = [prediction.digit == label for prediction, label in zip(predictions, digits.labels, strict=True)]
    assert np.mean(right) >= 0.985
