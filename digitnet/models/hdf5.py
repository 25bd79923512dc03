"""HDF5, the one place that knows it: what Keras opens, written; and models of format version 1, read."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import h5py
import numpy as np

from digitnet.errors import DigitnetError

VERSION = h5py.__version__


def write(
    attributes: Mapping[str, Mapping[str, Any]], arrays: Mapping[str, np.ndarray], history: Sequence[str], block: int
) -> tuple[BytesIO, dict[str, int]]:
    """A file with groups, their attributes and data sets, all by path, behind a block that HDF5 skips.

    Args:
        attributes: of each group.
        arrays: of at least one element each; written little-endian.
        history: names of the columns of the array of that name, which becomes a table.
        block: bytes; 512 times a power of two.

    Returns:
        the file, and where in it each array's numbers lie, one after the other, in bytes from its start.
    """
    buffer = BytesIO()
    with h5py.File(buffer, "w", userblock_size=block) as file:
        for group, values in attributes.items():
            file.require_group(group).attrs.update(values)
        offsets = {}
        for name, array in arrays.items():
            data = array.astype(array.dtype.newbyteorder("<"), copy=False)
            if name == "history":
                data = data.view([(column, data.dtype) for column in history])[:, 0]
            offsets[name] = file.create_dataset(name, data=data).id.get_offset()
    return buffer, offsets


def read_version_1(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What version 2 has in its header (``modelfile``), but unchecked, and all arrays by path.

    Raises:
        DigitnetError: a part is missing, or does not lie plainly in the file.
        LookupError, TypeError, ValueError, OverflowError, RuntimeError, OSError: it is damaged.
    """
    with h5py.File(BytesIO(content), "r") as file:
        attributes = file.attrs
        facts = {
            "format": str(attributes["format"]),
            "format_version": int(attributes["format_version"]),
            **{name: str(attributes[name]) for name in ("activation", "loss")},
            "layers": str(attributes["layers"]).split(","),
            **{name: int(attributes[name]) for name in ("side", "threshold")},
            "record": json.loads(str(attributes["record"])),
            "history": [],
        }
        names = [
            f"model_weights/{layer}/{name}"
            for layer in _object(file, "model_weights", h5py.Group)
            for name in _object(file, f"model_weights/{layer}", h5py.Group)
        ]
        if "state" in file:
            facts["state"] = json.loads(str(_object(file, "state", h5py.Group).attrs["facts"]))
            names += [f"state/{name}" for name in file["state"]]
        if "history" in file:
            names.append("history")
        datasets = {name: _dataset(file, name) for name in names}
        if sum(dataset.nbytes for dataset in datasets.values()) > len(content):
            raise DigitnetError("its data sets share their numbers")
        arrays = {name: dataset[()] for name, dataset in datasets.items()}
    if "history" in arrays:
        table = arrays["history"]
        facts["history"] = list(table.dtype.names)
        arrays["history"] = np.stack([table[name].astype("f8") for name in table.dtype.names], axis=1)
    return facts, {name: array.astype(array.dtype.newbyteorder("<")) for name, array in arrays.items()}


def _object(file: h5py.File, name: str, kind: type) -> Any:
    """A group or data set of this very file: a stranger's model must not read other files."""
    place = ""
    for part in name.split("/"):
        place = f"{place}/{part}"
        if not isinstance(file.get(place, getlink=True), h5py.HardLink):
            raise DigitnetError(f"{place} is missing or points elsewhere")
    found = file[name]
    if not isinstance(found, kind):
        raise DigitnetError(f"{name} is not a {kind.__name__.lower()}")
    return found


def _dataset(file: h5py.File, name: str) -> h5py.Dataset:
    """A data set whose numbers lie in this very file, plainly."""
    dataset = _object(file, name, h5py.Dataset)
    if dataset.is_virtual or dataset.external or dataset.chunks or dataset.id.get_storage_size() != dataset.nbytes:
        raise DigitnetError(f"{name} is not stored plainly in the file")
    return dataset
