"""Model files: read without a parser that a forged one could bring down; Keras 3 opens them as a Sequential, too.

A file begins with a block that HDF5 skips, of 512 bytes or as many times 2 as it needs: a line that names the format,
the SHA-256 of all that follows, and one object in JSON, filled up with null bytes. It says what the network is
(``format_version``, ``layers``, ``activation``, ``loss``, ``side``, ``threshold``, ``record``, ``history``, in a
checkpoint ``state``) and where in the file each array lies: ``arrays`` has its ``dtype``, ``shape`` and ``offset``, in
bytes from the start, by its path in HDF5. No more is needed to read it.

Behind the block lies HDF5, for others: the same facts as attributes, the data set ``history``, Keras's own
``model_config`` and ``model_weights``, and in a checkpoint ``state``. The numbers are stored once, little-endian.
Nothing is pickled; every version stays readable. Of version 1, HDF5 alone, see :func:`convert`.
"""

import hashlib
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from digitnet.atomic_files import atomic_write
from digitnet.checks import instance
from digitnet.errors import DigitnetError
from digitnet.imaging.normalize import Binarization
from digitnet.models.model import Model
from digitnet.nn.architecture import build
from digitnet.nn.convolution import Convolution, MaxPool
from digitnet.nn.layers import Dense, Layer
from digitnet.nn.network import Network
from digitnet.processes import running
from digitnet.types import CLASSES
from digitnet.version import __version__

FORMAT, FORMAT_VERSION = "digitnet", 2
MAGIC = b"digitnet model\nsha256 "
START = len(MAGIC) + 64
"""Bytes before those of which the SHA-256 is taken."""
BLOCK = 512
"""Bytes, of version 1; of version 2, the fewest."""
DTYPES = {"float32": "<f4", "float64": "<f8", "int64": "<i8"}
LARGEST_HEADER = 2**20
"""Bytes of JSON."""
LARGEST_FILE = 2**31
"""Bytes; a network of 500 million weights."""
LARGEST_LAYER = 10**7
"""Neurons; the few weights of a convolution could claim any number."""
MOST_LAYERS = 1000
MOST_EPOCHS = 10**6
MOST_COLUMNS = 20
CONVERT_SECONDS = 30
CONVERT_MEMORY = 2**31
"""Bytes of address space, beside a few times the file."""
CONVERT_REFUSED = 3
"""Exit code; 1 is that of a traceback."""
KERAS_VERSION = "3.0.0"
PACKAGE = Path(__file__).resolve().parent.parent
SHIPPED = (PACKAGE / "pretrained.h5", PACKAGE.parent / "models" / "pretrained.h5")
"""In a wheel, and in a checkout."""
UNSOUND = (LookupError, TypeError, ValueError, OverflowError, RuntimeError, OSError, DigitnetError)
"""What a file raises that is not what it says."""
T = TypeVar("T")


class CheckpointState(NamedTuple):
    """What a checkpoint holds beside the model: arrays by name, and facts that JSON can hold."""

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


