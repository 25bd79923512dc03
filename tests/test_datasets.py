"""Labelled digits from IDX files, CSV and folders."""

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitnet import Dataset, DigitnetError, normalize, read_dataset
from digitnet.imaging.image_files import open_picture, save_grey
from tests.conftest import EXAMPLES


@pytest.fixture
def few() -> Dataset:
    rng = np.random.default_rng(1)
    return Dataset(rng.integers(0, 256, (5, 28, 28), np.uint8), np.array([3, 0, 9, 1, 1], np.uint8))


def write_idx(folder: Path, data: Dataset, part: str = "train", packed: bool = False) -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    images = struct.pack(">4I", 2051, len(data), 28, 28) + data.images.tobytes()
    labels = struct.pack(">2I", 2049, len(data)) + data.labels.tobytes()
    paths = folder / f"{part}-images-idx3-ubyte", folder / f"{part}-labels-idx1-ubyte"
    if packed:
        paths = paths[0].with_name(paths[0].name + ".gz"), paths[1].with_name(paths[1].name + ".gz")
        images, labels = gzip.compress(images), gzip.compress(labels)
    paths[0].write_bytes(images)
    paths[1].write_bytes(labels)
    return paths


def same(a: Dataset, b: Dataset) -> bool:
    return bool((a.images == b.images).all() and (a.labels == b.labels).all())


def test_mnist(mnist: Path) -> None:
    train, test = read_dataset(mnist, "train"), read_dataset(mnist, "test")
    assert (len(train), len(test)) == (60000, 10000)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.parametrize("packed", [False, True])
def test_idx(tmp_path: Path, few: Dataset, packed: bool) -> None:
    write_idx(tmp_path, few, packed=packed)
    assert same(read_dataset(tmp_path), few)
    with pytest.raises(DigitnetError, match=r"t10k-images-idx3-ubyte: no such file; 'digitnet fetch'"):
        read_dataset(tmp_path, "test")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda c: c[:10], "ends within its header"),
        (lambda c: b"\0\0\0\1" + c[4:], "magic number 1, not 2051"),
        (lambda c: c[:-1], "ends early"),
        (lambda c: c + b"x", "goes on after its last item"),
        (lambda c: c[:4] + b"\xff" * 12 + c[16:], "claims 4,294,967,295 items"),
        (lambda c: struct.pack(">4I", 2051, 10, 28, 14) + c[16:], "28x14 pixels"),
        (lambda c: struct.pack(">4I", 2051, 4, 28, 28) + c[16 : 16 + 4 * 784], "4 train images but 5 labels"),
    ],
)
def test_idx_refuses(tmp_path: Path, few: Dataset, change: object, problem: str) -> None:
    assert callable(change)
    images, labels = write_idx(tmp_path, few)
    images.write_bytes(change(images.read_bytes()))
    if "x14" in problem:
        labels.write_bytes(struct.pack(">2I", 2049, 10) + bytes(10))
    with pytest.raises(DigitnetError, match=problem):
        read_dataset(tmp_path)


