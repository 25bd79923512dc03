"""A fuzzer that is guided by which code it reaches: pictures, data, checkpoints and studies through every reader.

``python -m tests.fuzz -max_total_time=300 FOLDER``; the folder keeps what it has learnt. Made for ``make fuzz``.
"""

import sys
import tempfile
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path

import atheris
import numpy as np
import optuna  # not instrumented: it is large, and its errors are all one to us

with atheris.instrument_imports(include=["digitnet", "PIL"]):
    from digitnet import DigitnetError, Model, Network, Recognizer, TrainingSettings, normalize
    from digitnet.data.datasets import IMAGES_MAGIC, read_dataset, read_idx_file
    from digitnet.imaging.image_files import open_picture
    from digitnet.imaging.preprocess import LARGEST
    from digitnet.models.model_file import MAGIC, START, CheckpointState, load_checkpoint, save
    from digitnet.training.search import Search
    from digitnet.training.trainer import Trainer

from PIL import Image

from tests.damage import sound_pictures

READERS = b"pnicks"
"""The first byte of an input: a picture of one digit or of a number, IDX, CSV or LibSVM, a checkpoint, a study."""
READER = Recognizer()
optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def small_training() -> Trainer:
    """What a checkpoint could go on with."""
    return Trainer(Model(Network((4, 10))), TrainingSettings(epochs=3), np.random.default_rng(1))


def resume(file: Path) -> None:
    """Go on from a checkpoint, as a command would."""
    saved, state = load_checkpoint(file)
    training = small_training()
    training.restore(saved, state.arrays, state.facts)
    assert 0 <= training.done <= 3
    assert np.isfinite(training.model.network.parameters).all()


def go_on(file: Path) -> None:
    """Go on with a study, as a command would, with one more trial."""
    with closing(Search(file, "tpe", 1, 2, {})) as search:
        attempt = search._begin()
        while search._hear(attempt, 0.5):
            pass
        assert search.trials


def feed(content: bytes, file: Path) -> None:
    """Read it; anything but an answer or a DigitnetError is a find."""
    reader, content = content[:1], content[1:]
    with suppress(DigitnetError):
        if reader == b"p":
            assert normalize(open_picture(content, LARGEST)).shape == (28, 28)
        elif reader == b"n":
            READER.read_number(content)
        elif reader in (b"i", b"c"):
            file.write_bytes(content)
            read_idx_file(file, IMAGES_MAGIC) if reader == b"i" else read_dataset(file)
        elif reader == b"k" and content[:1] != b"\0":  # a model of version 1 would cost a process
            file.write_bytes(MAGIC + sha256(content).hexdigest().encode() + content)
            resume(file)
        elif reader == b"s":
            file.write_bytes(content)
            go_on(file)


def sow(folder: Path) -> None:
    """Put a sound input for every reader into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in sound_pictures().items():
        if len(content) < 5000:
            (folder / f"sound-{name}").write_bytes(READERS[:1] + content)
    (folder / "sound-number").write_bytes(b"n" + sound_pictures()["21-PNG-L"])
    (folder / "sound-idx").write_bytes(b"i" + bytes.fromhex("00000803 00000001 00000002 00000002 01020304"))
    (folder / "sound-csv").write_bytes(b"c3" + b",0" * 784 + b"\n")
    (folder / "sound-libsvm").write_bytes(b"c3 153:1 154:0.5\n4 784:1 # a comment\n")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "file"
        training = small_training()
        arrays, facts = training.state()
        save(training.model, file, CheckpointState(arrays, facts))
        (folder / "sound-checkpoint").write_bytes(b"k" + file.read_bytes()[START:])
        file.unlink()
        go_on(file)
        (folder / "sound-study").write_bytes(b"s" + file.read_bytes())


def main() -> None:
    """Feed what atheris thinks up until it is told to stop or finds something."""
    Image.MAX_IMAGE_PIXELS = 10**6  # a larger one takes long and shows nothing new
    Image.init()
    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    for folder in folders:
        sow(folder)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "file"
        atheris.Setup([*sys.argv, "-timeout=20", "-rss_limit_mb=4000", "-max_len=16384"], lambda data: feed(data, file))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