def save(model: Model, path: str | Path, state: CheckpointState | None = None) -> None:
    """Write a model, or with a state a checkpoint, whole or not at all; the same model gives the same bytes.

    Raises:
        TypeError: that is no model, or no path.
        DigitnetError: ``path`` is not an ordinary file, or the record is longer than a header can be.
        OSError: it cannot be written.
    """
    from digitnet.models import hdf5  # reading a model needs no h5py

    instance("model", model, Model, "Model(network) makes one")
    path = _path(path)

    network, ink = model.network, model.ink
    versions = {"digitnet": __version__, "h5py": hdf5.VERSION, "numpy": np.__version__}
    facts: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "layers": list(network.structure),
        "activation": network.activation,
        "loss": network.loss_name,
        "side": ink.side,
        "threshold": ink.threshold,
        "record": model.record,
        "history": list(model.history[0]) if model.history else [],
        "library_versions": versions,
    }
    attributes: dict[str, dict[str, Any]] = {
        "/": {
            **{name: value for name, value in facts.items() if name != "history"},
            "layers": ",".join(network.structure),
            "record": json.dumps(model.record),
            "library_versions": json.dumps(versions),
            "classes": ",".join(map(str, range(network.sizes[-1]))),
            "keras_version": KERAS_VERSION,
            "backend": "numpy",
            "model_config": json.dumps(_keras_config(network)),
        }
    }
    names = _names(network.layers)
    attributes["model_weights"] = {"layer_names": np.array([name for name in names if name], "S")}
    arrays: dict[str, np.ndarray] = {}
    for name, layer, flat in zip(names, network.layers, network.split_by_layer(network.parameters), strict=True):
        if name:
            attributes[f"model_weights/{name}"] = {"weight_names": np.array(["kernel:0", "bias:0"], "S")}
            neurons = layer.kernel_shape[-1]
            arrays[f"model_weights/{name}/kernel:0"] = flat[:-neurons].reshape(layer.kernel_shape)
            arrays[f"model_weights/{name}/bias:0"] = flat[-neurons:]
    if model.history:
        arrays["history"] = np.array([list(row.values()) for row in model.history])
    if state is not None:
        facts["state"], attributes["state"] = dict(state.facts), {"facts": json.dumps(state.facts)}
        arrays |= {f"state/{name}": array for name, array in state.arrays.items()}
    buffer, offsets = hdf5.write(attributes, arrays, facts["history"], _block(facts, arrays))
    with buffer.getbuffer() as content, atomic_write(Path(path)) as out:
        _seal(content, _header(facts, arrays, offsets))
        out.write(content)


def _header(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray], offsets: Mapping[str, int]) -> bytes:
    places = {
        name: {"dtype": array.dtype.name, "shape": array.shape, "offset": offsets[name]}
        for name, array in arrays.items()
    }
    return b"\n" + json.dumps({**facts, "arrays": places}).encode()


