"""Models in HDF5, the one place that knows it; Keras 3 opens the same file as a Sequential.

A file begins with a block of 512 bytes that HDF5 skips: a line that names the format, and the SHA-256 of all
that follows, checked before HDF5 parses any of it. Then come, side by side, our own attributes (``format``,
``format_version``, ``layers``, ``activation``, ``loss``, ``side``, ``threshold``, ``classes``, ``record``,
``library_versions``), the data set ``history``, and Keras's layout: ``model_config`` and ``model_weights``.
The numbers are stored once, where Keras looks for them. A checkpoint is such a file with a group ``state``
beside. Nothing is pickled; every version stays readable.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from digitnet import __version__
from digitnet.arrays import Floats
from digitnet.convolution import Convolution, MaxPool
from digitnet.errors import DigitnetError
from digitnet.files import replacing
from digitnet.ink import Ink
from digitnet.layers import Dense, Layer
from digitnet.losses import CLASSES
from digitnet.model import Model
from digitnet.network import Network
from digitnet.structure import build

FORMAT, FORMAT_VERSION = "digitnet", 1
BLOCK = 512
MAGIC = b"digitnet model\nsha256 "
LARGEST_FILE = 2**31
"""Bytes; a network of 500 million weights."""
LARGEST_LAYER = 10**7
"""Neurons; the few weights of a convolution could claim any number."""
KERAS_VERSION = "3.0.0"
PACKAGE = Path(__file__).resolve().parent
SHIPPED = (PACKAGE / "pretrained.h5", PACKAGE.parent / "models" / "pretrained.h5")
"""In a wheel, and in a checkout."""


class State(NamedTuple):
    """What a checkpoint holds beside the model: arrays by name, and facts that JSON can hold."""

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


def save(model: Model, path: str | Path, state: State | None = None) -> None:
    """Write a model, or with a state a checkpoint, whole or not at all; the same model gives the same bytes.

    Raises:
        DigitnetError: ``path`` is not an ordinary file.
        OSError: it cannot be written.
    """
    buffer = BytesIO()
    with h5py.File(buffer, "w", userblock_size=BLOCK) as file:
        network = model.network
        file.attrs.update(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "layers": ",".join(network.structure),
                "activation": network.activation,
                "loss": network.loss_name,
                "side": model.ink.side,
                "threshold": model.ink.threshold,
                "classes": ",".join(map(str, range(network.sizes[-1]))),
                "record": json.dumps(model.record),
                "library_versions": json.dumps(
                    {"digitnet": __version__, "h5py": h5py.__version__, "numpy": np.__version__}
                ),
                "keras_version": KERAS_VERSION,
                "backend": "numpy",
                "model_config": json.dumps(_keras_config(network)),
            }
        )
        if model.history:
            columns = [(name, "f8") for name in model.history[0]]
            file.create_dataset("history", data=np.array([tuple(row.values()) for row in model.history], columns))
        weights = file.create_group("model_weights")
        names = _names(network.layers)
        weights.attrs["layer_names"] = np.array([name for name in names if name], "S")
        for name, layer, flat in zip(names, network.layers, network.stretches(network.parameters), strict=True):
            if name:
                group = weights.create_group(name)
                group.attrs["weight_names"] = np.array(["kernel:0", "bias:0"], "S")
                neurons = layer.kernel_shape[-1]
                group.create_dataset("kernel:0", data=flat[:-neurons].reshape(layer.kernel_shape))
                group.create_dataset("bias:0", data=flat[-neurons:])
        if state is not None:
            group = file.create_group("state")
            group.attrs["facts"] = json.dumps(state.facts)
            for name, array in state.arrays.items():
                group.create_dataset(name, data=array)
    content = buffer.getvalue()
    block = MAGIC + hashlib.sha256(content[BLOCK:]).hexdigest().encode()
    with replacing(Path(path)) as out:
        out.write(block.ljust(BLOCK, b"\0") + content[BLOCK:])


def load(path: str | Path) -> Model:
    """Read a model; nothing in the file is believed before it is checked.

    Raises:
        DigitnetError: it is not there, not one of ours, damaged, or of a later format.
    """
    with _checked(path) as file:
        return _read(file)


def load_shipped() -> Model:
    """The model that ships.

    Raises:
        DigitnetError: none ships with this digitnet, or as for :func:`load`.
    """
    for path in SHIPPED:
        if path.is_file():
            return load(path)
    raise DigitnetError("no model ships with this digitnet; 'digitnet train' makes one")


def load_checkpoint(path: str | Path) -> tuple[Model, State]:
    """Read a checkpoint.

    Raises:
        DigitnetError: as for :func:`load`.
    """
    with _checked(path) as file:
        names = list(file["state"])
        arrays = {name: _dataset(file, f"state/{name}")[()] for name in names}
        return _read(file), State(arrays, json.loads(str(file["state"].attrs["facts"])))


@contextmanager
def _checked(path: str | Path) -> Iterator[h5py.File]:
    """Open a file whose checksum fits; whatever goes wrong with what is in it becomes one line."""
    try:
        with open(path, "rb") as raw:
            size = os.fstat(raw.fileno()).st_size  # none of a pipe; for LARGEST_FILE memory would be taken at once
            content = raw.read(min(size or LARGEST_FILE, LARGEST_FILE))
    except OSError as error:
        raise DigitnetError(f"{path}: {error.strerror}; 'digitnet train' makes a model") from None
    block = MAGIC + hashlib.sha256(memoryview(content)[BLOCK:]).hexdigest().encode()
    if not content.startswith(MAGIC):
        raise DigitnetError(f"{path}: not a digitnet model")
    if content[:BLOCK] != block.ljust(BLOCK, b"\0"):
        raise DigitnetError(f"{path}: damaged (its SHA-256 does not fit); use a sound copy or train it again")
    try:
        with h5py.File(BytesIO(content), "r") as file:
            yield file
    except (LookupError, TypeError, ValueError, OverflowError, RuntimeError, OSError, DigitnetError) as error:
        raise DigitnetError(f"{path}: not a sound digitnet model ({' '.join(str(error).split())})") from None


def _read(file: h5py.File) -> Model:
    version = int(file.attrs["format_version"])
    if file.attrs["format"] != FORMAT or version > FORMAT_VERSION:
        raise DigitnetError(f"format version {version}; this digitnet knows up to {FORMAT_VERSION}: upgrade it")
    structure, activation = str(file.attrs["layers"]).split(","), str(file.attrs["activation"])
    layers = build(structure, activation)
    if layers[-1].outputs != CLASSES:
        raise DigitnetError(f"{layers[-1].outputs} outputs, not {CLASSES}")
    if max(max(layer.inputs, layer.outputs) for layer in layers) > LARGEST_LAYER:
        raise DigitnetError(f"a layer of more than {LARGEST_LAYER:,} neurons")
    ink = Ink(int(file.attrs["side"]), int(file.attrs["threshold"]))
    shapes: dict[str, tuple[int, ...]] = {}
    for name, layer in zip(_names(layers), layers, strict=True):
        if name:
            group = f"model_weights/{name}"
            shapes |= {f"{group}/kernel:0": layer.kernel_shape, f"{group}/bias:0": layer.kernel_shape[-1:]}
    parameters = _read_arrays(file, shapes)
    network = Network(structure, activation=activation, loss=str(file.attrs["loss"]), parameters=parameters)
    history = []
    if "history" in file:
        table = _dataset(file, "history")[()]
        history = [{name: float(row[name]) for name in table.dtype.names} for row in table]
    return Model(network, ink, json.loads(str(file.attrs["record"])), history)


def _read_arrays(file: h5py.File, shapes: dict[str, tuple[int, ...]]) -> Floats:
    """All arrays one after the other, flat; memory is taken only once every one is known to be there."""
    datasets = [_dataset(file, name) for name in shapes]
    for dataset, (name, shape) in zip(datasets, shapes.items(), strict=True):
        if dataset.shape != shape or dataset.dtype != np.float32:
            raise DigitnetError(f"{name} is {dataset.dtype} {dataset.shape}, not float32 {shape}")
    flat, start = np.empty(sum(dataset.size for dataset in datasets), np.float32), 0
    for dataset, (name, shape) in zip(datasets, shapes.items(), strict=True):
        part = flat[start : start + dataset.size]
        dataset.read_direct(part.reshape(shape))
        if not np.isfinite([part.min(), part.max()]).all():  # of which a NaN would be both
            raise DigitnetError(f"{name} holds a number that is not finite")
        start += dataset.size
    return flat


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """A data set whose numbers lie in this very file, plainly: a stranger's model must not read other files."""
    place = ""
    for part in name.split("/"):
        place = f"{place}/{part}"
        if not isinstance(file.get(place, getlink=True), h5py.HardLink):
            raise DigitnetError(f"{place} is missing or points elsewhere")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise DigitnetError(f"{name} is not a data set")
    if dataset.is_virtual or dataset.external or dataset.chunks or dataset.id.get_storage_size() != dataset.nbytes:
        raise DigitnetError(f"{name} is not stored plainly in the file")
    return dataset


