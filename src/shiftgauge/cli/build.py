"""From a checked configuration to the objects of an audit: classifier, images, space and options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shiftgauge.cli.config import ShiftsSection
from shiftgauge.cli.data_section import DataSection, data_specification
from shiftgauge.cli.estimate_section import ChaosSection
from shiftgauge.cli.model_build import load_section_model
from shiftgauge.cli.reader import LoadedConfig, LoadedFile
from shiftgauge.evaluate.options import BlockOptions, ExecutionOptions, ShiftOptions
from shiftgauge.shifts.catalog import get, get_preset
from shiftgauge.space import Space
from shiftgauge.studies.shift_space import preset_order, shift_parameter, shift_space

if TYPE_CHECKING:
    from shiftgauge.data.dataset import ImageDataset
    from shiftgauge.estimate.chaos.candidates import ChaosOptions
    from shiftgauge.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What an audit is run on.

    Args:
        model: The classifier.
        data: The labelled images, relabelled to the model's classes.
        space: The shifts that vary.
    """

    model: Classifier
    data: ImageDataset
    space: Space


def build_space(loaded: LoadedConfig) -> Space:
    """Builds the space of the `shifts` section.

    Raises:
        ConfigError: An unknown shift or preset, or values outside a shift's range; with file and line.
        SpaceError: A malformed distribution; with file and line.
    """
    return section_space(loaded, loaded.config.shifts, ("shifts",))


def section_space(loaded: LoadedFile, shifts: ShiftsSection, at: tuple[str, ...]) -> Space:
    """Builds the space of a section of shifts.

    Args:
        loaded: The file, for messages.
        shifts: The section.
        at: Where it stands in the file.

    Raises:
        ConfigError: An unknown shift or preset, or values outside a shift's range; with file and line.
        SpaceError: A malformed distribution; with file and line.
    """
    if shifts.preset is not None:
        with loaded.at(*at, "preset"):
            get_preset(shifts.preset)
    for name, entry in shifts.parameters.items():
        with loaded.at(*at, "parameters", name):
            get(name) if entry is None else shift_parameter(name, entry)
    with loaded.at(*at, "parameters"):
        return shift_space(shifts.parameters, preset=shifts.preset)


def shift_options(loaded: LoadedConfig, space: Space) -> ShiftOptions:
    """Builds the options of the shifts; what the file leaves open comes from the preset."""
    return section_shift_options(loaded, loaded.config.shifts, space, ("shifts",))


def section_shift_options(loaded: LoadedFile, shifts: ShiftsSection, space: Space, at: tuple[str, ...]) -> ShiftOptions:
    """Builds the options of a section of shifts; what the file leaves open comes from the preset.

    Args:
        loaded: The file, for messages.
        shifts: The section.
        space: Its space.
        at: Where it stands in the file.

    Raises:
        ConfigError: Options that do not go together; with file and line.
    """
    preset = get_preset(shifts.preset) if shifts.preset is not None else None
    order = shifts.order
    if order is None and preset is not None:
        order = preset_order(preset, space.names)
    with loaded.at(*at):
        return ShiftOptions(
            fill=shifts.fill or (preset.fill if preset else "constant"),  # pyright: ignore[reportArgumentType]
            fill_value=_first(shifts.fill_value, preset.fill_value if preset else 0.0),
            field_of_view_deg=shifts.field_of_view,
            interpolation=shifts.interpolation,
            order=None if order is None else tuple(order),
            resolution=shifts.resolution,
        )


def block_choice(loaded: LoadedConfig) -> BlockOptions | str:
    """Which blocks of the network are looked at; `none` for none."""
    estimate = loaded.config.estimate
    if estimate.blocks == "none":
        return "none"
    return BlockOptions(
        names=estimate.blocks,
        directions=estimate.block_directions,
        pooled=estimate.block_pooled,
        layout=estimate.block_layout,
    )


def execution_options(loaded: LoadedConfig) -> ExecutionOptions:
    """Builds the options of the evaluation; `auto` becomes "left open"."""
    given = loaded.config.execution
    return ExecutionOptions(
        batch_size=_unless_auto(given.batch_size),
        precision=given.precision,
        channels_last=_unless_auto(given.channels_last),
        compiled=_unless_auto(given.compile),
        streams=_unless_auto(given.streams),
        tolerance=given.tolerance,
        chunk_rows=_unless_auto(given.chunk_rows),
        workers=given.workers,
    )


def chaos_options(loaded: LoadedConfig) -> ChaosOptions:
    """Builds the options of the surrogate's terms.

    Raises:
        ConfigError: The terms and their degree do not agree; with file and line.
    """
    estimate = loaded.config.estimate
    with loaded.at("estimate", "chaos"):
        return chaos_terms(estimate.chaos, estimate.degree)


def chaos_terms(section: ChaosSection, degree: int | str = "auto") -> ChaosOptions:
    """Builds the options of the surrogate's terms from their section.

    Args:
        section: The section `chaos`.
        degree: What holds where the section leaves the degree open.
    """
    from shiftgauge.estimate.chaos.candidates import ChaosOptions

    return ChaosOptions(
        terms=section.terms,
        degree=_unless_auto(degree if section.degree == "auto" else section.degree),
        interaction_order=section.interaction_order,
        max_terms=section.max_terms,
        q_norm=_first(section.q_norm, ChaosOptions.q_norm),
        solver=section.solver,
    )


def build_parts(loaded: LoadedConfig, *, trust: bool) -> Parts:
    """Loads the model and the data, in the order that finds mistakes fastest: space, data, model, labels.

    Args:
        loaded: The checked configuration.
        trust: Open model files that run code when opened.

    Raises:
        ShiftgaugeError: Whatever is wrong with space, data or model, as one line.
    """
    space = build_space(loaded)
    section = loaded.config.data
    data = load_section_data(loaded, section, loaded.config.estimate.seed)
    model = build_model(loaded, trust=trust)
    return Parts(model=model, data=relabelled(loaded, section, data, model), space=space)


def build_model(loaded: LoadedConfig, *, trust: bool) -> Classifier:
    """Loads the model of the `model` section.

    Args:
        loaded: The checked configuration.
        trust: Open model files that run code when opened.

    Raises:
        ShiftgaugeError: Whatever is wrong with it, as one line.
    """

    config = loaded.config
    compiled = config.execution.compile is True
    return load_section_model(loaded, config.model, device=config.execution.device, compiled=compiled, trust=trust)


def load_section_data(loaded: LoadedFile, section: DataSection, seed: int) -> ImageDataset:
    """Loads the images of a section `data` of any configuration.

    Args:
        loaded: The file, for paths and messages.
        section: The section.
        seed: Of `limit`.

    Raises:
        ShiftgaugeError: Whatever is wrong with them, as one line.
    """
    with loaded.at("data"):
        if section.demo is not None:
            from shiftgauge.studies.demo import demo_photographs

            return demo_photographs()
        from shiftgauge.data.load import load_data

        return load_data(data_specification(section, loaded.resolve, seed))


def relabelled(loaded: LoadedFile, section: DataSection, data: ImageDataset, model: Classifier) -> ImageDataset:
    """The images with the model's classes, matched by name or as the section's `labels` say.

    Raises:
        DataError: A class of the data that the model does not have.
    """
    from shiftgauge.data.labels import match_labels

    with loaded.at("data", "labels") if section.labels else loaded.at("data"):
        return match_labels(data, model.class_names, mapping=section.labels)


def _unless_auto(value: Any) -> Any:
    return None if value == "auto" else value


def _first(value: float | None, default: float) -> float:
    return default if value is None else value
