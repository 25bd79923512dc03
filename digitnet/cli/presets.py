"""Named settings for ``digitnet train``; whatever else is given on the command line goes before them."""

from typing import Any

import click

PRESETS: dict[str, dict[str, Any]] = {
    "best": {
        "layers": "28x28,16x5x5,2s,32x3x3,64x3x3,2s,200,10",
        "epochs": 70,
        "batch_size": 128,
        "learning_rate": 0.002,
        "validation_split": 0.02,
    },
    "dense": {
        "layers": "56x56,16x8x8/4,32x3x3,64x3x3/2,200,10",
        "epochs": 140,
        "batch_size": 128,
        "learning_rate": 0.002,
        "validation_split": 0.02,
        "rare": ("shared=0.96",),
    },
    "pretrained": {
        "layers": "28x28,8x5x5/2,50x5x5/2,100,10",
        "epochs": 240,
        "batch_size": 128,
        "learning_rate": 0.002,
        "validation_split": 0.05,
        "rare": ("distortions=wide", "habits=0.4", "nonsense=0.03", "shared=0.9"),
    },
}
"""What each stands for, by the names of the command's parameters."""


def use_preset(ctx: click.Context, param: click.Parameter, name: str | None) -> None:
    """Let a preset's settings take the place of the defaults."""
    if name is not None:
        ctx.default_map = PRESETS[name]


def to_cli_args(name: str) -> str:
    """A preset as one would type it."""
    options = [f"--{option.replace('_', '-')} {value}" for option, value in PRESETS[name].items() if option != "rare"]
    return " ".join([*options, *(f"--set {setting}" for setting in PRESETS[name].get("rare", ()))])
