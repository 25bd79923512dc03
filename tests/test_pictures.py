"""Picture files."""

import os
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitnet import DigitnetError
from digitnet.imaging.image_files import list_folder, open_picture, save_grey
from tests.conftest import EXAMPLES


def test_opens_a_path_and_bytes() -> None:
    path = EXAMPLES / "7.png"
    assert open_picture(path).size == open_picture(path.read_bytes()).size == (200, 200)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "not a picture"), (b"hello", "not a picture"), ((EXAMPLES / "7.png").read_bytes()[:600], "damaged")],
)
def test_refuses_damaged_pictures_in_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(DigitnetError, match=problem) as error:
        open_picture(path)
    assert "\n" not in str(error.value)


def test_a_large_photo_is_scaled_down_by_its_decoder(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.effect_noise((4000, 3000), 50).save(path)
    assert open_picture(path).size == (4000, 3000)
    small = open_picture(path, 400)
    assert small.size == (1000, 750)
    assert open_picture(path.read_bytes(), 400).tobytes() == small.tobytes()


def test_heic_needs_the_extra_and_works_with_it(tmp_path: Path) -> None:
    script = """if True:
        import sys
        from pathlib import Path
        from digitnet import DigitnetError
        from digitnet.imaging.image_files import list_folder, open_picture
        path, hide = Path(sys.argv[1]), sys.argv[2] == "hide"
        if hide:
            sys.modules["pillow_heif"] = None
        assert list(list_folder(str(path.parent))) == [str(path)]
        for source in (path, path.read_bytes()):
            try:
                print(open_picture(source).size)
            except DigitnetError as error:
                print(error)
    """
    make = "import sys, pillow_heif; from PIL import Image; pillow_heif.register_heif_opener(); "
    make += "Image.open(sys.argv[1]).save(sys.argv[2])"
    path = tmp_path / "7.heic"
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    run([sys.executable, "-c", make, EXAMPLES / "7.png", path])
    assert run([sys.executable, "-c", script, path, "show"]).stdout == "(200, 200)\n" * 2
    assert "pip install 'digitnet[heic]'" in run([sys.executable, "-c", script, path, "hide"]).stdout
    path.write_bytes(path.read_bytes()[:100])
    assert "(" not in run([sys.executable, "-c", script, path, "show"]).stdout.replace("(s)", "")


def test_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DigitnetError, match="No such file"):
        open_picture(tmp_path / "x.png")
    with pytest.raises(DigitnetError, match="directory"):
        open_picture(tmp_path)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.[pj][np]g")), ids=lambda path: path.name)
def test_a_damaged_picture_is_read_or_refused(file: Path) -> None:
    """Cut anywhere and with random bytes: never any other exception, nor a warning."""
    content, rng = file.read_bytes(), np.random.default_rng(1)
    for _ in range(60):
        damaged = bytearray(content[: rng.integers(1, len(content) + 1)])
        for place in rng.integers(0, len(damaged), 5):
            damaged[place] = rng.integers(256)
        with suppress(DigitnetError):
            open_picture(bytes(damaged))


def test_lists_pictures_sorted_without_hidden_ones(tmp_path: Path) -> None:
    for name in ["b.png", "a.JPG", ".c.png", "notes.txt", "sub/d.gif", "sub/.hidden/e.png", ".git/f.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "round").symlink_to(tmp_path)
    folder = str(tmp_path)
    assert [os.path.relpath(path, folder) for path in list_folder(folder)] == ["a.JPG", "b.png"]
    deep = [os.path.relpath(path, folder) for path in list_folder(folder, recursive=True)]
    assert deep == ["a.JPG", "b.png", "sub/d.gif"]


def test_saves_grey(tmp_path: Path) -> None:
    grey = np.arange(784, dtype=np.uint8).reshape(28, 28)
    save_grey(tmp_path / "x.png", grey)
    with Image.open(tmp_path / "x.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), grey)
