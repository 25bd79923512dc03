"""Measure the README's figures: ``make figures``, or with pictures of yours ``make figures PHOTOS=folder``.

Accuracy over five seeds with wall time and peak memory; what the model that ships reads; and start-up times as
ratios, each pair measured in turn.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.pictures import form_cell, no_digit, on_paper
from digitnet import Recognizer, load, read_dataset
from digitnet.imaging.normalize import normalize

ROOT = Path(__file__).resolve().parent.parent
DIGITNET = str(Path(sys.executable).parent / "digitnet")
PICTURE = str(ROOT / "examples" / "7.png")
PRETRAINED = ROOT / "models" / "pretrained.h5"
SEEDS = (1, 2, 3, 4, 5)
ROUNDS = 21


def measured(command: list[str]) -> tuple[float, float]:
    """Wall seconds, and peak memory in MB (of the process that waits for this one child, so of the child)."""
    program = (
        "import resource, subprocess, sys, time; start = time.perf_counter();"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    result = subprocess.run([sys.executable, "-c", program, *command], check=True, stdout=subprocess.PIPE, text=True)
    seconds, kilobytes = map(float, result.stdout.split())
    return seconds, kilobytes / 1024


def ratio(command: list[str], baseline: list[str]) -> tuple[float, float, float]:
    """Medians of a command and its baseline in seconds, and of their ratios, run in turn."""
    pairs = []
    for _ in range(ROUNDS):
        times = []
        for one in (command, baseline):
            start = time.perf_counter()
            subprocess.run(one, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            times.append(time.perf_counter() - start)
        pairs.append(times)
    return median(a for a, _ in pairs), median(b for _, b in pairs), median(a / b for a, b in pairs)


def accuracy(model: Path, *data: str) -> dict[str, float]:
    """What ``digitnet eval --json`` says."""
    command = [DIGITNET, "eval", "--model", str(model), "--json", *data]
    result: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout)
    return result


def shipped(photos: list[str]) -> None:
    """Print what the model that ships reads."""
    print(f"\nmodels/pretrained.h5: MNIST's test digits {accuracy(PRETRAINED)['accuracy']:.2%}")
    recognizer, rng = Recognizer(load(PRETRAINED)), np.random.default_rng(1)
    digits = read_dataset(ROOT / "data", "test")
    made = {
        "on made-up paper": (on_paper(digit, rng) for digit in digits.images),
        "in made-up form cells": (
            form_cell(digit, beside, rng) for digit, beside in zip(digits.images, digits.images[::-1], strict=True)
        ),
    }
    for where, pictures in made.items():
        read = recognizer.predict([normalize(picture) for picture in pictures])
        right = np.mean([prediction.digit == label for prediction, label in zip(read, digits.labels, strict=True)])
        print(f"the same {where}, through the whole chain: {right:.2%}")
    sure = [
        prediction.confidence > 0.9 for prediction in recognizer.predict([normalize(no_digit(rng)) for _ in range(200)])
    ]
    print(f"200 pictures of no digit: {np.mean(sure):.1%} get a confidence over 0.9")
    for photo in photos:
        figures = accuracy(PRETRAINED, "--data", photo)
        print(f"pictures: {figures['accuracy']:.2%}, {figures['errors']} misread")


def main() -> None:
    """Print a table."""
    photos = sys.argv[1:]
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}\n")
    print("| seed | test accuracy | errors | mean loss | seconds | peak MB |" + " pictures |" * len(photos))
    print("|---|---|---|---|---|---|" + "---|" * len(photos))
    with tempfile.TemporaryDirectory() as folder:
        scores = []
        for seed in SEEDS:
            model = Path(folder) / f"{seed}.h5"
            seconds, peak = measured([DIGITNET, "train", "--seed", str(seed), "--output", str(model)])
            figures = accuracy(model)
            scores.append(figures["accuracy"])
            cells = [seed, f"{figures['accuracy']:.2%}", figures["errors"], f"{figures['loss']:.4f}"]
            cells += [f"{seconds:.0f}", f"{peak:.0f}"]
            cells += [f"{accuracy(model, '--data', photo)['accuracy']:.2%}" for photo in photos]
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        print(f"\nmean {sum(scores) / len(scores):.2%}, from {min(scores):.2%} to {max(scores):.2%}")
    shipped(photos)
    python = [sys.executable, "-c"]
    for command, modules in (([DIGITNET, "--help"], "click"), ([DIGITNET, "predict", PICTURE], IMPORTS)):
        ours, theirs, times = ratio(command, [*python, f"import {modules}"])
        name = " ".join(["digitnet", *command[1:2]])
        print(f"{name}: {ours * 1000:.0f} ms, import {modules}: {theirs * 1000:.0f} ms, ratio {times:.2f}")


IMPORTS = "numpy, h5py, PIL.Image, click"

if __name__ == "__main__":
    main()
