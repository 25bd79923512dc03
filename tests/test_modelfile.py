"""Model files: written whole, read only when sound."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from digitnet import DigitnetError, Model, Network, load, save
from digitnet.ink import Ink
from digitnet.modelfile import BLOCK, MAGIC


def seal(path: Path) -> None:
    """Make the checksum fit again, as someone would who forges a file."""
    content = path.read_bytes()
    block = MAGIC + hashlib.sha256(content[BLOCK:]).hexdigest().encode()
    path.write_bytes(block.ljust(BLOCK, b"\0") + content[BLOCK:])


@pytest.mark.parametrize("sizes", [(784, 10), (256, 30, 10), (784, 8, 9, 10)])
@pytest.mark.parametrize(("activation", "loss"), [("relu", "cross-entropy"), ("sigmoid", "square")])
def test_round_trip(tmp_path: Path, sizes: tuple[int, ...], activation: str, loss: str) -> None:
    network = Network(sizes, activation=activation, loss=loss, rng=np.random.default_rng(1))
    history = [{"number": 1.0, "loss": 0.25}, {"number": 2.0, "loss": 0.125}]
    model = Model(network, Ink(int(sizes[0] ** 0.5), 99), {"seed": 3, "optimizer": "adam", "rate": None}, history)
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
    with h5py.File(model_path, "r+") as file:
        forge(file)
    seal(model_path)
    with pytest.raises(DigitnetError, match=r"small\.h5: not a sound digitnet model") as error:
        load(model_path)
    assert "\n" not in str(error.value)


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
        Model(Network((256, 10)), Ink(28))
    with pytest.raises(ValueError, match="783 inputs"):
        Model(Network((783, 10)))
