"""Whatever lies among the pictures: one line on stderr or an answer, and never a lost neighbour."""

import csv
import io
import json
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import EXAMPLES, Run, obey_permissions
from tests.damage import NOT_WRITTEN, WRITERS, changed, cut_off, every_mode, sound_pictures

REASON = re.compile(
    r"not a picture that Pillow can read|not an ordinary file|PostScript is a program, which is not run; .*"
    r"|damaged picture \(.+\)|.*(pixels|too large).*"
)
NOTES = {
    "only the first frame of an animation is read",
    "several digits in 1 picture: --number reads them",
}
SEVEN = EXAMPLES / "7.png"


def read_all(run: Run, folder: Path, pictures: Iterable[tuple[str, bytes]], *options: str) -> tuple[int, int]:
    """Read pictures in one process, a sound one after every hundred; how many were answered, how many refused."""
    seven, names = SEVEN.read_bytes(), []
    for number, (name, content) in enumerate(pictures):
        (folder / name).write_bytes(content)
        names.append(name)
        if number % 100 == 99:
            names.append(f"sound-{number}")
            (folder / names[-1]).write_bytes(seven)
    arguments = ["predict", "--files-from", "-", "-0", "--format", "jsonl", *options]
    result = run(*arguments, input="\0".join(names), cwd=folder, timeout=1500)
    assert "Traceback" not in result.stderr
    every = [json.loads(line) for line in result.stdout.splitlines()]
    lines = [line.partition(": ") for line in result.stderr.split("\n")[:-1]]
    failed = [line for line in lines if line[2] not in NOTES]
    assert [row["path"] for row in every if "error" in row] == [name for name, _, _ in failed]
    rows = [row for row in every if "error" not in row and "#" not in row["path"]]
    answered = [row["path"] for row in rows]
    refused = [line for line in failed if "#" not in line[0]]
    assert not [line for line in refused if line[0] not in set(names) or not REASON.fullmatch(line[2])]
    assert answered == [name for name in names if name in set(answered)]
    assert [name for name, _, _ in refused] == [name for name in names if name not in set(answered)]
    assert {row["path"] for row in rows if row["path"].startswith("sound")} == {n for n in names if n[0] == "s"}
    assert all("7" in (row.get("lines") or [str(row.get("digit"))]) for row in rows if row["path"][0] == "s")
    assert result.returncode == (1 if failed else 0)
    return len(answered), len(refused)


def test_every_format_is_there() -> None:
    Image.init()
    assert {kind for kind, _, _ in WRITERS} == set(Image.SAVE) - NOT_WRITTEN


def test_every_sound_picture_is_read(run: Run, tmp_path: Path) -> None:
    pictures = sound_pictures()
    unread = {name for name in pictures if re.search("EPS|PALM|PDF", name)}
    assert read_all(run, tmp_path, pictures.items()) == (len(pictures) - len(unread), len(unread))
    names = [name for name in pictures if name not in unread]
    rows = [json.loads(line) for line in run("predict", *names, "--format", "jsonl").stdout.splitlines()]
    first = {row["path"]: row["digit"] for row in rows if "#" not in row["path"]}
    assert first == dict.fromkeys(names, rows[0]["digit"])
    assert [row["path"].rpartition("-")[2] for row in rows if "#" in row["path"]] == ["RGB#2"]


def test_pictures_cut_at_every_tenth_byte(run: Run, tmp_path: Path) -> None:
    answered, refused = read_all(run, tmp_path, cut_off(sound_pictures()))
    assert refused > 2000
    assert answered > 50


@pytest.mark.parametrize(
    ("count", "options"),
    [
        (1000, ()),
        (300, ("--number",)),
        pytest.param(50_000, (), marks=pytest.mark.fuzz),
        pytest.param(50_000, ("--number",), marks=pytest.mark.fuzz),
    ],
)
def test_pictures_with_changed_bytes(run: Run, tmp_path: Path, count: int, options: tuple[str, ...]) -> None:
    answered, refused = read_all(run, tmp_path, changed(sound_pictures(), count, np.random.default_rng(1)), *options)
    assert min(answered, refused) > count / 10


