"""`shiftgauge init`: a commented configuration from what a folder or file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shiftgauge.cli.exits import Debug, exit_codes
from shiftgauge.cli.found import Found
from shiftgauge.cli.init_attack import ATTACK_LINES
from shiftgauge.cli.init_explain import EXPLAIN_LINES
from shiftgauge.cli.init_text import array_lines, column_lines, quoted, relative
from shiftgauge.cli.init_train import train_configuration
from shiftgauge.cli.look import look
from shiftgauge.errors import ConfigError

_MODEL_SUFFIXES = {".pt2": "pt2", ".onnx": "onnx", ".joblib": "sklearn", ".pkl": "sklearn"}
_RECORD = "model.json"
"""The file that makes a folder a model folder; its module is not imported here, so that this command starts at once."""


def init_command(
    data: Annotated[
        Path,
        typer.Argument(
            help="Image folder (classes, YOLO or weld), CSV/Parquet manifest or NPZ file.", show_default=False
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(help="A model folder, a .pt2, .onnx or .joblib file, package.module:function, or a timm name."),
    ] = None,
    training: Annotated[bool, typer.Option("--train", help="Of a training, for `shiftgauge train`.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Of a look inside, for `shiftgauge explain`.")] = False,
    attack: Annotated[bool, typer.Option("--attack", help="Of attacks, for `shiftgauge attack`.")] = False,
    out: Annotated[Path, typer.Option(help="Write the configuration here.")] = Path("config.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    debug: Debug = False,
) -> None:
    """Write a commented configuration for the images found in a folder, manifest or NPZ file."""
    with exit_codes(debug=debug):
        if out.exists() and not force:
            raise ConfigError(f"{out} exists already; give another --out, or --force to replace it")
        wanted = [kind for kind, on in (("train", training), ("explain", explain), ("attack", attack)) if on]
        if len(wanted) > 1:
            raise ConfigError(f"give one of {' and '.join(f'--{kind}' for kind in wanted)}")
        if training and model is not None:
            raise ConfigError("--model belongs to an audit; a training names its architecture in the file")
        command, found = (wanted or ["audit"])[0], look(data)
        text = train_configuration(found, out) if training else configuration(found, model, out, command=command)
        from shiftgauge.files import write_atomic

        write_atomic(out, text)
        typer.echo(f"{found.summary}\nwrote {out}; read it, then run: shiftgauge {command} {out}")


def configuration(found: Found, model: str | None, out: Path, *, command: str = "audit") -> str:
    """Writes the text of a configuration.

    Args:
        found: What lies in the data.
        model: The model as given on the command line.
        out: Where the file will stand; paths are written relative to it.
        command: What it is for: `audit`, `explain` or `attack`.
    """
    return "\n".join(
        [
            f"# {' '.join(found.summary.split())}",
            "# Every key: `shiftgauge schema`. Shifts and presets: `shiftgauge shifts`. Paths start from this file.",
            "",
            *_model_lines(found, model, out),
            "",
            "data:",
            f"  {found.kind}: {quoted(relative(found.path, out))}",
            *column_lines(found),
            *array_lines(found),
            *_split_lines(found),
            *_label_lines(found),
            "  # limit: 200            # at most this many images, the same share of every class",
            "  # skip_unreadable: true # leave unreadable files out and list them in the result",
            "",
            *_SECTIONS[command],
            "",
        ]
    )


def _model_lines(found: Found, model: str | None, out: Path) -> list[str]:
    kind = "timm"
    lines = ["model:"]
    if model is not None and (Path(model) / _RECORD).is_file():
        return [*lines, f"  folder: {quoted(relative(Path(model), out))}  # classes and preprocessing are in it"]
    if found.several:
        lines.append("  # The images have several labels: that the model has, too, only a model folder can say.")
    if found.several and model is None:
        return [*lines, "  folder: model  # as `shiftgauge train` writes it; classes and preprocessing are in it"]
    if model is None:
        lines += [
            "  # Choose one: folder, timm, factory, pt2, onnx, sklearn.",
            "  timm: resnet18",
            "  weights: weights.safetensors  # or a PyTorch state dict",
            f"  num_classes: {max(2, len(found.classes))}",
        ]
    else:
        kind = _MODEL_SUFFIXES.get(Path(model).suffix.lower(), "factory" if ":" in model else "timm")
        path = kind not in ("timm", "factory")
        lines.append(f"  {kind}: {quoted(relative(Path(model), out) if path else model)}")
        if kind in ("timm", "factory"):
            lines.append("  weights: weights.safetensors  # or a PyTorch state dict")
        if kind == "timm":
            lines.append(f"  num_classes: {max(2, len(found.classes))}")
        if kind == "sklearn":
            lines.append("  # this kind of file can run code when opened: add --trust only if it is yours")
    names = ", ".join(quoted(name) for name in found.classes)
    lines += [
        "  # The names of the model's classes IN THE ORDER OF ITS OUTPUTS: check this line.",
        f"  classes: [{names}]",
        "  output: auto  # logits, probabilities, or auto: found out and reported",
        *_preprocessing_lines(found, kind),
    ]
    return lines


def _preprocessing_lines(found: Found, kind: str) -> list[str]:
    """Only what a network does not know itself is stated; a guess must not replace what it does know."""
    size = f"    size: {found.size or '[224, 224]'}  # height, width{found.size_note}"
    others = [f"    channels: {found.channels}", "    resize: squash  # or shortest (with crop), or none"]
    normalisation = ["    mean: [0.5]", "    std: [0.5]"]
    if kind in ("factory", "sklearn"):
        lines = ["  # As in training. Without mean and std the values stay 0 to 1: check.", "  preprocessing:", size]
        return [*lines, *others, *(_commented(line) for line in normalisation)]
    known = {
        "timm": "all of this is timm's data config of the network",
        "pt2": "size and channels are the network's own, values stay 0 to 1",
        "onnx": "size and channels are the network's own, values stay 0 to 1",
    }[kind]
    first = f"  # As in training. Left out, {known}: check."
    return [first, *(_commented(line) for line in ("  preprocessing:", size, *others, *normalisation))]


def _commented(line: str) -> str:
    return f"  # {line.removeprefix('  ')}"


def _split_lines(found: Found) -> list[str]:
    """An audit takes the images that the model has not seen, where the data say which."""
    return [f"  split: {quoted(found.stated)}  # not seen in training; without this line all"] if found.stated else []


def _label_lines(found: Found) -> list[str]:
    if not found.classes:
        return []
    first = quoted(found.classes[0])
    return [f"  # labels: {{{first}: {first}}}  # label in the data → class of the model, where the names differ"]


_SHIFT_LINES = [
    "shifts:",
    "  preset: inspection  # weld, inspection, demo",
    "  # parameters:       # over the preset, one shift at a time",
    "  #   rotation: [-5, 5]                                # uniform",
    "  #   exposure: {distribution: normal, mean: 0, std: 0.3}",
    "  #   translate_x: null                                # leave it out",
]

_ESTIMATE_LINES = [
    "estimate:",
    "  n_base: 512  # a power of two; evaluations = n_base × (2 × inputs + 2)",
    "  # tolerance: 0.02  # double n_base until every index of the quantity is known to ±0.02 …",
    "  # budget: 100000   # … or the next doubling would take more evaluations than this",
    "  quantity: probability  # of the true class; or margin, cross_entropy, correct, probability[class]",
    "  seed: 0",
    "",
    "# Limits; a missed one makes the command exit with 1.",
    "# gates:",
    "#   min_accuracy: 0.9",
    "#   max_total_order: {rotation: 0.2}",
    "#   max_study_variation: 30",
]

_SECTIONS = {
    "audit": (*_SHIFT_LINES, "", *_ESTIMATE_LINES),
    "explain": EXPLAIN_LINES,
    "attack": ATTACK_LINES,
}
"""What follows model and data, by the command that reads it."""
