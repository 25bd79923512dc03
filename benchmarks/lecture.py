"""The lecture, runnable: ``make lecture`` trains each net that it speaks of and writes the rows of the README's table.

All with seed 1, measured on MNIST's test digits, which nothing was chosen on.
"""

import tempfile
from pathlib import Path

from benchmarks.figures import DIGITNET, accuracy, measured
from digitnet import Network

PLAIN = "--set distortions=none"
SIGMOID = f"--activation sigmoid --layers 784,100,100,100,100,100,100,100,10 {PLAIN}"
OLD = f"{SIGMOID} --optimizer gradient-descent --batch-size 128"
STOPS = [
    ("perceptron (1958), its limits (1969)", f"--layers 784,10 {PLAIN}", "a linear model's ceiling"),
    *(
        (f"{topic}: {depth} layers", "--layers " + ",".join(["784", *[str(width)] * (depth - 1), "10"]), "")
        for topic, depth, width in [
            ("one hidden layer is enough (1989)", 2, 816),
            ("then why deep?", 3, 500),
            ("then why deep?", 4, 404),
            ("AlexNet (2012)", 8, 269),
            ("VGG (2014)", 19, 173),
            ("GoogLeNet (2014)", 22, 161),
        ]
    ),
    ("deep nets once did not train", OLD, "stalls: the gradient vanishes (`--log`)"),
    ("RBM initialization (2006)", f"--pretrain rbm {OLD}", "the same net trains"),
    ("Adam instead", SIGMOID, ""),
    ("Hinton's net (2006)", f"--pretrain rbm --layers 784,500,500,2000,10 {PLAIN}", "1.2 to 1.3 % published"),
]
"""Topic, options of ``digitnet train``, and what one sees."""


def main() -> None:
    """Print the rows as they come."""
    print("| topic | `digitnet train` | weights | test error | seconds |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.h5"
        for topic, options, sees in STOPS:
            seconds, _ = measured([DIGITNET, "train", *options.split(), "--output", str(model)])
            structure = options.split("--layers ")[1].split()[0].split(",")
            weights = Network([int(part) for part in structure]).parameters.size
            error = 1 - accuracy(model)["accuracy"]
            seen = f" ({sees})" if sees else ""
            print(f"| {topic}{seen} | `{options}` | {weights:,} | {error:.2%} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
