"""How fast it is: ``make bench`` writes benchmarks/RESULTS.md and growth.png.

Every comparison is between processes that take turns, so that a machine whose speed drifts is fair to both;
figures are medians of ROUNDS turns, ratios medians of the ratios of each turn. PyTorch and scikit-learn are given
their best honest form: data in memory as float32, no data loader, all threads, fused optimizers.
"""

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import folders

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
ROUNDS = 5
OPTIMIZERS = ("gradient-descent", "momentum", "adam")
WIDTHS = (100, 250, 500, 1000, 2500)
BATCHES = (32, 128, 512, 1024)


def in_turn(workers: list[list[str]], cores: int | None = None) -> dict[str, list[dict[str, float]]]:
    """Run each worker ROUNDS times, A B C A B C ...; by its name, what it printed."""
    results: dict[str, list[dict[str, float]]] = {}
    environment = os.environ | {"OPENBLAS_THREAD_TIMEOUT": "8"}
    command = [sys.executable, str(HERE / "workers.py")]
    if cores is not None:
        command = ["taskset", "-c", ",".join(map(str, range(cores))), *command]
    for _ in range(ROUNDS):
        for worker in workers:
            run = subprocess.run([*command, *worker], env=environment, check=True, stdout=subprocess.PIPE, text=True)
            results.setdefault(" ".join(worker), []).append(json.loads(run.stdout.splitlines()[-1]))
            print(" ".join(worker), results[" ".join(worker)][-1], file=sys.stderr, flush=True)
    return results


def middle(runs: list[dict[str, float]], name: str) -> float:
    """Median of one figure."""
    return median(run[name] for run in runs)


def epochs_against_peers() -> list[str]:
    distorted = [["distorted", kind] for kind in ("light", "strong")]
    peers = [["torch", optimizer] for optimizer in OPTIMIZERS] + [["compiled", "adam"], ["sklearn", "adam"]]
    results = in_turn([["ours", optimizer] for optimizer in OPTIMIZERS] + peers + distorted)
    lines = [
        "## One epoch against others",
        "",
        "784,500,500,10, batch 128, float32, the 60,000 digits in memory; seconds, and how many times as long as ours.",
        "",
        "| optimizer | ours | other | seconds | times ours |",
        "|---|---|---|---|---|",
    ]
    for peer, optimizer in peers:
        ours, theirs = results[f"ours {optimizer}"], results[f"{peer} {optimizer}"]
        times = median(b["epoch"] / a["epoch"] for a, b in zip(ours, theirs, strict=True))
        cells = [optimizer, f"{middle(ours, 'epoch'):.2f}", peer]
        lines.append("| " + " | ".join([*cells, f"{middle(theirs, 'epoch'):.2f}", f"{times:.2f}"]) + " |")
    for _, kind in distorted:
        pairs = zip(results["ours adam"], results[f"distorted {kind}"], strict=True)
        share = median(b["epoch"] / a["epoch"] for a, b in pairs)
        lines += ["", f"With {kind} distortions our epoch with Adam takes {share:.2f} times as long."]
    lines += [
        "",
        "## A step against its own matrix products",
        "",
        "The same shapes in the same process, turn by turn; milliseconds.",
        "",
        "| optimizer | step | products | ratio | forward and backward | optimizer |",
        "|---|---|---|---|---|---|",
    ]
    steps = in_turn([["step", optimizer] for optimizer in OPTIMIZERS])
    for optimizer in OPTIMIZERS:
        runs = steps[f"step {optimizer}"]
        figures = [middle(runs, key) for key in ("step", "products", "ratio", "passes", "update")]
        lines.append(f"| {optimizer} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |")
    memory = [run["peak"] for name in results if name.startswith("ours") for run in results[name]]
    lines += ["", f"Peak resident memory of our epochs: {max(memory):.0f} MB, most of it the digits (47 MB) and NumPy."]
    return lines