@pytest.mark.parametrize("options", [(), ("--number",)])
def test_every_mode_of_every_format(run: Run, tmp_path: Path, options: tuple[str, ...]) -> None:
    pictures = dict(every_mode())
    assert len(pictures) > 650
    answered, refused = read_all(run, tmp_path, pictures.items(), *options)
    assert answered > 600
    assert refused > 30


def test_every_mode_of_every_format_in_labelled_folders(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data" / "7").mkdir(parents=True)
    (tmp_path / "data" / "7" / "sound.png").write_bytes(SEVEN.read_bytes())
    for name, content in every_mode():
        (tmp_path / "data" / "7" / f"{name}.png").write_bytes(content)
    result = run("eval", "--data", "data")
    *lines, left_out = result.stderr.splitlines()
    assert result.returncode == 1
    assert left_out.startswith(f"data: left out {len(lines)} of ")
    assert all(REASON.fullmatch(line.partition(": ")[2]) for line in lines)


def test_odd_pictures(run: Run, tmp_path: Path) -> None:
    with Image.open(SEVEN) as file:
        seven = file.convert("L")
    palette = seven.convert("P")
    for name, size in {"1x1.png": (1, 1), "65000x1.png": (65000, 1), "1x65000.png": (1, 65000)}.items():
        Image.new("L", size).save(tmp_path / name)
    dashes = np.tile(np.array([0, 255, 255], np.uint8), (2, 20_000))
    Image.fromarray(dashes).save(tmp_path / "dashes.png")
    Image.fromarray(np.asarray(seven, np.uint16) * 257).save(tmp_path / "7-16bit.png")
    seven.convert("CMYK").save(tmp_path / "7-cmyk.jpg")
    palette.save(tmp_path / "7-palette.png", transparency=255)
    for kind in ("gif", "png", "webp"):
        blank = Image.new("L", seven.size, 255)
        seven.save(tmp_path / f"7-animated.{kind}", save_all=True, append_images=[blank])
    floats = np.asarray(seven, np.float32) / 255
    floats.view(np.uint32)[0, :3] = 0x7FA00000, 0x7F800000, 0xFF800000  # a signalling NaN, infinities
    Image.fromarray(floats).save(tmp_path / "7-floats.tif")
    for options in ((), ("--number",)):
        result = run("predict", ".", *options)
        note = "only the first frame of an animation is read"
        notes = [f"./7-animated.{kind}: {note}" for kind in ("gif", "png", "webp")]
        assert (result.returncode, result.stderr.splitlines()) == (0, notes)
        digits = {path: digit for path, digit, _ in (line.split("\t") for line in result.stdout.splitlines())}
        sevens = {name: digit for name, digit in digits.items() if name.startswith("./7")}
        assert sevens == dict.fromkeys(sevens, "7")
        assert len(sevens) == 7
        assert set(digits.values()) <= {"7", "?"} or options
        assert len(digits) == 11


def test_what_is_no_picture_is_a_line_and_its_neighbours_are_answered(run: Run, tmp_path: Path) -> None:
    (tmp_path / "zero.png").touch()
    (tmp_path / "text.png").write_text("hello\n")
    (tmp_path / "secret.png").write_bytes(SEVEN.read_bytes())
    (tmp_path / "secret.png").chmod(0)
    (tmp_path / "dangling.png").symlink_to("nowhere")
    (tmp_path / "loop-1.png").symlink_to("loop-2.png")
    (tmp_path / "loop-2.png").symlink_to("loop-1.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "x.png").mkdir()
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0)
    (tmp_path / "seven.png").write_bytes(SEVEN.read_bytes())
    (tmp_path / "x.png" / "seven.png").write_bytes(SEVEN.read_bytes())
    Image.new("L", (9, 9)).save(tmp_path / "program.eps")
    result = run("predict", "-r", ".", "/dev/null", "", SEVEN, preexec_fn=obey_permissions)
    assert result.returncode == 1
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        "./seven.png",
        "./x.png/seven.png",
        str(SEVEN),
    ]
    assert result.stderr.splitlines() == [
        "./dangling.png: No such file or directory",
        "./locked: Permission denied",
        "./loop-1.png: Too many levels of symbolic links",
        "./loop-2.png: Too many levels of symbolic links",
        "./pipe.png: not an ordinary file",
        "./program.eps: PostScript is a program, which is not run; save the picture as PNG",
        "./secret.png: Permission denied",
        "./text.png: not a picture that Pillow can read",
        "./zero.png: not a picture that Pillow can read",
        "/dev/null: not an ordinary file",
        ": No such file or directory",
    ]


