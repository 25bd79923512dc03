"""What the first users hit: silent choices, lost outputs, lists and files as other programs make them."""

import csv
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from click.shell_completion import get_completion_class
from PIL import Image, TiffImagePlugin

from digitnet import Dataset, DigitnetError, Model, Network, Recognizer, load, read_dataset, save
from digitnet.cli import COMMANDS, cli
from digitnet.imaging.image_files import list_folder
from digitnet.models.recognizer import SEVERAL
from tests.conftest import EXAMPLES, ROOT, Run
from tests.damage import sound_pictures
from tests.test_datasets import write_idx
from tests.test_number import sheet

SEVEN = EXAMPLES / "7.png"
TWO = EXAMPLES / "chalk-2.png"


def raw(run: Run, *arguments: object, **options: Any) -> "subprocess.CompletedProcess[bytes]":
    """What a command prints, as bytes."""
    return cast("subprocess.CompletedProcess[bytes]", run(*arguments, text=False, **options))


@pytest.fixture
def data(tmp_path: Path, digits: Dataset) -> Path:
    write_idx(tmp_path / "small", digits[:600], "train")
    return tmp_path / "small"


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


# --- a shell


@pytest.mark.parametrize("arguments", [[], ["predict"], ["export"]])
def test_a_command_without_arguments_prints_its_help(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stderr == run(*arguments, "--help").stdout


def test_a_command_of_a_similar_name_is_suggested(run: Run) -> None:
    assert "No such command 'trian'. Did you mean 'train'? Try" in run("trian").stderr
    assert "Did you mean '--version'? Try" in run("version").stderr
    assert "Did you mean '--help'? Try" in run("help").stderr
    assert "Did you mean 'predict'? Try" in run("PREDICT").stderr
    assert f"Did you mean 'predict {SEVEN}'? Try" in run(SEVEN).stderr


PATHS = {
    "train": ["--data", "--init-from", "--output", "--log"],
    "search": ["--data", "--output", "--study", "--plot"],
    "eval": ["--data", "--model", "--plot-weights"],
    "predict": ["--model", "--files-from"],
    "export": [],
}
FOLDERS = {"fetch": ["--data", "--from"], "eval": ["--save-errors"], "predict": ["--save-stages"]}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_path_completes(shell: str) -> None:
    kind = get_completion_class(shell)
    assert kind
    completion = kind(cli, {}, "digitnet", "_DIGITNET_COMPLETE")

    def types(*arguments: str) -> set[str]:
        return {item.type for item in completion.get_completions(list(arguments), "exa")}

    assert types("predict") == types("predict", "x.png") == {"file"}
    assert types("export") == types("export", "m.h5") == {"file"}
    for expected, table in (("file", PATHS), ("dir", FOLDERS)):
        for command, options in table.items():
            for option in options:
                assert types(command, option) == {expected}, (command, option)
    assert {item.value for item in completion.get_completions([], "")} == set(COMMANDS)


@pytest.mark.parametrize(
    ("names", "options", "line"),
    [
        (b"7.png\0", [], "stdin: its names end in null bytes, as of find -print0; -0 reads them"),
        (b"7.png\nx.png\n", ["-0"], "stdin: its names end in newlines; leave out -0"),
        (SEVEN.read_bytes(), [], "stdin: a picture, not a list of names; leave out --files-from"),
        (b"x.png\n", ["-0"], "stdin: its names end in newlines; leave out -0"),
        (b"x" * 10**6, [], "stdin: a name of more than 65,536 bytes; is this a list of names?"),
    ],
)
def test_what_is_no_list_is_a_line(run: Run, names: bytes, options: list[str], line: str) -> None:
    result = raw(run, "predict", "--files-from", "-", *options, input=names)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr == f"digitnet: {line}\n".encode()


def test_lists_of_windows_and_empty_ones(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(f"{SEVEN}\r\n{TWO}\r\n".encode())
    result = run("predict", "--files-from", "list")
    assert [line.split("\t")[1] for line in result.stdout.splitlines()] == ["7", "2"]
    assert result.stderr == "list: its lines end as on Windows (CRLF); the carriage returns are left out\n"
    (tmp_path / "list").write_text(f"\ufeff{SEVEN}\n", encoding="utf-8")
    assert run("predict", "--files-from", "list").stdout.startswith(f"{SEVEN}\t7\t")
    (tmp_path / "7.png\r").write_bytes(SEVEN.read_bytes())
    assert run("predict", "--files-from", "-", input="7.png\r\n").stderr == ""
    empty = run("predict", "--files-from", "-", input="")
    assert (empty.returncode, empty.stdout, empty.stderr) == (0, "", "stdin: no names in it, nothing to read\n")
    nothing = run("predict", "-", input="")
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert nothing.stderr == "-: nothing came on stdin; send a picture: digitnet predict - < digit.png\n"
    assert "name - once" in run("predict", "-", "-", input="").stderr
    (tmp_path / "empty").mkdir()
    assert run("predict", "empty").stderr.startswith("empty: no pictures in this folder; --recursive")


def test_a_folder_gives_what_pillow_decodes(tmp_path: Path) -> None:
    for name in ("m.h5", "a.pdf", "a.hdf", "a.grib", "a.bufr", "a.mpg", "a.wmf", "b.png", "c.tif", "d.webp", "e.pgm"):
        (tmp_path / name).touch()
    assert [Path(path).name for path in list_folder(str(tmp_path))] == ["b.png", "c.tif", "d.webp", "e.pgm"]


# --- outputs that are no files


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "out"])
def test_a_log_on_stdout_replaces_nothing(data: Path, clean_environment: None, tmp_path: Path, name: str) -> None:
    """Also where stdout is a file, which keeps what is written there before and after."""
    train = f"-m digitnet train --layers 784,10 --epochs 2 --data {data} --log {name}"
    shell = f'exec > out; echo before; "{sys.executable}" {train}; echo after'
    result = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    before, *epochs, after = (tmp_path / "out").read_text().splitlines()
    assert (before, after) == ("before", "after")
    assert [json.loads(line)["epoch"] for line in epochs] == [1, 2]
    assert result.stderr.startswith("models/digitnet.h5: Network(")
    assert not (tmp_path / "-").exists()


