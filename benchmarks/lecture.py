"""The lecture, runnable: ``make lecture`` trains each net that it speaks of and writes the rows of the README's table.

Seed 1, measured on MNIST's test digits; nothing was chosen on these.
"""

import tempfile
from pathlib import Path

from benchmarks.figures import DIGITNET, accuracy, measured
from digitnet import load

PLAIN = "--set distortions=none"
EIGHT = f"--layers 784,100,100,100,100,100,100,100,10 {PLAIN}"
OLD = f"{EIGHT} --activation sigmoid --optimizer gradient-descent"
HINTON = "--layers 784,500,500,2000,10 --epochs 12 --batch-size 256 --validation-split 0"


def layers(depth: int, width: int) -> str:
    """So many layers of weights, all but the last equally wide."""
    return ",".join(["--layers 784", *[str(width)] * (depth - 1), "10"])


STOPS = [
    ("perceptron (1958)", f"--layers 784,10 {PLAIN}"),
    ("one hidden layer is enough (1989)", layers(2, 251)),
    ("why deep? 3 layers", layers(3, 200)),
    ("4 layers", layers(4, 174)),
    ("AlexNet's 8 (2012)", layers(8, 128)),
    ("VGG's 19 (2014)", layers(19, 87)),
    ("GoogLeNet's 22 (2014)", layers(22, 82)),
    ("deep nets of sigmoids stall", OLD),
    ("RBM initialization (2006)", f"--pretrain rbm {OLD}"),
    ("relu instead", f"{EIGHT} --optimizer gradient-descent"),
    ("Hinton's net, from random weights", f"--activation sigmoid {HINTON} {PLAIN}"),
    ("Hinton's net (2006)", f"--pretrain rbm {HINTON} {PLAIN}"),
]
"""Topic, and options of ``digitnet train``."""


def main() -> None:
    """Print the rows as they come."""
    print("| topic | `digitnet train` | weights | test error | seconds |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.h5"
        for topic, options in STOPS:
            seconds, _ = measured([DIGITNET, "train", *options.split(), "--output", str(model)])
            weights, error = load(model).network.parameters.size, 1 - accuracy(model)["accuracy"]
            print(f"| {topic} | `{options}` | {weights:,} | {error:.2%} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