def test_a_shell_s_pipe_is_read(tmp_path: Path, run: Run) -> None:
    reading, writing = os.pipe()
    os.write(writing, SEVEN.read_bytes())
    os.close(writing)
    result = run("predict", f"/dev/fd/{reading}", pass_fds=[reading])
    os.close(reading)
    assert (result.stdout, result.stderr) == ("7\n", "")


@pytest.mark.fuzz
def test_a_deep_folder(run: Run, tmp_path: Path) -> None:
    """Deeper than Python's stack."""
    make = f"for i in {{1..1100}}; do mkdir d; cd d; done; cp '{SEVEN}' ."
    subprocess.run(["bash", "-c", make], cwd=tmp_path, check=True)
    result = run("predict", "-r", "d")
    subprocess.run(["rm", "-r", "d"], cwd=tmp_path, check=True)  # pytest's own way would recurse
    assert result.stdout.split("\t")[1] == "7"


def test_damaged_exif_does_not_cost_the_picture(run: Run, tmp_path: Path) -> None:
    """Nor does it bring a warning of Pillow's; what it said of the orientation is lost with it."""
    for name, content in sound_pictures().items():
        at = content.find(b"MM\0*")
        if "JPEG-RGB" in name or "WEBP-L" in name:
            for place in range(at, at + 74):
                for value in (0, 2, 255):
                    damaged = bytearray(content)
                    damaged[place] = value
                    (tmp_path / f"{name}-{place}-{value}").write_bytes(damaged)
    names = sorted(os.listdir(tmp_path))
    assert len(names) > 400
    result = run("predict", *names)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == len(names)


def test_names_of_any_bytes(run: Run, tmp_path: Path) -> None:
    """Every byte that a name can hold, in a folder, in a list, and where the picture cannot be read."""
    folder, small = os.fsencode(tmp_path) + b"/in", sound_pictures()["21-PNG-L"]
    os.mkdir(folder)
    names = [b"in/-" + bytes([byte]) + b".png" for byte in range(1, 256) if byte != ord("/")]
    names += [b"in/\xe2\x80\xa8.png", b"in/ .png", b"in/'\"$(x)`.png", "in/七.png".encode()]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(small)
    names.sort(key=os.fsdecode)

    def output(*arguments: str, **options: object) -> bytes:
        result = run("predict", *arguments, text=False, **options)
        assert not result.stderr
        assert result.returncode == 0
        return result.stdout  # type: ignore[return-value]

    rows = [json.loads(line) for line in output("in", "--format", "jsonl").splitlines()]
    assert [os.fsencode(row["path"]) for row in rows] == names
    assert len({row["digit"] for row in rows}) == 1
    assert json.loads(output("in", "--format", "json")) == rows
    text = output("--files-from", "-", "-0", "--format", "csv", input=b"\0".join(names))
    table = list(csv.reader(io.StringIO(text.decode("utf-8", "surrogateescape"), newline="")))[1:]
    assert [os.fsencode(row[0]) for row in table] == names
    escape = rb"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|.)"
    cells = [line.split(b"\t") for line in output("in", "--format", "tsv").split(b"\n")[:-1]]
    assert [re.sub(escape, lambda m: m[0].decode("unicode_escape").encode(), path) for path, _, _ in cells] == names
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]|\xe2\x80\xa8", output("in", "--format", "tsv"))
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(b"")
    result = run("predict", "in")
    assert (result.returncode, result.stdout) == (1, "")
    assert len(re.findall(r": not a picture that Pillow can read\n", result.stderr)) == len(names)
    assert result.stderr.count("\n") == len(names)
