"""`shiftgauge blocks`: the blocks of a network, with their shapes and receptive fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftgauge.cli.exits import Debug, exit_codes
from shiftgauge.errors import ConfigError, ModelError

if TYPE_CHECKING:
    import torch
    from rich.table import Table
    from torch import nn

    from shiftgauge.models.block_list import ListedBlock
    from shiftgauge.models.preprocessing import Preprocessing
    from shiftgauge.types import Classifier

_CONFIGURATIONS = (".yaml", ".yml")
_WITHOUT_BLOCKS: Mapping[str, str] = {
    ".pt2": "an exported program (.pt2)",
    ".onnx": "an ONNX file",
    ".joblib": "a scikit-learn model",
    ".pkl": "a scikit-learn model",
}


def blocks_command(
    model: Annotated[
        str,
        typer.Argument(
            help="A model folder, a configuration, the name of an architecture (also timm's), or "
            "package.module:function.",
            show_default=False,
        ),
    ],
    size: Annotated[
        int | None, typer.Option(min=1, help="Input size of an architecture or function in pixels.", show_default=False)
    ] = None,
    channels: Annotated[
        int | None, typer.Option(min=1, help="Its channels; 3 where left out.", show_default=False)
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=2, help="Its classes; 1000 where left out.", show_default=False)
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Open model files that run code when opened.")] = False,
    debug: Debug = False,
) -> None:
    """List the blocks of a network: name, kind, shape, receptive field, and which are taken where none are named."""
    with exit_codes(debug=debug):
        from rich.console import Console

        from shiftgauge.models.block_list import listed_blocks

        network, preprocessing = open_network(model, size=size, channels=channels, classes=classes, trust=trust)
        blocks = listed_blocks(network, _sample(network, preprocessing))
        channel, height, width = preprocessing.input_shape
        weights = sum(p.numel() for p in network.parameters())
        console = Console(highlight=False)
        console.print(
            f"{type(network).__name__}: {weights:,} parameters, input {channel} × {height} × {width}", markup=False
        )
        console.print(_table(blocks, (height, width)))


def open_network(
    model: str, *, size: int | None = None, channels: int | None = None, classes: int | None = None, trust: bool = False
) -> tuple[nn.Module, Preprocessing]:
    """Returns the network that the command line names, and how images reach it.

    Args:
        model: A model folder, a configuration, the name of an architecture, or `package.module:function`. A model
            folder comes before an architecture of the same name, any other folder does not.
        size: Of the images, for the last two.
        channels: Of the images, for the last two.
        classes: Of an architecture, and of that of a training, whose data say it later.
        trust: Open model files that run code when opened.

    Raises:
        ShiftgaugeError: There is no such model, or it names no blocks.
    """
    path = Path(model)
    kind = _WITHOUT_BLOCKS.get(path.suffix.lower())
    if kind is not None:
        raise ModelError(
            f"{model}: {kind} names no blocks; give the model folder or the architecture that it was made from"
        )
    if path.suffix.lower() in _CONFIGURATIONS or (path.exists() and not _only_shares_a_name(path, model)):
        if size is not None or channels is not None:
            raise ConfigError(f"--size and --channels belong to the name of an architecture; {model} states its own")
        if path.suffix.lower() in _CONFIGURATIONS:
            return _of_configuration(path, classes, trust)
        _refuse_classes(model, classes)
        from shiftgauge.models.load import load_model

        return _of_classifier(load_model(path, device="cpu"), model)
    if ":" in model:
        return _of_factory(model, size, channels)
    from shiftgauge.models.architectures import build_network, default_preprocessing

    preprocessing = default_preprocessing(model, channels=channels or 3, size=size)
    return build_network(model, n_classes=classes or 1000, channels=channels or 3).eval(), preprocessing


def _only_shares_a_name(path: Path, model: str) -> bool:
    """Whether a folder is no model folder, but bears the name of an architecture."""
    from shiftgauge.models.architectures import is_architecture
    from shiftgauge.models.model_folder import is_model_folder

    return path.is_dir() and not is_model_folder(path) and is_architecture(model)


def _of_configuration(path: Path, classes: int | None, trust: bool) -> tuple[nn.Module, Preprocessing]:
    from shiftgauge.cli.reader import (
        LoadedTable,
        is_training,
        load_attack_config,
        load_config,
        load_explain_config,
        load_train_config,
    )
    from shiftgauge.cli.yaml_file import read_yaml

    values: Any = read_yaml(path).values
    if isinstance(values, Mapping) and is_training(values):
        from shiftgauge.cli.train_build import network_choice
        from shiftgauge.models.architectures import build_network

        choice = network_choice(load_train_config(path))
        preprocessing = choice.preprocessing_for(choice.channels)
        count = preprocessing.channels
        network = build_network(
            choice.architecture, n_classes=classes or 1000, channels=count, arguments=choice.arguments
        )
        return network.eval(), preprocessing
    if isinstance(values, Mapping) and ("explain" in values or "attack" in values):
        from shiftgauge.cli.model_build import load_section_model

        _refuse_classes(str(path), classes)
        looked = load_explain_config(path) if "explain" in values else load_attack_config(path)
        section = looked.config.first_model
        return _of_classifier(load_section_model(looked, section, device="cpu", trust=trust), str(path))
    loaded = load_config(path)
    if isinstance(loaded, LoadedTable):
        raise ConfigError(f"{path} is the audit of a table; blocks are those of a network of images")
    _refuse_classes(str(path), classes)
    from shiftgauge.cli.build import build_model

    return _of_classifier(build_model(loaded, trust=trust), str(path))


def _refuse_classes(model: str, classes: int | None) -> None:
    if classes is not None:
        raise ConfigError(f"--classes belongs to an architecture without its own; {model} states them")


def _of_classifier(classifier: Classifier, name: str) -> tuple[nn.Module, Preprocessing]:
    from shiftgauge.models.torch_model import TorchClassifier

    if isinstance(classifier, TorchClassifier):
        return classifier.module, classifier.preprocessing
    kind = classifier.description.get("kind", type(classifier).__name__)
    raise ModelError(f"{name}: a model of kind {kind} names no blocks; give a torch network (folder, timm, factory)")


def _of_factory(name: str, size: int | None, channels: int | None) -> tuple[nn.Module, Preprocessing]:
    from torch import nn

    from shiftgauge.models.load import call_factory
    from shiftgauge.models.preprocessing import Preprocessing

    if size is None:
        raise ConfigError(f"how large the images of `{name}` are, only you can say: give --size (and --channels)")
    made = call_factory(name, {})
    if not isinstance(made, nn.Module):
        raise ModelError(f"`{name}` gives a {type(made).__name__}, which names no blocks; it must give a torch module")
    return made, Preprocessing(height=size, width=size, channels=channels or 3)


def _sample(network: nn.Module, preprocessing: Preprocessing) -> torch.Tensor:
    """A normalised image on the network's device."""
    import torch

    from shiftgauge.models.output_kind import sample_images

    first = next(network.parameters(), torch.empty(0))
    return preprocessing.normalise(sample_images(preprocessing.input_shape, 2)).to(first)


def _table(blocks: Sequence[ListedBlock], image: tuple[int, int]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    for column in ("block", "kind", "shape", "receptive field", "stride", "first centre", "found"):
        table.add_column(column, no_wrap=column != "kind", overflow="fold")
    for listed in blocks:
        block, field = listed.block, listed.field
        shape = " × ".join(map(str, block.shape))
        seen = "none" if field is None else str(field) + (" (measured)" if field.measured else "")
        stride = "" if field is None or field.stride is None else _pair(field.stride)
        centre = "" if field is None or field.offset is None else _pair(field.offset)
        row = (block.name, block.kind, shape, seen, stride, centre, "yes" if listed.found else "")
        table.add_row(*(Text(cell) for cell in row))
    lines = ["found: the blocks that are taken where none are named"]
    sizes = [b.field.size for b in blocks if b.field is not None and b.field.size is not None]
    if any(size[0] > image[0] or size[1] > image[1] for size in sizes):
        lines.append("a receptive field larger than the image lies partly in the padding around it")
    table.caption = "\n".join(lines)
    table.caption_justify = "left"
    return table


def _pair(values: Sequence[float]) -> str:
    first, second = (f"{value:g}" for value in values)
    return first if first == second else f"{first}, {second}"