def test_idx_refuses_damaged_gzip_and_wrong_labels(tmp_path: Path, few: Dataset) -> None:
    images, labels = write_idx(tmp_path, few, packed=True)
    whole = images.read_bytes()
    for damaged in (whole[:50], b"hello", whole[:40] + b"\xff" * 20 + whole[60:]):
        images.write_bytes(damaged)
        with pytest.raises(DigitnetError, match="damaged gzip file"):
            read_dataset(tmp_path)
    images.write_bytes(whole)
    labels.write_bytes(gzip.compress(struct.pack(">2I", 2049, 5) + bytes([0, 1, 2, 3, 10])))
    with pytest.raises(DigitnetError, match="a label of 10"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("header", ["", "label," + ",".join(f"pixel{i}" for i in range(784)) + "\n"])
def test_csv(tmp_path: Path, few: Dataset, header: str) -> None:
    path = tmp_path / "train.csv"
    table = np.column_stack([few.labels, few.images.reshape(5, -1)])
    path.write_text(header + "\n".join(",".join(map(str, row)) for row in table) + "\n")
    assert same(read_dataset(path), few)
    for part in ("train", "test"):
        assert len(read_dataset(path, part)) == 5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no digits in it"),
        ("label,pixel0\n", "no digits in it"),
        ("1,2,3\n", "3 columns, not 785"),
        ("1,2\n1,2,3\n", "not a CSV"),
        ("1," + ",".join(["256"] * 784), "not a CSV"),
        ("1," + ",".join(["ink"] * 784), "not a CSV"),
        ("4," + ",".join(["0"] * 784) + "\n10," + ",".join(["0"] * 784), "label 10 in row 2"),
    ],
)
def test_csv_refuses(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(DigitnetError, match=problem):
        read_dataset(path)


@pytest.mark.parametrize(
    ("start", "change"),
    [
        ("", lambda row: "\ufeff" + row),
        ("label,pixel0\n", lambda row: row),
        ("\ufefflabel,pixel0\n", lambda row: row),
        ('"label","pixel0"\n', lambda row: row.replace("0", '"0"')),
        ("", lambda row: row.replace("0", '"0"').replace("3,", '"3",')),
        ("# my digits\n", lambda row: " " + row.replace(",", ", ")),
        ("", lambda row: row.replace("\n", "\r")),
    ],
)
def test_csv_loses_no_first_row(tmp_path: Path, start: str, change: Callable[[str], str]) -> None:
    path, row = tmp_path / "x.csv", "3" + ",0" * 784 + "\n"
    path.write_text(start + change(row) + row, newline="")
    assert read_dataset(path).labels.tolist() == [3, 3]


def libsvm(data: Dataset, base: int, form: str = "{:d}", scale: float = 1) -> str:
    """Lines as LibSVM's own tools write them: what is 0 left out, the first pixel called 0 or 1."""
    lines = []
    for label, image in zip(data.labels, data.images, strict=True):
        places = np.flatnonzero(image)
        values = (form.format(value / scale if scale != 1 else value) for value in image.ravel()[places])
        lines.append(" ".join([str(label), *map("{}:{}".format, places + base, values)]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize(("form", "scale"), [("{:d}", 1), ("{:.6g}", 255), ("{:.1f}", 1)])
def test_libsvm(tmp_path: Path, digits: Dataset, few: Dataset, base: int, form: str, scale: float) -> None:
    path = tmp_path / "mnist"
    for some in (digits[:200], digits[5:6], few):  # in few every pixel has ink; in MNIST's no corner has any
        path.write_text(libsvm(some, base, form, scale))
        assert same(read_dataset(path), some)


def test_libsvm_comments_blanks_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_text("# made, by hand\n\n 7.0 1:1  784:0.5 # a seven\r\n+3\n")
    data = read_dataset(path)
    assert data.labels.tolist() == [7, 3]
    assert {(*map(int, place),): int(data.images[place]) for place in zip(*data.images.nonzero(), strict=True)} == {
        (0, 0, 0): 255,
        (0, 27, 27): 128,
    }


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("5 1:2\n\n4 1:2 7\n", "line 3: not a label and pairs of index:value"),
        ("5 1:2\n4 1:ink\n", "line 2: not a label"),
        ("5 1:2\nqid:3 1:2\n", "line 2: not a label"),
        ("5 1.5:2\n", "line 1: not a label"),
        ("5 1:2:3\n", "line 1: not a label"),
        ("5 99999999999:2\n", "line 1: not a label"),
        ("5 1:2\n10 1:2\n", "line 2: the label is no digit, 0 to 9"),
        ("-1 1:2\n", "line 1: the label is no digit"),
        ("1.5 1:2\n", "line 1: the label is no digit"),
        ("1\n2 785:1\n", "line 2: an index that is none of 28x28 pixels"),
        ("2 -1:1\n", "line 1: an index"),
        ("2 0:1\n2 3:1\n2 784:1\n", "line 3: index 784, though the file counts from 0"),
        ("1\n2 3:-1\n", "line 2: a value that is not between 0 and 255"),
        ("2 3:256\n", "line 1: a value"),
        ("2 3:nan\n", "line 1: a value"),
    ],
)
def test_libsvm_refuses(tmp_path: Path, lines: str, problem: str) -> None:
    path = tmp_path / "x.txt"
    path.write_text(lines)
    with pytest.raises(DigitnetError, match=problem):
        read_dataset(path)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    for content in (b"\x89HDF\r\n\x1a\n\xff", b"5 1:2\n" * 3000 + b"\xff\n"):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(DigitnetError, match="neither CSV nor LibSVM, for it is no text"):
            read_dataset(tmp_path / "x")


def test_folder_of_pictures_goes_through_normalize(tmp_path: Path, digits: Dataset) -> None:
    for digit in (7, 2):
        (tmp_path / str(digit)).mkdir()
    (tmp_path / "7" / "a.png").write_bytes((EXAMPLES / "7.png").read_bytes())
    save_grey(tmp_path / "2" / "b.png", digits.images[5])
    (tmp_path / "2" / "broken.png").write_text("no picture")
    (tmp_path / "2" / "notes.txt").write_text("not looked at")
    data = read_dataset(tmp_path)
    assert data.labels.tolist() == [2, 7]
    np.testing.assert_array_equal(data.images[1], normalize(open_picture(EXAMPLES / "7.png")))
    assert len(data.unread) == 1
    assert "broken.png: not a picture" in data.unread[0]


def test_refuses_places_without_digits(tmp_path: Path) -> None:
    with pytest.raises(DigitnetError, match="no such file or folder"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(DigitnetError, match="neither MNIST's IDX files nor"):
        read_dataset(tmp_path)
    (tmp_path / "3").mkdir()
    with pytest.raises(DigitnetError, match="no picture that can be read"):
        read_dataset(tmp_path)


@given(count=st.integers(0, 50), share=st.floats(0, 0.99), seed=st.integers(0, 99))
def test_split_loses_and_repeats_none(count: int, share: float, seed: int) -> None:
    numbers = np.arange(count, dtype=np.uint8)
    data = Dataset(np.tile(numbers[:, None, None], (28, 28)), numbers % 10)
    kept, held_out = data.split(share, np.random.default_rng(seed))
    assert sorted([*kept.images[:, 0, 0], *held_out.images[:, 0, 0]]) == numbers.tolist()
    assert all((part.labels == part.images[:, 0, 0] % 10).all() for part in (kept, held_out))
    assert len(held_out) == round(count * share)


def test_hash_is_of_the_content(few: Dataset) -> None:
    assert few.sha256 == hashlib.sha256(few.images.tobytes() + few.labels.tobytes()).hexdigest()
    assert few[::-1].sha256 != few.sha256
