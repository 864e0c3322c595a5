"""From a checked configuration of a look inside to the objects that `shiftgauge.explain` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from shiftgauge.cli.explain_part_sections import ClimbSection
from shiftgauge.cli.explain_section import ExplainSection
from shiftgauge.cli.reader import LoadedExplain
from shiftgauge.cli.section import Section

if TYPE_CHECKING:
    from shiftgauge.explain.ascent import ActivationMaximization
    from shiftgauge.explain.attribution_options import AttributionOptions
    from shiftgauge.explain.objectives import Target
    from shiftgauge.explain.perturbation import PerturbationOptions
    from shiftgauge.studies.explain_options import ExplainOptions

T = TypeVar("T")


def explain_options(loaded: LoadedExplain) -> ExplainOptions:
    """The options of the section `explain`.

    Raises:
        ConfigError: Options that do not go together; with file and line.
    """
    from shiftgauge.explain.curve_options import CurveOptions
    from shiftgauge.explain.mask_sobol import MaskSobolOptions
    from shiftgauge.explain.pixel_bounds import PixelBoundOptions
    from shiftgauge.explain.randomisation import RandomisationOptions
    from shiftgauge.studies.explain_options import DerivativeOptions, ExplainOptions

    section: ExplainSection = loaded.config.explain
    parts: dict[str, Any] = {
        "maps": _maps(loaded),
        "derivatives": _part(loaded, "derivatives", DerivativeOptions, seeded=False),
        "attribution": _attribution(loaded),
        "curves": _part(loaded, "curves", CurveOptions),
        "randomisation": _part(loaded, "randomisation", RandomisationOptions, leave="images"),
        "bounds": _part(loaded, "bounds", PixelBoundOptions),
        "masks": _part(loaded, "masks", MaskSobolOptions, leave="per_class"),
        "units": _units(loaded),
        "maximize": _climb(loaded, "maximize"),
        "walk": _climb(loaded, "walk"),
    }
    parts |= _of_parts(section)
    with loaded.at("explain"):
        return ExplainOptions(
            per_class=section.per_class,
            counted_per_class=section.counted_per_class,
            classes=_tuple(section.classes),
            most_classes=section.most_classes,
            blocks=_tuple(section.blocks),
            methods=tuple(section.attribution.methods),
            about=section.attribution.about,
            layer=section.attribution.layer,
            walk_per_class=section.walk_per_class,
            batch_size=None if section.batch_size == "auto" else section.batch_size,
            map_batch_size=None if section.map_batch_size == "auto" else section.map_batch_size,
            seed=section.seed,
            **parts,
        )


def _of_parts(section: ExplainSection) -> dict[str, Any]:
    """Options of the whole that stand in the sections of its parts."""
    found: dict[str, Any] = {}
    if section.masks is not False:
        found["masks_per_class"] = section.masks.per_class
    if section.randomisation is not False:
        found["checked_images"] = section.randomisation.images
    if section.maximize is not False:
        found |= {name: getattr(section.maximize, name) for name in ("start", "start_image", "mean_images")}
    return found


def _part(loaded: LoadedExplain, name: str, options: type[T], *, seeded: bool = True, leave: str = "") -> T | None:
    """Options of a part from its section, None where it is left out."""
    section: Section | bool = getattr(loaded.config.explain, name)
    if not isinstance(section, Section):
        return None
    given = section.model_dump(exclude={leave})
    if isinstance(given.get("grid"), list):
        given["grid"] = tuple(given["grid"])
    with loaded.at("explain", name):
        return options(**given, **({"seed": loaded.config.explain.seed} if seeded else {}))


def _maps(loaded: LoadedExplain) -> PerturbationOptions | None:
    from shiftgauge.explain.perturbation import PerturbationOptions

    section = loaded.config.explain
    with loaded.at("explain", "maps"):
        return None if section.maps is False else PerturbationOptions(**section.maps.model_dump(), seed=section.seed)


def _attribution(loaded: LoadedExplain) -> AttributionOptions:
    from shiftgauge.explain.attribution_options import AttributionOptions

    section: ExplainSection = loaded.config.explain
    given = section.attribution.model_dump(exclude={"methods", "layer", "about"})
    with loaded.at("explain", "attribution"):
        return AttributionOptions(**given, seed=section.seed)


def _units(loaded: LoadedExplain) -> tuple[Target, ...]:
    from shiftgauge.studies.explain_units import unit_of

    found = []
    for k, unit in enumerate(loaded.config.explain.units):
        with loaded.at("explain", "units", k):
            found.append(unit_of(unit.model_dump(exclude_none=True)))
    return tuple(found)


def _climb(loaded: LoadedExplain, name: str) -> ActivationMaximization | None:
    from shiftgauge.explain.ascent import ActivationMaximization
    from shiftgauge.explain.operators import GaussianBlur, Jitter, Scale
    from shiftgauge.explain.regularizers import SquaredNorm, TotalVariation

    section: ClimbSection | bool = getattr(loaded.config.explain, name)
    if not isinstance(section, ClimbSection):
        return None
    plain = ("steps", "step_size", "penalty_size", "gradient", "bounds", "scale", "noise")
    with loaded.at("explain", name):
        regularizers: list[Any] = []
        if section.total_variation is not None:
            kind = "isotropic" if section.isotropic else "anisotropic"
            regularizers.append(TotalVariation(reduce=section.total_variation, kind=kind))
        regularizers += [SquaredNorm(weight=section.l2)] if section.l2 else []
        views: list[Any] = [Jitter(pixels=section.jitter_px)] if section.jitter_px else []
        views += [] if section.scales is None else [Scale(low=section.scales[0], high=section.scales[1])]
        return ActivationMaximization(
            **{key: getattr(section, key) for key in plain},
            regularizers=tuple(regularizers),
            operators=(GaussianBlur(sigma_px=section.blur_px),) if section.blur_px else (),
            views=tuple(views),
            seed=loaded.config.explain.seed,
        )


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