def _block(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> int:
    """How many bytes the block must have, whatever the offsets will be."""
    size = len(_header(facts, arrays, dict.fromkeys(arrays, LARGEST_FILE)))
    if size > LARGEST_HEADER:
        raise DigitnetError(f"a record of {size:,} bytes; a model file takes {LARGEST_HEADER:,}")
    return max(BLOCK, 1 << (START + size).bit_length())


def _seal(content: memoryview, header: bytes) -> None:
    """Write the block in its place, the SHA-256 last."""
    content[START : START + len(header)] = header
    content[:START] = MAGIC + hashlib.sha256(content[START:]).hexdigest().encode()


def load(path: str | Path) -> Model:
    """Read a model; nothing in the file is believed before it is checked.

    Raises:
        DigitnetError: it is not there, not one of ours, damaged, or of a later format.
    """
    model, _ = _load(path, wants_state=False)
    return model


def is_shipped(path: Path) -> bool:
    """Whether a file is the model that ships."""
    return any(shipped.is_file() and path.is_file() and path.samefile(shipped) for shipped in SHIPPED)


def load_shipped() -> Model:
    """The model that ships.

    Raises:
        DigitnetError: none ships with this digitnet, or as for :func:`load`.
    """
    for path in SHIPPED:
        if path.is_file():
            return load(path)
    raise DigitnetError("no model ships with this digitnet; 'digitnet train' makes one")


def load_checkpoint(path: str | Path) -> tuple[Model, CheckpointState]:
    """Read a checkpoint. What the facts of its state are is for others to check; its arrays are finite.

    Raises:
        DigitnetError: as for :func:`load`, or it is a model only.
    """
    model, state = _load(path, wants_state=True)
    assert state is not None
    return model, state


def _load(path: str | Path, wants_state: bool) -> tuple[Model, CheckpointState | None]:
    """Whatever goes wrong with what is in it becomes one line."""
    content = _read(path)
    try:
        if content[START : START + 1] == b"\0":
            content = _converted(content)
        return _parsed(content, wants_state)
    except UNSOUND as error:
        problem = " ".join("".join(char if char.isprintable() else " " for char in str(error)[:300]).split())
        raise DigitnetError(f"{path}: not a sound digitnet model ({problem}); use another or train it again") from None


def _path(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a str or a Path, not {type(path).__name__}")
    return Path(path)


def _read(path: str | Path) -> bytes:
    """The content of a file that is one of ours and whose SHA-256 fits."""
    path = _path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(START)
            if not start.startswith(MAGIC):  # before anything else is read of what may be a device without end
                raise DigitnetError(f"{path}: not a digitnet model")
            size = os.fstat(file.fileno()).st_size  # none of a pipe; for LARGEST_FILE memory would be taken at once
            content = start + file.read(min(size or LARGEST_FILE, LARGEST_FILE))
    except OSError as error:
        raise DigitnetError(f"{path}: {error.strerror}; 'digitnet train' makes a model") from None
    version_1 = content[START:BLOCK] == bytes(BLOCK - START)
    digest = hashlib.sha256(memoryview(content)[BLOCK if version_1 else START :]).hexdigest()
    if content[len(MAGIC) : START] != digest.encode():
        raise DigitnetError(f"{path}: damaged (its SHA-256 does not fit); use a sound copy or train it again")
    return content


def _parsed(content: bytes, wants_state: bool) -> tuple[Model, CheckpointState | None]:
    end = content.find(b"\0", START, START + LARGEST_HEADER)
    facts = json.loads(content[START : max(START, end)])
    if type(facts) is not dict:
        raise DigitnetError("its header is no object")
    version = _fact(facts, "format_version", int)
    if facts["format"] != FORMAT or version > FORMAT_VERSION:
        raise DigitnetError(f"format version {version}; this digitnet knows up to {FORMAT_VERSION}: upgrade it")
    arrays = _arrays(facts, content, end)
    network = _network(facts, arrays)
    record = _fact(facts, "record", dict)
    if not all(type(value) in (str, int, float, bool, type(None)) for value in record.values()):
        raise DigitnetError("its record holds more than text and numbers")
    model = Model(
        network,
        Binarization(_fact(facts, "side", int), _fact(facts, "threshold", int)),
        record,
        _history(facts, arrays),
    )
    if not wants_state:
        return model, None
    if "state" not in facts:
        raise DigitnetError("no checkpoint, from which a training could go on")
    state = {name.removeprefix("state/"): array for name, array in arrays.items() if name.startswith("state/")}
    for name, array in state.items():
        _check_finite(f"state/{name}", array)
    return model, CheckpointState({name: array.copy() for name, array in state.items()}, _fact(facts, "state", dict))


def _fact(facts: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = facts.get(name)
    if type(value) is not kind:
        raise DigitnetError(f"{name} is missing or not of type {kind.__name__}")
    return value


def _arrays(facts: Mapping[str, Any], content: bytes, end: int) -> dict[str, np.ndarray]:
    """Views of all arrays by path, no two of which share a byte: so they take no more memory than the file."""
    arrays, parts = {}, []
    for name, place in _fact(facts, "arrays", dict).items():
        dtype, shape, offset = (_fact(place, *fact) for fact in (("dtype", str), ("shape", list), ("offset", int)))
        if dtype not in DTYPES or not all(type(length) is int and length >= 0 for length in shape):
            raise DigitnetError(f"{name} is {dtype} {shape}")
        count = math.prod(shape)
        start, stop = offset, offset + count * np.dtype(DTYPES[dtype]).itemsize
        if not end <= start <= stop <= len(content):
            raise DigitnetError(f"{name} does not lie in the file")
        parts.append((start, stop))
        arrays[name] = np.frombuffer(content, DTYPES[dtype], count, offset).reshape(shape)
    parts.sort()
    if any(stop > start for (_, stop), (start, _) in pairwise(parts)):
        raise DigitnetError("its arrays share their numbers")
    return arrays


def _network(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Network:
    structure, activation = _fact(facts, "layers", list), _fact(facts, "activation", str)
    if len(structure) > MOST_LAYERS:
        raise DigitnetError(f"more than {MOST_LAYERS:,} layers")
    layers = build(structure, activation)
    if layers[-1].outputs != CLASSES:
        raise DigitnetError(f"{layers[-1].outputs} outputs, not {CLASSES}")
    if max(max(layer.inputs, layer.outputs) for layer in layers) > LARGEST_LAYER:
        raise DigitnetError(f"a layer of more than {LARGEST_LAYER:,} neurons")
    parts = []
    for name, layer in zip(_names(layers), layers, strict=True):
        if name:
            group = f"model_weights/{name}"
            parts.append(_array(arrays, f"{group}/kernel:0", layer.kernel_shape))
            parts.append(_array(arrays, f"{group}/bias:0", layer.kernel_shape[-1:]))
    parameters = np.concatenate([part.ravel() for part in parts])
    return Network(structure, activation=activation, loss=_fact(facts, "loss", str), parameters=parameters)


def _array(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    if name not in arrays:
        raise DigitnetError(f"{name} is missing")
    array = arrays[name]
    if array.shape != shape or array.dtype != dtype:
        raise DigitnetError(f"{name} is {array.dtype} {array.shape}, not {dtype} {shape}")
    _check_finite(name, array)
    return array


def _check_finite(name: str, array: np.ndarray) -> None:
    if array.size and not np.isfinite([array.min(), array.max()]).all():  # of which a NaN would be both
        raise DigitnetError(f"{name} holds a number that is not finite")


def _history(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> list[dict[str, float]]:
    """For each epoch its numbers by name; a NaN is one that was not measured."""
    columns = _fact(facts, "history", list)
    if not columns:
        return []
    table = arrays["history"]
    fits = table.dtype == np.float64 and table.ndim == 2 and table.shape[1] == len(set(map(str, columns)))
    if not fits or len(table) > MOST_EPOCHS or len(columns) > MOST_COLUMNS:
        raise DigitnetError(f"history is {table.dtype} {table.shape}")
    return [dict(zip(map(str, columns), row, strict=True)) for row in table.tolist()]


def _converted(content: bytes) -> bytes:
    """A model of version 1 as one of version 2, made by a process that HDF5 may bring down."""
    import subprocess

    command = running("from digitnet.models.model_file import convert; convert()")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    try:
        child = subprocess.run(command, input=content, capture_output=True, timeout=CONVERT_SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        raise DigitnetError(f"reading its HDF5 took longer than {CONVERT_SECONDS} s") from None
    if child.returncode == CONVERT_REFUSED:
        raise DigitnetError(child.stdout.decode("utf-8", "replace"))
    if child.returncode:
        raise DigitnetError("the HDF5 library broke down over it")
    return child.stdout


def convert() -> None:
    """From a model of version 1 on stdin make one of version 2 on stdout, without HDF5 in it and unchecked.

    For a process of its own, because HDF5 can abort or hang over what a forger wrote, and in whose memory that may
    do anything. Exit code CONVERT_REFUSED, and the problem on stdout, where it is not sound.
    """
    content = sys.stdin.buffer.read()
    _limit_this_process(CONVERT_MEMORY + 4 * len(content))
    from digitnet.models import hdf5

    try:
        facts, arrays = hdf5.read_version_1(content)
        block = _block(facts, arrays)
    except (*UNSOUND, MemoryError) as error:
        sys.stdout.buffer.write(str(error).encode("utf-8", "replace"))
        sys.exit(CONVERT_REFUSED)
    ends = list(accumulate((array.nbytes for array in arrays.values()), initial=block))
    result = bytearray(ends[-1])
    for array, (start, end) in zip(arrays.values(), pairwise(ends), strict=True):
        result[start:end] = array.tobytes()
    _seal(memoryview(result), _header(facts, arrays, dict(zip(arrays, ends, strict=False))))
    sys.stdout.buffer.write(result)


def _limit_this_process(memory: int) -> None:
    with suppress(ImportError, ValueError, OSError):  # there is none, or its hard limit is lower
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (CONVERT_SECONDS, CONVERT_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


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
