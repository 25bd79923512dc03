"""Models that somebody forged: bytes and numbers changed at random, and a SHA-256 that fits.

``python -m tests.forge VERSION FIRST COUNT`` reads so many of them and prints a JSON object for each as it is done,
so that whoever started it sees which one a process did not outlive.
"""

import json
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from digitnet import DigitnetError, Model, Network, Recognizer, load, save
from digitnet.models.model_file import BLOCK, MAGIC, START, CheckpointState, load_checkpoint
from tests.conftest import EXAMPLES
from tests.test_modelfile import as_version_1, sealed

INTERESTING = ("0", "-1", "1", "2", "255", "512", "4096", "65536", "2147483648", "9223372036854775807", "1e999", "NaN")
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def sound(version: int) -> bytes:
    """A checkpoint so small that most of it is not weights."""
    history = [{"number": float(i), "loss": 0.5, "validation_accuracy": 0.9} for i in range(1, 4)]
    model = Model(Network(("4x4", "2x2x2", 10)), record={"seed": 5, "learning_rate": None}, history=history)
    state = CheckpointState(
        {"m": np.zeros(204, np.float32), "t": np.ones(1, np.int64)}, {"done": 3, "rng": {"state": 2**100}}
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.h5"
        save(model, path, state)
        content = path.read_bytes()
    return content if version == 2 else as_version_1(content)


def forged(content: bytes, number: int) -> bytes:
    """One to eight changes, in the header, in HDF5, or anywhere; the same number forges the same."""
    rng, changed = np.random.default_rng(number), bytearray(content)
    version_1 = content[START:BLOCK] == bytes(BLOCK - START)
    end = BLOCK if version_1 else content.index(b"\0", START)
    kind = int(rng.integers(1 if version_1 else 0, 5))
    if kind == 0:
        header = bytes(changed[:end])
        for _ in range(rng.integers(1, 3)):
            found = list(NUMBER.finditer(header, START))
            start, stop = found[rng.integers(len(found))].span()
            header = header[:start] + str(rng.choice(INTERESTING)).encode() + header[stop:]
        changed[: len(header)] = header.ljust(end)  # the block has room for some more
    else:
        first, last = {1: (START, end), 2: (end, len(content)), 3: (end, end + 2048), 4: (len(MAGIC), len(content))}[
            kind
        ]
        if version_1 and kind == 1:
            first, last = end, end + 512
        for _ in range(rng.integers(1, 9)):
            value = rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))])
            changed[min(int(rng.integers(first, last)), len(content) - 1)] = value
    return sealed(bytes(changed))


def main() -> None:
    version, first, count = map(int, sys.argv[1:])
    content = sound(version)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "forged.h5"
        for number in range(first, first + count):
            path.write_bytes(forged(content, number))
            began, outcome = time.monotonic(), "a model"
            try:
                model = load(path)
                load_checkpoint(path)
                with np.errstate(all="ignore"):
                    answers = Recognizer(model).read(EXAMPLES / "7.png").confidences
                outcome = "a model" if np.isfinite(answers).all() else "a model that answers no numbers"
            except DigitnetError as error:
                outcome = "a line" if str(error).isprintable() else "a line that cannot be printed"
            print(json.dumps([number, outcome, round(time.monotonic() - began, 2)]), flush=True)


if __name__ == "__main__":
    main()