def _names(layers: Sequence[Layer]) -> list[str | None]:
    """What Keras calls each layer; None for one that has no parameters."""
    kinds = {2: "dense", 4: "conv2d"}
    return [f"{kinds[len(layer.kernel_shape)]}_{i}" if layer.size else None for i, layer in enumerate(layers, start=1)]


def _keras_config(network: Network) -> dict[str, Any]:
    """The architecture as Keras 3 writes a Sequential; it keeps a picture's channels last, ours come first."""
    configs: list[tuple[str, dict[str, Any]]] = [
        ("InputLayer", {"batch_shape": [None, network.sizes[0]], "name": "ink"})
    ]
    is_picture = False
    for name, layer in zip(_names(network.layers), network.layers, strict=True):
        last = layer is network.layers[-1]
        activation = network.loss.output_name if last else layer.activation.replace("identity", "linear")
        if isinstance(layer, Dense):
            if is_picture:
                configs += [("Permute", {"dims": [3, 1, 2]}), ("Flatten", {})]
            configs.append(("Dense", {"name": name, "units": layer.outputs, "activation": activation}))
            is_picture = False
            continue
        assert isinstance(layer, Convolution | MaxPool)
        if not is_picture:
            configs.append(("Reshape", {"target_shape": [*layer.input_shape[1:], 1]}))
            is_picture = True
        if isinstance(layer, MaxPool):
            configs += [("MaxPooling2D", {"pool_size": [layer.side] * 2}), ("Activation", {"activation": activation})]
        else:
            patches = {"filters": layer.shape[0], "kernel_size": layer.patch, "strides": [layer.stride] * 2}
            configs.append(("Conv2D", {"name": name, **patches, "activation": activation}))
    layers = [{"class_name": kind, "config": config} for kind, config in configs]
    return {"class_name": "Sequential", "config": {"name": "digitnet", "layers": layers}}
