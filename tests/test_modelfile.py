"""Model files: written whole, read only when sound."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from digitnet import DigitnetError, Model, Network, load, save
from digitnet.imaging.normalize import Binarization
from digitnet.models import model_file
from digitnet.models.model_file import BLOCK, MAGIC, START, CheckpointState, load_checkpoint

Facts = dict[str, Any]


def sealed(content: bytes) -> bytes:
    """The same with a checksum that fits, as someone would make it who forges a file."""
    version_1 = content[START:BLOCK] == bytes(BLOCK - START)
    digest = hashlib.sha256(content[BLOCK if version_1 else START :]).hexdigest()
    return MAGIC + digest.encode() + content[START:]


def with_header(content: bytes, change: Callable[[Facts], object]) -> bytes:
    """A model with the facts in its header changed, sealed."""
    end = content.index(b"\0", START)
    facts = json.loads(content[START:end])
    changed = change(facts)
    header = b"\n" + (changed if isinstance(changed, bytes) else json.dumps(facts).encode())
    header = header.ljust(end - START)
    return sealed(content[:START] + header + content[START + len(header) :])


def as_version_1(content: bytes, forge: Callable[[h5py.File], object] = lambda file: None) -> bytes:
    """The same model or checkpoint as the first version of the format had it; forged on the way."""
    buffer = BytesIO()
    with h5py.File(BytesIO(content)) as now, h5py.File(buffer, "w", userblock_size=BLOCK) as then:
        then.attrs.update({**now.attrs, "format_version": 1})
        for name in now:
            now.copy(name, then)
        forge(then)
    return sealed(MAGIC + bytes(BLOCK - len(MAGIC)) + buffer.getvalue()[BLOCK:])


@pytest.mark.parametrize("sizes", [(784, 10), (256, 30, 10), (784, 8, 9, 10)])
@pytest.mark.parametrize(("activation", "loss"), [("relu", "cross-entropy"), ("sigmoid", "square")])
def test_round_trip(tmp_path: Path, sizes: tuple[int, ...], activation: str, loss: str) -> None:
    network = Network(sizes, activation=activation, loss=loss, rng=np.random.default_rng(1))
    history = [{"number": 1.0, "loss": 0.25}, {"number": 2.0, "loss": 0.125}]
    model = Model(
        network, Binarization(int(sizes[0] ** 0.5), 99), {"seed": 3, "optimizer": "adam", "rate": None}, history
    )
    save(model, tmp_path / "x.h5")
    back = load(tmp_path / "x.h5")
    assert (back.ink, back.record, back.history) == (model.ink, model.record, model.history)
    assert repr(back.network) == repr(network)
    assert back.network.loss_name == loss
    np.testing.assert_array_equal(back.network.parameters, network.parameters)
    x = np.random.default_rng(2).normal(size=(sizes[0], 5)).astype(np.float32)
    np.testing.assert_array_equal(back.network(x), network(x))


def test_same_model_same_bytes(small_model: Model, model_path: Path, tmp_path: Path) -> None:
    save(load(model_path), tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == model_path.read_bytes()
    assert str(tmp_path).encode() not in model_path.read_bytes()


def test_a_file_of_format_version_1_stays_readable() -> None:
    """The oldest file there is. Later versions of the format must read it, too."""
    model = load(Path(__file__).parent / "files" / "version-1.h5")
    assert model.network.sizes == (16, 10)
    assert model.network.parameters.sum() == pytest.approx(170 * 169 / 2 / 100)
    assert model.record == {"seed": 1}


def test_any_cut_or_flipped_bit_is_noticed(model_path: Path, tmp_path: Path) -> None:
    content, broken = model_path.read_bytes(), tmp_path / "broken.h5"
    rng = np.random.default_rng(1)
    for length in range(0, len(content), len(content) // 100):
        broken.write_bytes(content[:length])
        with pytest.raises(DigitnetError, match=r"broken\.h5: (not a digitnet model|damaged)"):
            load(broken)
    for place in rng.integers(0, len(content), 2000):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        broken.write_bytes(flipped)
        with pytest.raises(DigitnetError, match=r"broken\.h5: (not a digitnet model|damaged)"):
            load(broken)


def forge_version(file: h5py.File) -> None:
    file.attrs["format_version"] = 99


def forge_layers(file: h5py.File) -> None:
    file.attrs["layers"] = "784,1000000000,10"


def forge_text_in_layers(file: h5py.File) -> None:
    file.attrs["layers"] = "many"


def forge_side(file: h5py.File) -> None:
    file.attrs["side"] = 27


def forge_outputs(file: h5py.File) -> None:
    file.attrs["layers"] = "784,12"


def forge_missing(file: h5py.File) -> None:
    del file.attrs["activation"]


def forge_activation(file: h5py.File) -> None:
    file.attrs["activation"] = "exec"


def forge_nan(file: h5py.File) -> None:
    file["model_weights/dense_1/kernel:0"][3, 4] = np.nan


def forge_dtype(file: h5py.File) -> None:
    del file["model_weights/dense_2/bias:0"]
    file["model_weights/dense_2/bias:0"] = np.zeros(10, np.int64)


def forge_no_data_set(file: h5py.File) -> None:
    del file["model_weights/dense_2/bias:0"]
    file.create_group("model_weights/dense_2/bias:0")


def forge_external_link(file: h5py.File) -> None:
    del file["model_weights/dense_2"]
    file["model_weights/dense_2"] = h5py.ExternalLink("/etc/passwd", "/")


def forge_external_storage(file: h5py.File) -> None:
    del file["model_weights/dense_2/bias:0"]
    file.create_dataset("model_weights/dense_2/bias:0", (10,), "f4", external=[("/etc/passwd", 0, 40)])


def forge_virtual(file: h5py.File) -> None:
    del file["model_weights/dense_2/bias:0"]
    layout = h5py.VirtualLayout((10,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (10,))
    file.create_virtual_dataset("model_weights/dense_2/bias:0", layout)


def forge_terabytes(file: h5py.File) -> None:
    del file["model_weights/dense_1/kernel:0"]
    file.attrs["layers"] = "784,1000000000,10"
    file.create_dataset("model_weights/dense_1/kernel:0", (784, 10**9), "f4", chunks=(1, 1000))


def forge_infinities(file: h5py.File) -> None:
    file["model_weights/dense_1/kernel:0"][0, :2] = np.inf, -np.inf


def forge_no_output(file: h5py.File) -> None:
    file.attrs["layers"] = "784"


def forge_working_memory(file: h5py.File) -> None:
    """Few weights, and terabytes of what they make of a picture."""
    file.attrs["layers"] = "999999x999999,1x5x5,10"


def forge_filter(file: h5py.File) -> None:
    """A filter that no HDF5 knows, marked as optional, so that the file can be written."""
    del file["model_weights/dense_2/bias:0"]
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((10,))
    creation.set_filter(32_999, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((10,))
    h5py.h5d.create(file.id, b"model_weights/dense_2/bias:0", h5py.h5t.IEEE_F32LE, space, creation)


def forge_soft_link(file: h5py.File) -> None:
    file["elsewhere"] = file["model_weights/dense_2"]
    del file["model_weights/dense_2"]
    file["model_weights/dense_2"] = h5py.SoftLink("/elsewhere")


def forge_history_elsewhere(file: h5py.File) -> None:
    del file["history"]
    file["history"] = h5py.ExternalLink("/etc/passwd", "/")


def forge_record(file: h5py.File) -> None:
    file.attrs["record"] = "[" * 100_000


FORGERIES = [value for name, value in globals().items() if name.startswith("forge_")]


@pytest.mark.parametrize("forge", FORGERIES)
def test_nothing_is_believed_unchecked(model_path: Path, forge: Callable[[h5py.File], None]) -> None:
    model_path.write_bytes(as_version_1(model_path.read_bytes(), forge))
    with pytest.raises(DigitnetError, match=r"small\.h5: not a sound digitnet model") as error:
        load(model_path)
    assert "\n" not in str(error.value)


KERNEL, BIAS = "model_weights/dense_1/kernel:0", "model_weights/dense_2/bias:0"
HEADERS: dict[str, Callable[[Facts], object]] = {
    "format version 99; this digitnet knows up to 2": lambda facts: facts.update(format_version=99),
    "format_version is missing or not of type int": lambda facts: facts.update(format_version=True),
    "type int": lambda facts: facts.update(format_version="2"),
    "'format'": lambda facts: facts.pop("format"),
    "no object": lambda facts: b"[1]",
    "Expecting value": lambda facts: b"",
    "recursion": lambda facts: b"[" * 100_000 + b"\0",
    "utf-8": lambda facts: b"\xff{}",
    "layers is missing": lambda facts: facts.pop("layers"),
    "layers is missing or not of type list": lambda facts: facts.update(layers="784,12,10"),
    "expected string": lambda facts: facts.update(layers=[784, 12, 10]),
    "index out of range": lambda facts: facts.update(layers=[]),
    "'many' is no input": lambda facts: facts.update(layers=["many", "10"]),
    "12 outputs, not 10": lambda facts: facts.update(layers=["784", "12"]),
    "a layer of more than 10,000,000": lambda facts: facts.update(layers=["784", "9" * 9, "10"]),
    "10,000,000 neurons": lambda facts: facts.update(layers=["999999x999999", "1x5x5", "10"]),
    "more than 1,000 layers": lambda facts: facts.update(layers=["1"] * 1001),
    "activation must be one of": lambda facts: facts.update(activation="exec"),
    "loss must be one of": lambda facts: facts.update(loss="exec"),
    "does not see 27x27": lambda facts: facts.update(side=27),
    "side is missing": lambda facts: facts.update(side=28.0),
    "threshold must be between 0 and 254": lambda facts: facts.update(threshold=-1),
    "record is missing": lambda facts: facts.update(record="x"),
    "its record holds": lambda facts: facts.update(record={"seed": [1]}),
    "history is missing": lambda facts: facts.update(history="number"),
    "history is float64": lambda facts: facts.update(history=["number"]),
    "history is float64 ": lambda facts: facts.update(history=["number", "number"]),
    "arrays is missing": lambda facts: facts.pop("arrays"),
    f"{KERNEL} is missing": lambda facts: facts["arrays"].pop(KERNEL),
    "dtype is missing": lambda facts: facts["arrays"][KERNEL].pop("dtype"),
    "is object": lambda facts: facts["arrays"][KERNEL].update(dtype="object"),
    "kernel:0 does not lie": lambda facts: facts["arrays"][KERNEL].update(dtype="float64"),
    "is int64": lambda facts: facts["arrays"][BIAS].update(dtype="int64", shape=[5]),
    "is float32 [784, -12]": lambda facts: facts["arrays"][KERNEL].update(shape=[784, -12]),
    "is float32 [784, True]": lambda facts: facts["arrays"][KERNEL].update(shape=[784, True]),
    "does not lie in the file": lambda facts: facts["arrays"][KERNEL].update(shape=[10**9, 10**9]),
    "is float32 (12, 784)": lambda facts: facts["arrays"][KERNEL].update(shape=[12, 784]),
    "lie in the file": lambda facts: facts["arrays"][KERNEL].update(offset=-1),
    "lie in the file)": lambda facts: facts["arrays"][KERNEL].update(offset=10**30),
    "not lie in the": lambda facts: facts["arrays"][KERNEL].update(offset=0),
    "share their numbers": lambda facts: facts["arrays"][BIAS].update(offset=facts["arrays"][KERNEL]["offset"]),
    "with bell": lambda facts: facts["arrays"].update({"with\x07bell": {"dtype": "x", "shape": [], "offset": 0}}),
}
"""By what is said of it, what is changed in the header of a model."""


@pytest.mark.parametrize("problem", HEADERS)
def test_no_fact_is_believed_unchecked(model_path: Path, problem: str) -> None:
    model_path.write_bytes(with_header(model_path.read_bytes(), HEADERS[problem]))
    with pytest.raises(
        DigitnetError, match=rf"small\.h5: not a sound digitnet model \(.*{re.escape(problem)}"
    ) as error:
        load(model_path)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_no_number_is_believed_unchecked(model_path: Path, number: float) -> None:
    content = bytearray(model_path.read_bytes())

    def put(facts: Facts) -> None:
        offset = facts["arrays"][KERNEL]["offset"]
        content[offset : offset + 4] = np.float32(number).tobytes()

    with_header(bytes(content), put)
    model_path.write_bytes(sealed(bytes(content)))
    with pytest.raises(DigitnetError, match="kernel:0 holds a number that is not finite"):
        load(model_path)


def test_every_version_reads_the_same(small_model: Model, tmp_path: Path) -> None:
    """Also of a checkpoint, and where there are no epochs yet."""
    state = CheckpointState({"m": np.arange(5, dtype=np.float32), "t": np.ones(1, np.int64)}, {"done": 1})
    for model, saved in ((small_model, None), (small_model, state), (Model(Network((784, 10))), None)):
        save(model, tmp_path / "2.h5", saved)
        (tmp_path / "1.h5").write_bytes(as_version_1((tmp_path / "2.h5").read_bytes()))
        for name in ("1.h5", "2.h5"):
            back = load(tmp_path / name)
            assert (back.ink, back.record, back.history) == (model.ink, model.record, model.history)
            np.testing.assert_array_equal(back.network.parameters, model.network.parameters)
            if saved:
                _, again = load_checkpoint(tmp_path / name)
                assert again.facts == saved.facts
                assert {key: value.tolist() for key, value in again.arrays.items()} == {"m": [0, 1, 2, 3, 4], "t": [1]}
            else:
                with pytest.raises(DigitnetError, match="no checkpoint, from which a training could go on"):
                    load_checkpoint(tmp_path / name)


def test_hdf5_says_the_same(model_path: Path) -> None:
    """What others read is what we do."""
    content = model_path.read_bytes()
    model = load(model_path)
    with h5py.File(model_path) as file:
        assert file.userblock_size == 1024
        assert {**file.attrs}.items() >= {"format": "digitnet", "format_version": 2, "layers": "784,12,10"}.items()
        assert json.loads(file.attrs["record"]) == model.record
        assert file["history"][()].tolist() == [(1.0, 0.5)]
        kernel = file[KERNEL]
        np.testing.assert_array_equal(kernel[()], model.network.layers[0].weights.T)  # type: ignore[attr-defined]

        def same(facts: Facts) -> None:
            assert facts["arrays"][KERNEL]["offset"] == kernel.id.get_offset()

        with_header(content, same)


def test_a_long_record_gets_a_larger_block(tmp_path: Path) -> None:
    model = Model(Network((784, 10)), record={"note": "x" * 5000})
    save(model, tmp_path / "x.h5")
    assert load(tmp_path / "x.h5").record == model.record
    model.record["note"] = "x" * 2**20
    with pytest.raises(DigitnetError, match="a record of 1,04"):
        save(model, tmp_path / "x.h5")


def test_a_device_without_end_costs_nothing(model_path: Path) -> None:
    """Before, 2 GB were read before the first bytes were looked at."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({10**9}, {10**9})); from digitnet import load; "
    command = [sys.executable, "-c", code + "load('/dev/zero')"]
    result = subprocess.run(command, env={"OPENBLAS_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=10)
    assert result.stderr.splitlines()[-1] == "digitnet.errors.DigitnetError: /dev/zero: not a digitnet model"


@pytest.mark.parametrize(
    ("work", "problem"),
    [
        ("import os; os.abort()", "the HDF5 library broke down over it"),
        ("import time; time.sleep(9)", "reading its HDF5 took longer than 1 s"),
        ("bytearray(10**10)", "the HDF5 library broke down over it"),
        ("exec('while True: pass')", "took longer"),
        ("print('\\x1b[31m' * 10**6)", "not a sound digitnet model"),
    ],
)
def test_whatever_hdf5_does_is_a_line(
    model_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, problem: str
) -> None:
    """A process stands in that does what the library has done."""
    model_path.write_bytes(as_version_1(model_path.read_bytes()))
    limit = "from digitnet.models.model_file import _limit_this_process; _limit_this_process(2**31); "
    monkeypatch.setattr(model_file, "running", lambda code: [sys.executable, "-c", limit + work])
    monkeypatch.setattr(model_file, "CONVERT_SECONDS", 1)
    with pytest.raises(DigitnetError, match=rf"small\.h5: not a sound digitnet model \(.*{problem}|{problem}") as error:
        load(model_path)
    assert str(error.value).isprintable()


def test_refuses_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(DigitnetError, match="No such file"):
        load(tmp_path / "nothing.h5")
    with pytest.raises(DigitnetError, match="directory"):
        load(tmp_path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(DigitnetError, match="not a digitnet model"):
        load(tmp_path / "other.h5")


def test_a_failed_save_leaves_the_old_file(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = model_path.read_bytes()

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        save(Model(Network((784, 10))), model_path)
    assert model_path.read_bytes() == before
    assert [path.name for path in model_path.parent.iterdir()] == [model_path.name]


def test_saves_through_a_link_but_not_over_a_device(small_model: Model, tmp_path: Path) -> None:
    target, link = tmp_path / "deep" / "target.h5", tmp_path / "link.h5"
    link.symlink_to(target)
    save(small_model, link)
    assert link.is_symlink()
    assert load(target).record == small_model.record
    with pytest.raises(DigitnetError, match="not an ordinary file"):
        save(small_model, "/dev/null")
    with pytest.raises(DigitnetError, match="not an ordinary file"):
        save(small_model, tmp_path)


def test_model_s_ink_must_fit_its_network() -> None:
    with pytest.raises(ValueError, match="does not see 28x28"):
        Model(Network((256, 10)), Binarization(28))
    with pytest.raises(ValueError, match="783 inputs"):
        Model(Network((783, 10)))
