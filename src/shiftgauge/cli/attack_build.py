"""From a checked configuration of attacks to the objects that `shiftgauge.attack` takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from shiftgauge.cli.attack_config import AttackConfig
from shiftgauge.cli.attack_section import NaturalSection
from shiftgauge.cli.reader import LoadedAttack

if TYPE_CHECKING:
    from shiftgauge.attack.kinds import Attack
    from shiftgauge.studies.attack_gates import AttackGates
    from shiftgauge.studies.attack_options import AttackOptions, NaturalLevels, PictureOptions
    from shiftgauge.types import Classifier

_PLAIN = ("snr_of", "unit", "norm", "target", "success_only", "transfer", "images", "groups", "at", "fill",
          "fill_value", "interpolation", "confidence_level", "resamples", "seed")  # fmt: skip


def attack_options(loaded: LoadedAttack) -> AttackOptions:
    """The options of the section `attack`.

    Raises:
        ConfigError: Options that do not go together; with file and line.
    """
    from shiftgauge.studies.attack_options import SNR_DB, AttackOptions

    section = loaded.config.attack
    attacks, shifts, pictures = _attacks(loaded), _shifts(loaded), _pictures(loaded)
    ratios = SNR_DB if section.snr_db is None else tuple(section.snr_db)
    with loaded.at("attack"):
        return AttackOptions(
            attacks=attacks,
            shifts=shifts,
            pictures=pictures,
            snr_db=None if section.epsilon is not None else ratios,
            epsilon=None if section.epsilon is None else tuple(section.epsilon),
            bounds=None if section.bounds is None else (section.bounds[0], section.bounds[1]),
            field_of_view_deg=section.field_of_view,
            batch_size=None if section.batch_size == "auto" else section.batch_size,
            **{name: getattr(section, name) for name in _PLAIN},
        )


def attack_gates(loaded: LoadedAttack, options: AttackOptions) -> AttackGates:
    """The limits of the section `gates`, each on something that is measured.

    Raises:
        ConfigError: A limit on what is not measured; with file and line.
    """
    from shiftgauge.studies.attack_gates import AccuracyGate, AttackGates, check_gates

    section, found = loaded.config.gates, []
    for k, entry in enumerate(section.min_accuracy):
        with loaded.at("gates", "min_accuracy", k):
            gate = AccuracyGate(**entry.model_dump())
            check_gates(AttackGates(min_accuracy=(gate,)), options, model_names(loaded))
        found.append(gate)
    return AttackGates(min_clean_accuracy=section.min_clean_accuracy, min_accuracy=tuple(found))


def plain_record(config: AttackConfig) -> dict[str, Any]:
    """The configuration as it stands in `run.json`, where an infinite ratio is the text `inf`."""
    record = config.model_dump(mode="json")
    ratios = record["attack"]["snr_db"]
    if ratios is not None:
        record["attack"]["snr_db"] = ["inf" if math.isinf(value) else value for value in ratios]
    return record


def model_names(loaded: LoadedAttack) -> tuple[str, ...]:
    """Names of the models; a single one is called `model`."""
    return tuple(loaded.config.models) or ("model",)


def attack_models(loaded: LoadedAttack, *, trust: bool) -> dict[str, Classifier]:
    """Loads the models by name.

    Args:
        loaded: The configuration.
        trust: Open model files that can run code.

    Raises:
        ShiftgaugeError: Whatever is wrong with one, as one line.
    """
    from shiftgauge.cli.model_build import load_section_model

    config, device = loaded.config, loaded.config.attack.device
    if config.model is not None:
        return {"model": load_section_model(loaded, config.model, device=device, trust=trust)}
    return {
        name: load_section_model(loaded, section, device=device, trust=trust, at=("models", name))
        for name, section in config.models.items()
    }


def _attacks(loaded: LoadedAttack) -> dict[str, Attack]:
    from shiftgauge.attack.kinds import attack_from_dict

    found = {}
    for name, entry in loaded.config.attack.attacks.items():
        given = entry.model_dump(exclude_none=True)
        kind = given.pop("kind", name)
        with loaded.at("attack", "attacks", name):
            found[name] = attack_from_dict({**given, "name": kind})
    return found


def _shifts(loaded: LoadedAttack) -> tuple[NaturalLevels, ...]:
    from shiftgauge.studies.attack_options import NaturalLevels

    found = []
    for name, entry in loaded.config.attack.shifts.items():
        with loaded.at("attack", "shifts", name):
            if isinstance(entry, NaturalSection):
                found.append(NaturalLevels(name=name, levels=tuple(entry.levels), beside=entry.beside))
            else:
                found.append(NaturalLevels(name=name, levels=tuple(entry)))
    return tuple(found)


def _pictures(loaded: LoadedAttack) -> PictureOptions | None:
    from shiftgauge.studies.attack_options import PictureOptions

    section = loaded.config.attack.pictures
    if section is False:
        return None
    named = {name: getattr(section, name) for name in ("ways", "models")}
    with loaded.at("attack", "pictures"):
        return PictureOptions(
            images=section.images,
            snr_db=tuple(section.snr_db),
            **{name: None if names is None else tuple(names) for name, names in named.items()},
        )