def convolutions() -> list[str]:
    results = in_turn([["kernels", "adam"], ["torch-kernels", "adam"]])
    ours, theirs = results["kernels adam"], results["torch-kernels adam"]
    times = median(a["epoch"] / b["epoch"] for a, b in zip(ours, theirs, strict=True))
    return [
        "",
        "## Convolutions",
        "",
        "28x28,20x5x5,2s,50x5x5,2s,500,10 with Adam, batch 128: an epoch of 12,000 digits takes us "
        f"{middle(ours, 'epoch'):.2f} s, PyTorch {middle(theirs, 'epoch'):.2f} s; ours is {times:.2f} times theirs.",
    ]


def evaluation() -> list[str]:
    runs = in_turn([["eval"]])["eval"]
    ratio, seconds = (middle(runs, key) for key in ("ratio", "eval"))
    return [
        "",
        "## Evaluation",
        "",
        f"The 10,000 test digits: {seconds:.2f} s, {ratio:.2f} times the matrix products alone.",
    ]


def growth() -> list[str]:
    lines = ["", "## How cost grows", "", "784,W,W,10 with Adam: digits a second, and the share of the measured"]
    lines += ["peak of a 2048x2048 matrix product that its own products' arithmetic reaches.", ""]
    curves: dict[int, dict[tuple[int, int], dict[str, float]]] = {}
    for cores in (1, 2):
        worker = ["growth", ",".join(map(str, WIDTHS)), ",".join(map(str, BATCHES))]
        runs = in_turn([worker], cores)[" ".join(worker)]
        lines += [f"{cores} core{'s' * (cores > 1)}, peak {middle(runs, 'peak_flops'):.0f} GFLOP/s:", ""]
        lines += [
            "| width | " + " | ".join(f"batch {batch}" for batch in BATCHES) + " |",
            "|---|" + "---|" * len(BATCHES),
        ]
        curves[cores] = {}
        for width in WIDTHS:
            cells = []
            for batch in BATCHES:
                rate = middle(runs, f"{width},{batch}")
                share = rate * 2 * multiplications(width) / middle(runs, "peak_flops") / 1e9
                curves[cores][width, batch] = {"rate": rate, "share": share}
                cells.append(f"{rate:,.0f} ({share:.0%})")
            lines.append(f"| {width} | " + " | ".join(cells) + " |")
        lines.append("")
    plot(curves)
    return [*lines, "![digits a second over width](growth.png)"]


def multiplications(width: int) -> int:
    """Multiplications of one digit's forward and backward pass: two products a layer backwards, one in the first."""
    return 2 * 784 * width + 3 * (width * width + width * 10)


def plot(curves: dict[int, dict[tuple[int, int], dict[str, float]]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharex=True)
    for cores, style in ((1, "--"), (2, "-")):
        for index, batch in enumerate(BATCHES):
            for axis, key in zip(axes, ("rate", "share"), strict=True):
                values = [curves[cores][width, batch][key] for width in WIDTHS]
                axis.plot(
                    WIDTHS,
                    values,
                    style,
                    color=f"C{index}",
                    marker="o",
                    markersize=3,
                    label=f"batch {batch}" if cores == 2 else None,
                )
    axes[0].set(xscale="log", yscale="log", xlabel="width of two hidden layers", ylabel="digits a second")
    axes[1].set(xlabel="width of two hidden layers", ylabel="share of the matrix-product peak", ylim=(0, 1))
    axes[0].legend(title="2 cores; dashed: 1", fontsize=8, title_fontsize=8)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.set_xticks(WIDTHS, WIDTHS)
        axis.minorticks_off()
    figure.tight_layout()
    figure.savefig(HERE / "growth.png", dpi=110)


def machine() -> list[str]:
    import numpy as np
    import sklearn
    import torch

    cpu = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[0]
    blas: Any = np.show_config("dicts")["Build Dependencies"]["blas"]
    versions = f"Python {platform.python_version()}, NumPy {np.__version__} ({blas['name']} {blas['version']})"
    peers = f"PyTorch {torch.__version__}, scikit-learn {sklearn.__version__}"
    return [
        f"{cpu}, {os.cpu_count()} cores (shared with others); {versions}; {peers}.",
        f"Medians of {ROUNDS} turns.",
        "",
    ]


def main() -> None:
    lines = ["# How fast it is", "", "Written by `make bench`.", "", *machine()]
    lines += epochs_against_peers() + convolutions() + evaluation() + folders.report() + growth()
    (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
