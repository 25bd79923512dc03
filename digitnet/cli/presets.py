"""Named settings for ``digitnet train``; whatever else is given on the command line goes before them."""

from typing import Any

import click

PRESETS: dict[str, dict[str, Any]] = {
    "best": {
        "layers": "3136,1200,800,400,10",
        "epochs": 250,
        "validation": 0.02,
        "rare": ("distortions=strong",),
    },
    "pretrained": {
        "layers": "3136,500,300,10",
        "epochs": 120,
        "validation": 0.05,
        "rare": ("distortions=wide", "habits=0.4", "nonsense=0.06"),
    },
}
"""What each stands for, by the names of the command's parameters."""


def use_preset(ctx: click.Context, param: click.Parameter, name: str | None) -> None:
    """Let a preset's settings take the place of the defaults."""
    if name is not None:
        ctx.default_map = PRESETS[name]


def spelled_out(name: str) -> str:
    """A preset as one would type it."""
    options = [f"--{option.replace('_', '-')} {value}" for option, value in PRESETS[name].items() if option != "rare"]
    return " ".join([*options, *(f"--set {setting}" for setting in PRESETS[name].get("rare", ()))])
