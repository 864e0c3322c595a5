"""What to know before relying on a training: findings about trust, each with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.results.status import LEVELS, Message
from shiftgauge.studies.train_verdict import bounds_text, share_text

_FEW: Final = 20
"""Images of a class below which its recall is hardly known."""
_FEW_FOR_FLOOR: Final = 30
"""Images of a label below which a recall measured on them says little of its floor."""
_SHOWN: Final = 4
_WIDE: Final = 0.1
"""Calibration error from which probabilities should not be taken at their word."""
_FAR_BELOW: Final = 0.5
"""Training loss over validation loss from which the training images are learnt and the others are not."""
_LEARNT: Final = 0.8
"""Training loss, in units of that of always saying the shares of the classes, from which anything was learnt."""
_PERFECT: Final = 0.999


def find_train_messages(
    arrays: xr.Dataset,
    *,
    notes: Sequence[str],
    kept: Sequence[str],
    facts: Mapping[str, int],
    stopped: str,
    skipped: int,
) -> tuple[Message, ...]:
    """Findings about trust, most serious first.

    Args:
        arrays: What was measured.
        notes: What the split, the temperature or the thresholds could not do.
        kept: Sentences on what was kept together.
        facts: Images that are alike, see `Divided.facts`.
        stopped: Why the training ended.
        skipped: Files left out because they cannot be read.
    """
    found = [*_about_score(arrays), *_about_learning(arrays), *_about_support(arrays), *_about_calibration(arrays)]
    found += [*_about_floors(arrays), *_about_contradictions(arrays)]
    found += [Message(level="caution", code="note", text=_sentence(note)) for note in notes]
    found += [Message(level="info", code="kept_together", text=_sentence(note)) for note in kept]
    if skipped:
        text = f"{skipped} file(s) could not be read and were left out; they are listed under Provenance."
        found.append(Message(level="caution", code="skipped_files", text=text))
    if facts["torn_by_a_plain_split"]:
        text = (
            f"A split image by image would have put {facts['torn_by_a_plain_split']} images in another part than "
            "their like, and flattered every number."
        )
        found.append(Message(level="info", code="plain_split", text=text))
    found += _about_epochs(arrays, stopped)
    return tuple(sorted(found, key=lambda m: -LEVELS.index(m.level)))


def _about_score(arrays: xr.Dataset) -> list[Message]:
    if _part(arrays) == "test":
        return []
    text = (
        "There is no test part: every number is of the validation images, on which the epoch and any thresholds were "
        "chosen, and so better than on new images. Give `split.parts` a test."
    )
    return [Message(level="caution", code="no_test_part", text=text)]


def _about_learning(arrays: xr.Dataset) -> list[Message]:
    part = _part(arrays)
    accuracy = float(arrays["overall"].sel(part=part, summary="accuracy"))
    commonest = float(arrays["prevalence"].sel(part=part).max())
    if arrays.attrs["task"] != "single" or accuracy > commonest:
        return []
    text = f"The accuracy, {accuracy:.3f}, is not above {commonest:.3f}, that of always naming the commonest class"
    train, validation = (float(arrays[f"history_{name}"].values[-1]) for name in ("train_loss", "loss"))
    if not (train < _FAR_BELOW * validation and train < _LEARNT * _blind_loss(arrays)):
        text += ": nothing was learnt. Train longer, or with another learning rate."
        return [Message(level="alarm", code="nothing_learnt", text=text)]
    text += (
        f", although the training images are learnt: the training loss is {train:.3g}, the validation loss "
        f"{validation:.3g}. After few steps it helps to train more epochs or with smaller batches, because the "
        "averages of batch normalisation lag behind the weights; else change the training images (`augment`), and "
        "look at the split: its parts may be images of different kinds."
    )
    return [Message(level="alarm", code="not_carried_over", text=text)]


def _blind_loss(arrays: xr.Dataset) -> float:
    """Cross-entropy, in nats, of always saying the shares of the classes in training."""
    counts = arrays["split_count"].sel(split_part="train").values.astype(float)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _about_support(arrays: xr.Dataset) -> list[Message]:
    part = _part(arrays)
    support = arrays["support"].sel(part=part).values
    few = [f"{name} ({int(n)})" for name, n in zip(arrays["class"].values, support, strict=True) if n < _FEW]
    if not few:
        return []
    text = f"Few {part} images of {_listed(few)}: what is said of them is hardly known."
    return [Message(level="caution", code="few_images", text=text)]


def _about_calibration(arrays: xr.Dataset) -> list[Message]:
    part = _part(arrays)
    error = float(arrays["calibration_error"].sel(part=part).values[-1])
    if not error > _WIDE:
        return []
    text = f"Probabilities are off by {error:.2f} on average (calibration error on {part}): rank by them, no more."
    return [Message(level="caution", code="poor_calibration", text=text)]


def _about_floors(arrays: xr.Dataset) -> list[Message]:
    """Recalls of the test part against the floors that thresholds were to hold, and floors that hang on few images."""
    if "recall_floor" not in arrays:
        return []
    part, missed, unsure, few = _part(arrays), [], [], []
    recall, interval = (arrays[name].sel(part=part, measure="recall") for name in _RECALL)
    support = arrays["support"].sel(part="validation").values.astype(int)
    for k, name in enumerate(arrays["class"].values):
        value, floor = float(recall.values[k]), float(arrays["recall_floor"].values[k])
        low, high = interval.values[k].tolist()
        text = (
            f"“{name}” {value:.3f}{bounds_text(low, high)}, floor {floor:g}, "
            f"chosen on {support[k]} validation images that bear it"
        )
        if part != "validation" and min(value, low) < floor:
            (missed if value < floor else unsure).append(text)
        if support[k] < _FEW_FOR_FLOOR:
            few.append(f"“{name}” ({support[k]})")
    found = []
    if missed:
        text = f"On {part} the recall is below its floor: {_listed(missed, '; ')}."
        found.append(Message(level="caution", code="floor_missed", text=text))
    if unsure:
        text = (
            f"On {part} the recall reaches its floor, the lower end of its interval does not: {_listed(unsure, '; ')}."
        )
        found.append(Message(level="info", code="floor_unsure", text=text))
    if few:
        text = (
            f"A recall floor cannot be assured from fewer than {_FEW_FOR_FLOOR} validation images that bear the label: "
            f"{_listed(few)}. Give validation more of them."
        )
        found.append(Message(level="caution", code="few_for_floor", text=text))
    return found


_RECALL: Final = ("class_metric", "class_metric_interval")


def _about_contradictions(arrays: xr.Dataset) -> list[Message]:
    if "inconsistent" not in arrays:
        return []
    part, name = _part(arrays), arrays.attrs["no_defect"]
    n = int(arrays["n_images"].sel(part=part))
    both, neither = (int(arrays["inconsistent"].sel(part=part, way_wrong=way)) for way in ("both", "neither"))
    said = [f"{both} ({share_text(both / n)}) are decided both “{name}” and another label"] if both else []
    if neither and not int(arrays["n_unlabelled"].sel(part=part)):
        said.append(f"{neither} ({share_text(neither / n)}) are decided to have no label at all")
    if not said:
        return []
    text = (
        f"Of the {n} {part} images {' and '.join(said)}, which no image can be. Have a person look at such images, or "
        f"decide “{name}” where no other label holds."
    )
    return [Message(level="caution", code="contradictory", text=text)]


def _about_epochs(arrays: xr.Dataset, stopped: str) -> list[Message]:
    best, done = int(arrays.attrs["best_epoch"]), arrays.sizes["epoch"]
    if stopped == "patience":
        text = f"Stopped after epoch {done}, because nothing improved after epoch {best}."
        return [Message(level="info", code="stopped_early", text=text)]
    monitor = str(arrays.attrs["monitor"])
    if monitor == "last":
        return []
    score = float(arrays[f"history_{'macro_f1' if monitor == 'loss' else monitor}"].sel(epoch=best))
    if best == done and done > 1 and not score >= _PERFECT:
        text = f"The last epoch, {done}, was the best on validation: more epochs may give more."
        return [Message(level="info", code="still_improving", text=text)]
    return []


def _part(arrays: xr.Dataset) -> str:
    """The part that the verdict is about."""
    return str(arrays["part"].values[-1])


def _listed(entries: Sequence[str], between: str = ", ") -> str:
    """The first entries, and how many more there are."""
    rest = len(entries) - _SHOWN
    return between.join(entries[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:].rstrip('.')}."
