"""One picture takes 600 MB at most, whatever it is, and no file is mapped into memory."""

import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from digitnet.imaging.image_files import _file
from digitnet.imaging.preprocess import ORIENTATION, grey_levels, grey_of_large, reduce
from tests.conftest import EXAMPLES, Run

SIDE = 10_000
SEVEN = EXAMPLES / "7.png"
LINE = "MB to decode, 450 MB are allowed; save it smaller or as PNG, or allow more with --max-pixels"
PEAK = """if True:
    import re, sys
    from digitnet.cli import main
    try:
        main()
    finally:
        sys.stdout.flush()
        print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the most memory a process had")


def large_png(depth: int, colours: int, more: bytes = b"") -> bytes:
    """100 megapixels, all 0, a byte or two for each number of a pixel."""
    numbers = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colours]
    packer = zlib.compressobj(1)
    row = bytes(1 + SIDE * numbers * depth // 8)
    data = b"".join(packer.compress(row * 100) for _ in range(SIDE // 100)) + packer.flush()

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">2I5B", SIDE, SIDE, depth, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def large_im(kind: str) -> bytes:
    """The header of an uncompressed picture of 100 megapixels, which a sparse file can be made of."""
    header = f"Image type: {kind} image\r\nImage size (x*y): {SIDE}*{SIDE}\r\nFile size (no of images): 1\r\n"
    return header.encode().ljust(511, b"\0") + b"\x1a"


def large_webp() -> bytes:
    """An animation whose first frame is small, on a canvas of 100 megapixels: 156 bytes."""
    small = BytesIO()
    frames = [Image.new("L", (16, 16), level) for level in (0, 255)]
    frames[0].save(small, "WEBP", save_all=True, append_images=frames[1:])
    content = bytearray(small.getvalue())
    canvas = content.index(b"VP8X") + 12
    content[canvas : canvas + 6] = 2 * (SIDE - 1).to_bytes(3, "little")
    return bytes(content)


TRANSPARENT = b"\0\0\0\3PLTE\0\0\0" + struct.pack(">I", zlib.crc32(b"PLTE\0\0\0"))
TRANSPARENT += b"\0\0\0\1tRNS\x80" + struct.pack(">I", zlib.crc32(b"tRNS\x80"))
LARGE: dict[str, tuple[Callable[..., bytes], tuple[Any, ...]]] = {
    "L": (large_png, (8, 0)),
    "I;16": (large_png, (16, 0)),
    "RGB": (large_png, (8, 2)),
    "P": (large_png, (8, 3, TRANSPARENT)),
    "LA": (large_png, (8, 4)),
    "RGBA": (large_png, (8, 6)),
    "F": (large_im, ("L 32F",)),
    "I": (large_im, ("L 32S",)),
    "CMYK": (large_im, ("CMYK",)),
}


def write_large(mode: str, path: Path) -> None:
    make, arguments = LARGE[mode]
    content = make(*arguments)
    with open(path, "wb") as file:
        file.write(content)
        if make is large_im:
            file.truncate(len(content) + 4 * SIDE * SIDE)


@pytest.mark.parametrize("mode", LARGE)
def test_100_megapixels_are_read_in_600_megabytes(mode: str, tmp_path: Path) -> None:
    write_large(mode, tmp_path / "large")
    options = ["--number"] if mode in ("RGB", "RGBA") else []
    command = [sys.executable, "-c", PEAK, "predict", "large", *options]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    answer, peak = result.stdout.split()
    assert (answer, result.stderr) == ("?", "")
    assert int(peak) * 1024 < 600e6


@pytest.mark.parametrize("options", [(), ("--number",)])
def test_a_few_bytes_that_would_take_gigabytes(options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "canvas.webp").write_bytes(large_webp())
    command = [sys.executable, "-c", PEAK, "predict", "canvas.webp", *options]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert result.stderr.splitlines()[1] == f"canvas.webp: takes 1,600 {LINE}"
    assert int(result.stdout) * 1024 < 150e6


def jpeg2000(side: int, tile: int) -> bytes:
    """A header that claims a picture of so many pixels in tiles."""
    small = BytesIO()
    Image.new("RGB", (16, 16)).save(small, "JPEG2000", no_jp2=True)
    content = bytearray(small.getvalue())
    content[8:16], content[24:32] = struct.pack(">2I", side, side), struct.pack(">2I", tile, tile)
    return bytes(content)


def test_what_a_decoder_takes_beside_the_picture_counts(run: Run, tmp_path: Path) -> None:
    progressive, png, icon = BytesIO(), large_png(8, 6)[:33], struct.pack("<3H", 0, 1, 1)
    Image.new("CMYK", (8, 8)).save(progressive, "JPEG", progressive=True)
    header = bytearray(progressive.getvalue())
    at = header.index(b"\xff\xc2") + 5
    header[at : at + 4] = struct.pack(">2H", SIDE, SIDE)
    icon += struct.pack("<4B2H2I", 16, 16, 0, 0, 1, 32, len(png), 22) + png
    pictures = {
        "progressive.jpg": (bytes(header), "806"),
        "whole.j2k": (jpeg2000(SIDE, SIDE), "2,500"),
        "icon.ico": (icon, "3,200"),
        "qoi.qoi": (b"qoif" + struct.pack(">2I2B", SIDE, SIDE, 4, 0), "1,600"),
        "pbm.ppm": (b"P3 10000 10000 255\n", "1,600"),
    }
    for name, (content, _) in pictures.items():
        (tmp_path / name).write_bytes(content)
    lines = run("predict", *pictures).stderr.splitlines()
    assert len(lines) == len(pictures)
    for line, (name, (_, takes)) in zip(lines, pictures.items(), strict=True):
        assert line.startswith(f"{name}: ")
        assert takes in line
        assert line.endswith(LINE)
    (tmp_path / "tiled.j2k").write_bytes(jpeg2000(SIDE // 2, 512))
    assert LINE not in run("predict", "tiled.j2k").stderr


def test_more_memory_comes_with_more_pixels(run: Run, tmp_path: Path) -> None:
    (tmp_path / "whole.j2k").write_bytes(jpeg2000(5000, 5000))
    assert LINE in run("predict", "whole.j2k").stderr
    assert run("predict", "whole.j2k", "--max-pixels", 200_000_000).stderr == ""


@pytest.mark.parametrize("jobs", [(), ("--jobs", 1), ("--jobs", 2), ("--number",)])
def test_under_a_limit_a_large_picture_costs_its_own_line(run: Run, tmp_path: Path, jobs: tuple[object, ...]) -> None:
    write_large("RGBA", tmp_path / "large.png")
    (tmp_path / "canvas.webp").write_bytes(large_webp())
    limit = 500_000_000  # the picture alone is 400, and NumPy and its threads take a hundred or more
    names = [SEVEN, "large.png", SEVEN, "canvas.webp", SEVEN]
    result = run(
        *("predict", *jobs, *names),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        env={"PATH": "", "OPENBLAS_NUM_THREADS": "1"},
    )
    assert [line.split("\t")[:2] for line in result.stdout.splitlines()] == [[str(SEVEN), "7"]] * 3
    failed = [line for line in result.stderr.splitlines() if "first frame" not in line]
    assert [line.partition(":")[0] for line in failed] == ["large.png", "canvas.webp"]
    assert failed[0] == "large.png: too large a picture for this machine's memory"


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "LAB", "La", "PA"])
def test_in_tiles_a_picture_looks_as_it_does_whole(mode: str, orientation: int) -> None:
    ramp = (np.add.outer(np.arange(1500) // 8, np.arange(1300) // 20) % 256).astype(np.uint8)
    picture = Image.fromarray(ramp)
    if mode == "I;16":
        picture = Image.fromarray(ramp.astype(np.uint16) * 257)
    elif mode in ("LA", "RGBA", "La", "PA"):
        picture.putalpha(Image.fromarray(255 - ramp[::-1]))
        picture = picture.convert(mode) if mode != "PA" else picture.convert("RGBA").convert("PA")
    elif mode == "LAB":
        picture = Image.merge("LAB", [picture] * 3)
    elif mode == "F":
        picture = Image.fromarray(ramp.astype(np.float32) / 255)
    else:
        picture = picture.convert(mode)
    picture.info["dpi"] = 72
    picture.getexif()[ORIENTATION] = orientation
    whole = np.asarray(reduce(grey_levels(picture), 100), int)
    tiled = np.asarray(reduce(grey_of_large(picture, 100), 100), int)
    assert whole.shape == tiled.shape
    assert abs(whole - tiled).mean() < 2


def test_an_file_file_has_neither_name_nor_number_to_be_mapped_by() -> None:
    with _file(SEVEN) as stream:
        assert not getattr(Image.open(stream), "filename", "")
        with pytest.raises(OSError, match=r"^$"):
            stream.fileno()


def test_no_file_is_mapped_into_memory(run: Run, tmp_path: Path) -> None:
    """Files that lose their content while they are read: a line or an answer, and no SIGBUS."""
    side, names = 6000, []
    picture = Image.fromarray(np.add.outer(np.arange(side) // 9, np.arange(side) // 30).astype(np.uint8))
    for kind, compression in [("BMP", None), ("PPM", None), ("TIFF", None), ("TIFF", "tiff_lzw")]:
        content = BytesIO()
        picture.save(content, kind, compression=compression)
        for number in range(4):
            names.append(f"{kind}-{compression}-{number}")
            (tmp_path / names[-1]).write_bytes(content.getvalue())
    for options in ((), ("--number",)):
        command = [sys.executable, "-m", "digitnet", "predict", "--jobs", "1", *names, SEVEN, *options]
        with subprocess.Popen(command, cwd=tmp_path, stdout=-1, stderr=-1, text=True) as process:
            kept = {name: (tmp_path / name).read_bytes() for name in names}
            waited = 0
            while process.poll() is None:
                name = names[waited // 3 % len(names)]
                (tmp_path / name).write_bytes(kept[name][:5000])
                try:
                    process.wait(0.03)
                except subprocess.TimeoutExpired:
                    waited += 1
                (tmp_path / name).write_bytes(kept[name])
            output, errors = process.communicate()
        assert process.returncode in (0, 1)
        answered = {line.split("\t")[0] for line in output.splitlines()}
        refused = {line.partition(":")[0] for line in errors.splitlines()}
        assert answered | refused == {*names, str(SEVEN)}
