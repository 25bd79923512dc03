"""The command line as a process: what it prints where, and how it ends."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import digitnet
from digitnet import Binarization, Dataset, Model, Network, Prediction, load, save
from digitnet.cli import COMMANDS, cli
from digitnet.cli.output import Writer, drawing, of_digit, row
from digitnet.cli.presets import PRESETS
from digitnet.imaging.image_files import save_grey
from tests.conftest import EXAMPLES, ROOT, Run
from tests.test_datasets import write_idx

SEVEN = EXAMPLES / "7.png"


@pytest.fixture
def data(tmp_path: Path, digits: Dataset) -> Path:
    """A small folder of IDX files."""
    folder = tmp_path / "small-data"
    write_idx(folder, digits[:600], "train")
    write_idx(folder, digits[600:800], "test")
    (folder / "t10k-images-idx3-ubyte").symlink_to("test-images-idx3-ubyte")
    (folder / "t10k-labels-idx1-ubyte").symlink_to("test-labels-idx1-ubyte")
    return folder


# --- the group


def test_version_and_help(run: Run) -> None:
    assert run("--version").stdout == f"digitnet {digitnet.__version__}\n"
    text = run("--help").stdout
    for name, help_line in COMMANDS.items():
        assert re.search(rf"{name} +{re.escape(help_line)}", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_is_in_the_readme(name: str) -> None:
    command = cli.get_command(cli.make_context("digitnet", ["--help"], resilient_parsing=True), name)
    assert command is not None
    assert command.short_help == COMMANDS[name]
    assert command.help
    readme = (ROOT / "README.md").read_text()
    assert f"digitnet {name}" in readme
    for param in command.params:
        if param.param_type_name == "option":
            assert getattr(param, "help", None) or param.name in ("epochs", "batch_size", "optimizer", "output"), param
            assert max(param.opts, key=len) in readme, f"{param.opts} is not in the README"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["prdict"], "No such command"),
        (["predict", "--number"], "name a picture"),
        (["predict", "x.png", "-0"], "-0 goes with"),
        (["predict", "-", "--files-from", "-"], "stdin cannot be both"),
        (["predict", "x.png", "--format", "xml"], "xml"),
        (["train", "--layers", "784,many"], "'many' is no layer"),
        (["train", "--layers", "784"], "needs an input and an output"),
        (["train", "--layers", "784,0,10"], "'0' is no layer"),
        (["train", "--layers", "783,10"], "783 is no square"),
        (["train", "--layers", "784,26"], "one output for each digit"),
        (["train", "--epochs", "0"], "epochs"),
        (["train", "--learning-rate", "0"], "learning-rate"),
        (["train", "--validation-split", "1"], "validation"),
        (["train", "--set", "habit=0.1"], "there are warmup, distortions, habits, nonsense, shared, threshold"),
        (["train", "--set", "nonsense=much"], "'much' is no value for nonsense"),
        (["train", "--set", "distortions=wild"], "none, light, strong, wide, not 'wild'"),
        (["train", "--set", "threshold=300"], "between 0 and 254"),
        (["train", "--set", "threshold"], "'' is no value"),
        (["train", "--patience", "3", "--validation-split", "0"], "--patience needs digits"),
        (["train", "--time-limit", "soon"], "'soon' is no length of time"),
        (["train", "--init-from", "x.h5", "--layers", "784,10"], "--init-from brings its own"),
        (["train", "--init-from", "x.h5", "--pretrain", "rbm"], "leave out --pretrain"),
        (["train", "--pretrain", "rbm", "--activation", "relu"], "--pretrain: only hidden layers of sigmoid neurons"),
        (["train", "--pretrain", "rbm", "--layers", "784,10"], "--pretrain: only hidden layers"),
        (["train", "--pretrain", "rbm", "--layers", "28x28,4x5x5,10"], "--pretrain: only hidden layers"),
        (["fetch", "--from", "nowhere"], "nowhere"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(run: Run, arguments: list[str], problem: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert problem in result.stderr
    assert "--help'" in result.stderr


# --- train


def test_train_eval_predict(run: Run, data: Path, tmp_path: Path) -> None:
    result = run("train", "--layers", "784,40,10", "--epochs", "20", "--data", data)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(
        r"models/digitnet\.h5: Network\(784 -> 40 relu -> 10 softmax, 31,810 parameters\), "
        r"20 epochs, loss \d\.\d{4}, validation accuracy \d\d\.\d\d%\n",
        result.stdout,
    )
    model = load(tmp_path / "models" / "digitnet.h5")
    assert len(model.history) == 20
    assert model.record["seed"] == 1
    assert len(str(model.record["data_sha256"])) == 64
    figures = json.loads(run("eval", "--data", data, "--json").stdout)
    assert figures["accuracy"] > 0.5
    assert run("predict", SEVEN).stdout in [f"{digit}\n" for digit in range(10)]


def test_same_seed_same_bytes(run: Run, data: Path, tmp_path: Path) -> None:
    for output, seed in (("a.h5", 7), ("deep/er/b.h5", 7), ("c.h5", 8)):
        result = run("train", "--layers", "784,10", "--epochs", 2, "--data", data, "--seed", seed, "--output", output)
        assert result.returncode == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.h5", "deep/er/b.h5", "c.h5"))
    assert a == b != c


def test_settings_reach_the_model(run: Run, data: Path, tmp_path: Path) -> None:
    options = "--layers 256,20,10 --activation tanh --loss square --optimizer momentum --epochs 1 --batch-size 50"
    rare = (
        "--set threshold=60 --set distortions=none --set warmup=0.5 --learning-rate 0.02 --validation-split 0 --seed 3"
    )
    result = run("train", *options.split(), *rare.split(), "--data", data)
    assert "validation accuracy" not in result.stdout
    model = load(tmp_path / "models" / "digitnet.h5")
    assert (model.ink, model.network.activation, model.network.loss_name) == (Binarization(16, 60), "tanh", "square")
    expected = {
        "seed": 3,
        "validation": 0,
        "epochs": 1,
        "batch_size": 50,
        "optimizer": "momentum",
        "distortions": "none",
    }
    assert expected.items() <= model.record.items()


def test_a_preset_fills_in_and_what_is_given_goes_before_it(run: Run, data: Path, tmp_path: Path) -> None:
    given = "--layers 784,20,10 --epochs 1 --set nonsense=0.5 --set threshold=100"
    assert run("train", "--preset", "pretrained", *given.split(), "--data", data).returncode == 0
    model = load(tmp_path / "models" / "digitnet.h5")
    assert model.network.sizes == (784, 20, 10)
    expected = {"validation": 0.05, "distortions": "wide", "habits": 0.4, "nonsense": 0.5, "epochs": 1}
    assert expected.items() <= model.record.items()
    assert model.ink.threshold == 100
    assert f"default: {PRESETS['best']['epochs']}" in run("train", "--preset", "best", "--help").stdout


def test_train_goes_on_from_a_model(run: Run, data: Path, tmp_path: Path) -> None:
    assert run("train", "--layers", "784,30,10", "--data", data, "--epochs", 3, "--output", "a.h5").returncode == 0
    again = run("train", "--init-from", "a.h5", "--data", data, "--epochs", 2, "--output", "b.h5")
    assert again.returncode == 0
    a, b = load(tmp_path / "a.h5"), load(tmp_path / "b.h5")
    assert b.network.sizes == (784, 30, 10)
    assert len(b.history) == 5
    assert b.history[3]["loss"] < a.history[0]["loss"]


def test_train_learns_a_hand_and_forgets_little(run: Run, mnist: Path, tmp_path: Path) -> None:
    def accuracy(*options: object) -> float:
        return float(json.loads(run("eval", "--json", *options).stdout)["accuracy"])

    run("train", "--layers", "784,100,10", "--epochs", 2, "--data", mnist)
    before = accuracy("--data", EXAMPLES / "hand" / "check"), accuracy("--data", mnist)
    hand = ["--data", EXAMPLES / "hand" / "learn", "--init-from", "models/digitnet.h5"]
    result = run("train", *hand, "--epochs", 3, env=os.environ | {"DIGITNET_DATA": str(mnist)})
    assert "12,000 of MNIST's digits are mixed in" in result.stderr
    after = accuracy("--data", EXAMPLES / "hand" / "check"), accuracy("--data", mnist)
    assert after[0] > before[0]
    assert after[1] > before[1] - 0.005


def test_train_on_a_folder_names_what_it_leaves_out(run: Run, digits: Dataset, tmp_path: Path) -> None:
    for index, label in enumerate(digits.labels[:40]):
        folder = tmp_path / "mine" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        save_grey(folder / f"{index}.png", digits.images[index])
    (tmp_path / "mine" / "3" / "broken.png").write_text("no picture")
    result = run("train", "--layers", "784,10", "--epochs", 1, "--data", "mine")
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "mine/3/broken.png: not a picture that Pillow can read",
        "mine: left out 1 of 41 pictures",
    ]
    assert run("eval", "--data", "mine").returncode == 1


def test_train_fetches_where_nobody_has_named_data(run: Run, tmp_path: Path) -> None:
    environment = os.environ | {"PIP_NO_INDEX": "1", "https_proxy": "http://127.0.0.1:9/"}
    result = run("train", "--layers", "784,10", env=environment)
    assert result.returncode == 1
    assert result.stderr.startswith("data: no data here yet, fetching MNIST\nhttps://ossci-datasets")
    mistyped = run("train", env=environment | {"DIGITNET_DATA": "typo"})
    assert mistyped.stderr.startswith("digitnet: typo: no such file or folder")
    named = run("train", "--data", "typo", env=environment)
    assert named.returncode == 1
    assert named.stderr.startswith("digitnet: typo: no such file or folder")


def test_train_finds_an_unwritable_output_first(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for output in ("file/x.h5", "/dev/null", "/proc/x.h5"):
        result = run("train", "--data", data, "--output", output, "--epochs", 10**6)
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1
        assert output.split("/")[-2] in result.stderr


# --- eval


def test_eval_text_and_json_agree(run: Run, data: Path, model_path: Path) -> None:
    text = run("eval", "--data", data, "--model", model_path).stdout
    figures = json.loads(run("eval", "--data", data, "--model", model_path, "--json").stdout)
    assert set(figures) >= {"accuracy", "errors", "loss", "total_loss", "per_digit", "confusion"}
    lines = text.splitlines()
    assert lines[0] == f"accuracy {figures['accuracy']:.2%}, {figures['errors']} of 200 misread"
    assert lines[1] == f"mean loss {figures['loss']:.4f}, total loss {figures['total_loss']:.1f}"
    assert figures["total_loss"] == pytest.approx(200 * figures["loss"])
    start = lines.index("confusion: a row for each true digit, a column for each answer") + 2
    table = [[int(n) for n in line.split()[1:]] for line in lines[start : start + 10]]
    assert table == figures["confusion"]
    assert sum(map(sum, table)) == 200
    assert len({len(line) for line in lines[start - 1 : start + 10]}) == 1
    assert f"expected calibration error {figures['calibration_error']:.2%}" in lines
    assert sum(row["digits"] for row in figures["reliability"]) == 200
    rejected = figures["rejecting"][-1]
    assert lines[-1].split() == ["0.999", f"{rejected['rejected']:.2%}", "-"]


def test_eval_saves_the_misread_pictures(run: Run, data: Path, model_path: Path, tmp_path: Path) -> None:
    result = run("eval", "--data", data, "--model", model_path, "--json", "--save-errors", "wrong")
    names = sorted(path.name for path in (tmp_path / "wrong").iterdir())
    assert len(names) == json.loads(result.stdout)["errors"]
    assert all(re.fullmatch(r"\d-\d-[01]\.\d{4}-\d{3}\.png", name) for name in names)
    truth, answer, *_ = names[0].split("-")
    assert run("predict", "--model", model_path, tmp_path / "wrong" / names[0]).stdout == f"{answer}\n"
    assert truth != answer


# --- predict


def test_one_picture_is_a_digit_and_nothing_else(run: Run) -> None:
    result = run("predict", SEVEN)
    assert (result.stdout, result.stderr, result.returncode) == ("7\n", "", 0)
    with open(SEVEN, "rb") as file:
        assert run("predict", "-", stdin=file).stdout == "7\n"


def test_several_pictures_folders_and_lists(run: Run, tmp_path: Path) -> None:
    folder = run("predict", EXAMPLES).stdout.splitlines()
    names = [line.split("\t")[0] for line in folder]
    assert names == sorted(str(path) for path in EXAMPLES.glob("*.[pj][np]g"))
    assert all(re.fullmatch(r".*\t[0-9?]\t[01]\.\d{4}", line) for line in folder)
    listed = run("predict", "--files-from", "-", input="\n".join(reversed(names)))
    assert listed.stdout.splitlines() == folder[::-1]
    (tmp_path / "list").write_text("\0".join([*names, str(EXAMPLES)]))
    assert run("predict", "--files-from", "list", "-0").stdout.splitlines() == folder + folder


def test_recursion_and_names_without_extension(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in" / "side").mkdir(parents=True)
    for name in ("in/side/a.png", "in/.hidden.png", "in/picture"):
        (tmp_path / name).write_bytes(SEVEN.read_bytes())
    assert run("predict", "in").stdout == ""
    assert run("predict", "-r", "in").stdout.startswith("in/side/a.png\t7\t")
    assert run("predict", "in/.hidden.png").stdout == run("predict", "in/picture").stdout == "7\n"


def test_a_blank_is_a_question_mark(run: Run) -> None:
    blank = EXAMPLES / "blank.png"
    result = run("predict", blank)
    assert (result.stdout, result.stderr, result.returncode) == ("?\n", "", 0)
    row = json.loads(run("predict", blank, "--format", "jsonl").stdout)
    assert row["digit"] is None
    assert row["reason"] == "no ink found"


def test_an_unreadable_picture_is_one_line_and_the_rest_is_answered(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no picture")
    (tmp_path / "dangling.png").symlink_to("nothing")
    result = run("predict", "broken.png", SEVEN, "missing.png", "dangling.png", SEVEN)
    assert result.returncode == 1
    assert [line.split("\t")[:2] for line in result.stdout.splitlines()] == [[str(SEVEN), "7"]] * 2
    assert result.stderr.splitlines() == [
        "broken.png: not a picture that Pillow can read",
        "missing.png: No such file or directory",
        "dangling.png: No such file or directory",
    ]


def test_formats(run: Run) -> None:
    def output(format: str) -> str:
        return run("predict", SEVEN, EXAMPLES / "blank.png", "--format", format).stdout

    rows = json.loads(output("json"))
    assert rows == [json.loads(line) for line in output("jsonl").splitlines()]
    assert [row["digit"] for row in rows] == [7, None]
    assert len(rows[0]["confidences"]) == 10
    assert rows[0]["confidence"] == max(rows[0]["confidences"])
    table = list(csv.DictReader(io.StringIO(output("csv"))))
    assert [(row["path"], row["digit"]) for row in table] == [
        (row["path"], "" if row["digit"] is None else str(row["digit"])) for row in rows
    ]
    assert output("tsv") == output("text")
    assert run("predict", SEVEN, "--format", "tsv").stdout.startswith(f"{SEVEN}\t7\t")
    assert json.loads(run("predict", "--files-from", os.devnull, "--format", "json").stdout) == []


HARD_NAMES = [
    b"a b.png",
    b"tab\there",
    b"new\nline",
    b"quote\"'",
    b"-dash.png",
    b"caf\xe9.png",
    b"back\\slash",
    b"cr\rx",
]


def test_any_name_round_trips(run: Run, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    for name in HARD_NAMES:
        Path(os.fsdecode(os.path.join(folder, name))).write_bytes(SEVEN.read_bytes())

    def output(format: str) -> bytes:
        names = b"\0".join(HARD_NAMES)
        result = run("predict", "--files-from", "-", "-0", "--format", format, input=names, text=False)
        assert not result.stderr
        return result.stdout  # type: ignore[return-value]

    assert [os.fsencode(json.loads(line)["path"]) for line in output("jsonl").splitlines()] == HARD_NAMES
    text = output("csv").decode("utf-8", "surrogateescape")
    rows = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert [os.fsencode(row[0]) for row in rows] == HARD_NAMES
    escapes = {b"\\\\": b"\\", b"\\t": b"\t", b"\\n": b"\n", b"\\r": b"\r"}
    cells = [line.split(b"\t")[0] for line in output("tsv").split(b"\n")[:-1]]
    assert [re.sub(rb"\\.", lambda m: escapes[m[0]], cell) for cell in cells] == HARD_NAMES
    assert run("predict", "--", "-dash.png").stdout == "7\n"
    assert run("predict", b"caf\xe9.png").stdout == "7\n"
    (tmp_path / "new\nline").write_text("broken")
    assert run("predict", "new\nline").stderr == "new\\nline: not a picture that Pillow can read\n"


@given(path=st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1))
def test_csv_round_trips(path: str) -> None:
    stream = io.StringIO()
    prediction = Prediction(3, 0.5, (0.1,) * 10, np.zeros((1, 1), np.uint8))
    Writer(stream, "csv").write(row(of_digit(path, prediction), "csv"))
    assert list(csv.reader(io.StringIO(stream.getvalue(), newline="")))[1:] == [[path, "3", "0.5000"]]


def test_answers_come_while_names_are_still_coming(run: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "digitnet", "predict", "--files-from", "-"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(3):
            process.stdin.write(f"{SEVEN}\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(f"{SEVEN}\t7\t")


def test_a_closed_pipe_ends_quietly(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(f"{SEVEN}\n" * 3000)
    pipeline = f'"{sys.executable}" -m digitnet predict --files-from list | head -1; echo "${{PIPESTATUS[0]}}"'
    result = subprocess.run(["bash", "-c", pipeline], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.stderr == ""
    first, status = result.stdout.splitlines()
    assert first.startswith(f"{SEVEN}\t7\t")
    assert status == "0"


def test_ink_polarity_can_be_told(run: Run) -> None:
    assert run("predict", SEVEN, "--ink", "dark").stdout == "7\n"
    assert run("predict", SEVEN, "--ink", "light").stdout != "7\n"
    assert run("predict", EXAMPLES / "chalk-2.png", "--ink", "light").stdout == "2\n"


def test_show_draws_on_stderr(run: Run) -> None:
    result = run("predict", SEVEN, "--show")
    assert result.stdout == "7\n"
    path, *lines = result.stderr.splitlines()
    assert path == f"{SEVEN}:"
    assert len(lines) == 14
    assert set("".join(lines)) == set(" ▀▄█")


def test_drawing_of_an_odd_side() -> None:
    seen = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0]], np.uint8)
    assert drawing(Prediction(0, 1.0, (), seen)) == "▀ █\n▀▀"


def test_which_model(run: Run, tmp_path: Path) -> None:
    """--model, then DIGITNET_MODEL, then models/digitnet.h5, then the one that ships."""

    def always(digit: int, path: Path) -> Path:
        parameters = np.zeros(7850, np.float32)
        parameters[7840 + digit] = 9
        save(Model(Network((784, 10), parameters=parameters)), path)
        return path

    assert run("predict", SEVEN).stdout == "7\n"
    always(1, tmp_path / "models" / "digitnet.h5")
    assert run("predict", SEVEN).stdout == "1\n"
    environment = os.environ | {"DIGITNET_MODEL": str(always(2, tmp_path / "two.h5"))}
    assert run("predict", SEVEN, env=environment).stdout == "2\n"
    three = always(3, tmp_path / "three.h5")
    assert run("predict", SEVEN, "--model", three, env=environment).stdout == "3\n"
    missing = run("predict", SEVEN, "--model", "missing.h5")
    assert missing.returncode == 1
    assert missing.stderr == "digitnet: missing.h5: No such file or directory; 'digitnet train' makes a model\n"


def test_works_in_process_as_click_tests_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["predict", str(SEVEN)], standalone_mode=False)
    assert result.stdout == "7\n"


# --- export


def test_export_without_onnx(tmp_path: Path, model_path: Path) -> None:
    code = "import sys; sys.modules['onnx'] = None; from digitnet.cli import main; main()"

    def digitnet(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True)

    result = digitnet("export", str(model_path), "model.onnx")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "digitnet: exporting needs ONNX; pip install 'digitnet[onnx]' brings it\n"
    assert not (tmp_path / "model.onnx").exists()
    assert digitnet("export", "--help").returncode == 0