def test_a_log_on_stderr(data: Path, clean_environment: None, tmp_path: Path) -> None:
    for name in ("/dev/stderr", "/dev/fd/2", "err"):
        train = f'"{sys.executable}" -m digitnet train --layers 784,10 --epochs 2 --data {data} --log {name} 2> err'
        subprocess.run(["bash", "-c", train], cwd=tmp_path, capture_output=True, timeout=60, check=True)
        assert [json.loads(line)["epoch"] for line in (tmp_path / "err").read_text().splitlines()] == [1, 2]


def test_a_log_in_a_pipe(data: Path, clean_environment: None, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    train = f'"{sys.executable}" -m digitnet train --layers 784,10 --epochs 2 --data {data} --log'
    for shell in (f"{train} >(cat >> log)", f"cat fifo > log & {train} fifo; wait"):
        result = subprocess.run(["bash", "-c", f"{shell}; sleep 0.2"], cwd=tmp_path, capture_output=True, timeout=60)
        assert result.stderr == b""
        assert [json.loads(line)["epoch"] for line in (tmp_path / "log").read_text().splitlines()] == [1, 2]
        (tmp_path / "log").unlink()
    assert (tmp_path / "fifo").is_fifo()


def test_a_log_that_nobody_reads_any_more_ends_no_training(data: Path, clean_environment: None, tmp_path: Path) -> None:
    train = f'"{sys.executable}" -m digitnet train --layers 784,10 --epochs 200 --data {data} --log - | head -1'
    result = subprocess.run(["bash", "-c", train], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.stdout.count("\n") == 1
    line, last = result.stderr.splitlines()
    assert line == "-: nobody reads it any more; going on without"
    assert last.startswith("models/digitnet.h5: ")
    assert len(load(tmp_path / "models" / "digitnet.h5").history) == 200


def test_pictures_on_stdout_and_never_a_file_called_dash(
    run: Run, data: Path, model_path: Path, tmp_path: Path
) -> None:
    result = raw(run, "eval", "--data", EXAMPLES / "hand" / "check", "--model", model_path, "--plot-weights", "-")
    assert Image.open(io.BytesIO(result.stdout)).format == "PNG"
    assert b"accuracy" in result.stderr
    for command in (
        "train --output -",
        "search --output -",
        "search --study -",
        "eval --save-errors -",
        "fetch --data -",
        f"predict --save-stages - {SEVEN}",
    ):
        refused = run(*command.split())
        assert refused.returncode == 2
        assert "'-' is standard output, which cannot hold this; give a name." in refused.stderr
    assert not (tmp_path / "-").exists()


# --- which model answers


def test_a_model_that_does_not_ship_is_named(run: Run, model_path: Path, tmp_path: Path) -> None:
    assert run("predict", SEVEN).stderr == ""
    assert run("predict", SEVEN, "--model", ROOT / "models" / "pretrained.h5").stderr == ""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "digitnet.h5").write_bytes(model_path.read_bytes())
    toy = run("predict", SEVEN, "--format", "jsonl")
    assert toy.stderr == "model: models/digitnet.h5\n"
    shipped = run("predict", SEVEN, "--format", "jsonl", "--model", "shipped")
    assert (shipped.stderr, json.loads(shipped.stdout)["digit"]) == ("", 7)
    assert json.loads(toy.stdout)["model"] == load(model_path).sha256[:8]
    assert json.loads(shipped.stdout)["model"] == load(ROOT / "models" / "pretrained.h5").sha256[:8]


def test_a_models_hash_is_of_what_it_answers_with(small_model: Model) -> None:
    before = small_model.sha256
    small_model.record["note"] = 1
    assert small_model.sha256 == before
    small_model.network.parameters[0] += 1
    assert small_model.sha256 != before


# --- rows


def test_failures_have_rows(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad,name.png").write_text("no picture")

    def output(format: str) -> str:
        result = run("predict", "bad,name.png", EXAMPLES / "blank.png", SEVEN, "--format", format)
        assert (result.returncode, result.stderr) == (1, "bad,name.png: not a picture that Pillow can read\n")
        return result.stdout

    table = list(csv.reader(io.StringIO(output("csv"))))
    assert [row[1:] for row in table] == [["digit", "confidence"], ["", ""], ["", "0.0000"], ["7", "0.9912"]]
    rows = json.loads(output("json"))
    assert rows == [json.loads(line) for line in output("jsonl").splitlines()]
    assert rows[0] == {"path": "bad,name.png", "error": "not a picture that Pillow can read"}
    assert output("tsv").count("\n") == output("text").count("\n") == 2


def test_several_digits_are_noticed(run: Run, digits: Dataset, recognizer: Recognizer, tmp_path: Path) -> None:
    sheet(digits.images[:4], 1).save(tmp_path / "four.png")
    result = run("predict", "four.png", SEVEN)
    assert result.stdout.splitlines()[0] == "four.png\t?\t0.0000"
    assert result.stderr == "several digits in 1 picture: --number reads them\n"
    assert json.loads(run("predict", "four.png", "--format", "jsonl").stdout)["reason"] == SEVERAL
    found = 0
    for start in range(0, 200, 2):
        prediction = recognizer.read(sheet(digits.images[start : start + 2], 1))
        found += prediction.reason == SEVERAL
    assert found > 90


def test_one_digit_is_not_several(mnist: Path, recognizer: Recognizer) -> None:
    images = read_dataset(mnist, "train").images[2000:6000]
    read = recognizer.read_many([Image.fromarray(image) for image in images])
    assert sum(prediction.reason == SEVERAL for prediction in read) <= 2


def test_a_wide_gap_is_a_space(run: Run, digits: Dataset, tmp_path: Path) -> None:
    line = np.asarray(sheet(digits.images[:6], 1))
    wide = np.insert(line, [line.shape[1] // 2] * 200, 230, axis=1)
    Image.fromarray(wide).save(tmp_path / "two.png")
    Image.fromarray(line).save(tmp_path / "one.png")
    text = "".join(map(str, digits.labels[:6]))
    assert run("predict", "--number", "two.png").stdout == f"{text[:3]} {text[3:]}\n"
    assert run("predict", "--number", "one.png").stdout == f"{text}\n"


def test_every_page_of_a_tiff_is_read(run: Run, digits: Dataset, tmp_path: Path) -> None:
    with Image.open(SEVEN) as seven, Image.open(TWO) as two:
        pages = [seven.convert("L"), two.convert("L"), seven.convert("L")]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    rows = [line.split("\t")[:2] for line in run("predict", "scan.tif", SEVEN).stdout.splitlines()]
    assert rows == [["scan.tif", "7"], ["scan.tif#2", "2"], ["scan.tif#3", "7"], [str(SEVEN), "7"]]
    assert run("predict", "scan.tif").stdout == run("predict", "--number", "scan.tif").stdout == "7\n2\n7\n"
    content = (tmp_path / "scan.tif").read_bytes()
    assert raw(run, "predict", "-", input=content).stdout == b"7\n2\n7\n"
    (tmp_path / "mine" / "7").mkdir(parents=True)
    (tmp_path / "mine" / "7" / "scan.tif").write_bytes(content)
    assert read_dataset(tmp_path / "mine").labels.tolist() == [7, 7, 7]


def test_a_damaged_page_costs_no_other(run: Run, tmp_path: Path) -> None:
    """Nor does a thumbnail or a mask, which is no page."""
    with Image.open(SEVEN) as seven:
        pages = [seven.convert("L") for _ in range(4)]
    kinds = [TiffImagePlugin.ImageFileDirectory_v2() for _ in pages]
    kinds[0][254], kinds[3][254] = 1, 4
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "scan.tif"), True) as writer:
        for page, kind in zip(pages, kinds, strict=True):
            page.save(writer, "TIFF", compression="tiff_lzw", tiffinfo=kind)
            writer.newFrame()
    content = bytearray((tmp_path / "scan.tif").read_bytes())
    with Image.open(tmp_path / "scan.tif") as file:
        file.seek(1)
        start = file.tag_v2[273][0]  # type: ignore[attr-defined]
    content[start : start + 200] = bytes(200)
    (tmp_path / "scan.tif").write_bytes(content)
    result = run("predict", "scan.tif", "--format", "csv")
    assert [row[:2] for row in csv.reader(io.StringIO(result.stdout))][1:] == [["scan.tif", ""], ["scan.tif#2", "7"]]
    assert (result.returncode, result.stderr.count("damaged picture")) == (1, 1)


def test_what_is_left_of_a_file_is_said(run: Run, tmp_path: Path) -> None:
    two = SEVEN.read_bytes() + TWO.read_bytes()
    result = raw(run, "predict", "-", input=two)
    assert (result.returncode, result.stdout) == (0, b"7\n")
    assert result.stderr == b"-: only the first of several pictures is read; give each a file of its own\n"
    jpeg = (EXAMPLES / "photo-4.jpg").read_bytes()
    assert b"only the first" in raw(run, "predict", "-", input=jpeg + jpeg).stderr
    assert raw(run, "predict", "-", input=jpeg).stderr == b""
    with Image.open(SEVEN) as seven:
        for kind in ("GIF", "BMP", "WEBP"):
            buffer = io.BytesIO()
            seven.convert("L").save(buffer, kind)
            assert raw(run, "predict", "-", input=buffer.getvalue()).stderr == b""
            assert b"only the first" in raw(run, "predict", "-", input=2 * buffer.getvalue()).stderr


# --- data


@pytest.mark.parametrize(("name", "column"), [("INDEX.tsv", "file"), ("labels.csv", "path")])
def test_a_table_of_pictures_and_labels(run: Run, tmp_path: Path, name: str, column: str) -> None:
    folder = tmp_path / "set"
    (folder / "in").mkdir(parents=True)
    for picture in (SEVEN, TWO):
        (folder / "in" / picture.name).write_bytes(picture.read_bytes())
    end = "\t" if name.endswith("tsv") else ","
    rows = [
        ["kind", column.title(), " Label"],
        ["a", "in/7.png", "7"],
        ["b", "in/chalk-2.png", " 2.0"],
        ["c", "no.png", "3"],
    ]
    rows += [["d", "in/7.png", "77"], ["e"]]
    (folder / name).write_text("\ufeff" + "".join(end.join(row) + "\r\n" for row in rows), encoding="utf-8")
    dataset = read_dataset(folder / name)
    assert dataset.labels.tolist() == [7, 2]
    result = run("eval", "--data", f"set/{name}", "--json")
    assert (result.returncode, json.loads(result.stdout)["accuracy"]) == (1, 1.0)
    assert result.stderr.splitlines() == [
        "set/no.png: No such file or directory",
        "set/in/7.png: the label '77' is no digit, 0 to 9",
        "set: the label '' is no digit, 0 to 9",
        f"set/{name}: left out 3 of 5 pictures",
    ]
    assert run("train", "--data", f"set/{name}", "--layers", "784,10", "--epochs", "1").returncode == 0


def test_wrong_data_is_told_in_our_words(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fraction.csv").write_text("label,pixel0\n3,0.5\n")
    (tmp_path / "short.csv").write_text("3" + ",0" * 784 + "\n4,1\n")
    (tmp_path / "header.csv").write_text("label,pixel0\n")
    (tmp_path / "some").mkdir()
    for name, line in {
        "fraction.csv": "fraction.csv, line 2, '0.5': not a CSV of labels and grey levels 0 to 255; "
        "a table of pictures has columns file or path, and label",
        "short.csv": "short.csv, line 2, 2 columns, not 785: not a CSV of labels and grey levels 0 to 255",
        "header.csv": "header.csv: no digits in it",
        "some": "some: neither MNIST's IDX files nor sub-folders 0 to 9 of pictures in it",
    }.items():
        assert run("eval", "--data", name).stderr == f"digitnet: {line}\n"


# --- trainings that meet


def test_a_better_model_is_kept(run: Run, data: Path, tmp_path: Path) -> None:
    train = ["train", "--layers", "784,30,10", "--data", data]
    assert run(*train, "--epochs", 20).stderr == ""
    good = (tmp_path / "models" / "digitnet.h5").read_bytes()
    worse = run(*train, "--epochs", 1)
    assert (worse.returncode, worse.stdout.count("1 epoch,")) == (0, 1)
    assert "the old one is now models/digitnet.h5.1" in worse.stderr
    assert (tmp_path / "models" / "digitnet.h5.1").read_bytes() == good
    assert "digitnet.h5.2" in run(*train, "--epochs", 1, "--validation-split", 0).stderr
    refused = run(*train, "--epochs", 1, "--output", "other.h5", "--log", "models/digitnet.h5.1")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "models/digitnet.h5.1 is a file, but not a log; name another one." in refused.stderr
    assert (tmp_path / "models" / "digitnet.h5.1").read_bytes() == good
    assert run(*train, "--epochs", 20).stderr == ""
    assert (tmp_path / "models" / "digitnet.h5").read_bytes() == good


# --- Python


def forms(path: Path) -> dict[str, Any]:
    """One picture in every form that ``read`` takes."""
    with Image.open(path) as file:
        picture = file.convert("RGB")
    levels = np.asarray(picture)
    return {
        "path": path,
        "name": str(path),
        "bytes": path.read_bytes(),
        "bytearray": bytearray(path.read_bytes()),
        "file": open(path, "rb"),
        "buffer": io.BytesIO(path.read_bytes()),
        "image": picture,
        "grey": np.asarray(picture.convert("L")),
        "rgb": levels,
        "rgba": np.dstack([levels, np.full(levels.shape[:2], 255, np.uint8)]),
        "floats": levels.astype(np.float32) / 255,
        "transposed": np.asfortranarray(np.asarray(picture.convert("L"))),
    }


@pytest.mark.parametrize("path", [SEVEN, TWO])
def test_a_picture_in_any_form(recognizer: Recognizer, path: Path) -> None:
    expected = recognizer.read(path)
    every = forms(path)
    for name, source in every.items():
        assert recognizer.read(source).digit == expected.digit, name
    every["file"].seek(0)
    every["buffer"].seek(0)
    assert [one.digit for one in recognizer.read_many(every.values())] == [expected.digit] * len(every)
    every["file"].close()
    assert repr(expected) == f"Prediction(digit={expected.digit}, confidence={expected.confidence:.4f})"


def test_read_many_says_of_each_why_there_is_no_answer(recognizer: Recognizer, tmp_path: Path) -> None:
    read = recognizer.read_many([SEVEN, tmp_path / "none.png", b"text", TWO])
    assert [one.digit for one in read] == [7, None, None, 2]
    assert read[1].reason == "No such file or directory"
    assert read[2].reason == "not a picture that Pillow can read"
    assert recognizer.read_many([]) == []
    many = recognizer.read_many(SEVEN if number != 300 else b"" for number in range(600))
    assert [one.digit for one in many] == [7] * 300 + [None] + [7] * 299
    with pytest.raises(DigitnetError, match=r"none\.png: No such file"):
        recognizer.read(tmp_path / "none.png")


@pytest.mark.parametrize(
    ("source", "error", "problem"),
    [
        (None, TypeError, "NoneType is no picture"),
        (7, TypeError, "int is no picture"),
        (io.StringIO("text"), TypeError, "StringIO is no picture"),
        (np.zeros((28, 28), int), TypeError, "int64"),
        (np.zeros(784, np.uint8), ValueError, r"\(784,\)"),
        (np.zeros((2, 28, 28), np.uint8), ValueError, "28"),
        (np.zeros((0, 5), np.uint8), ValueError, "0, 5"),
        (np.full((28, 28), 255.0), ValueError, "0 to 1"),
        (np.full((28, 28), np.nan), ValueError, "0 to 1"),
    ],
)
def test_what_is_no_picture_raises(recognizer: Recognizer, source: Any, error: type[Exception], problem: str) -> None:
    for read in (recognizer.read, lambda one: recognizer.read_many([one])):
        with pytest.raises(error, match=problem) as raised:
            read(source)
        assert "\n" not in str(raised.value)


def test_a_recognizer_checks_what_it_is_given(small_model: Model) -> None:
    with pytest.raises(ValueError, match="one of auto, dark, light, not 'drak'"):
        Recognizer(small_model, "drak")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="min_confidence must be between 0 and 1, not 90"):
        Recognizer(small_model, min_confidence=90)
    with pytest.raises(TypeError, match="must be of type Model, not Network"):
        Recognizer(Network((784, 10)))  # type: ignore[arg-type]
    ones: list[Any] = [
        "7.png",
        SEVEN,
        SEVEN.read_bytes(),
        io.BytesIO(),
        np.zeros((3, 3)),
        {},
        None,
        Image.new("L", (3, 3)),
    ]
    for one in ones:
        with pytest.raises(TypeError, match="read takes one"):
            Recognizer(small_model).read_many(one)
    with pytest.raises(TypeError, match="model must be of type Model, not str"):
        save("x.h5", small_model)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="path must be a str or a Path, not int"):
        load(3)  # type: ignore[arg-type]
    assert repr(Recognizer(small_model)) == f"Recognizer({small_model!r}, 'auto', 0)"
    assert len(repr(Recognizer())) < 120


def test_threads_leave_stderr_and_warnings_alone(recognizer: Recognizer) -> None:
    """libtiff's complaints are the whole process's business, not a library's."""
    import warnings

    content = sound_pictures()["38-TIFF-L"]
    damaged = [content, content[:-40], content.replace(b"II*\0", b"II*\1")]
    before, filters = os.fstat(2), list(warnings.filters)

    def read() -> None:
        for _ in range(20):
            recognizer.read_many(damaged)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.path.samestat(os.fstat(2), before)
    assert list(warnings.filters) == filters


def test_the_model_of_a_saved_network_answers(small_model: Model, tmp_path: Path) -> None:
    save(small_model, tmp_path / "m.h5")
    assert load(tmp_path / "m.h5").sha256 == small_model.sha256
