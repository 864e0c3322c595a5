"""The outcome of the weld study in a few sentences, and what to know before relying on it."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from shiftgauge.results.status import Message
from shiftgauge.results.study import Finding
from shiftgauge.studies.claims import quick_headline
from shiftgauge.studies.data_messages import data_messages, noted_once, split_messages
from shiftgauge.studies.train_split import by_level
from shiftgauge.studies.weld_findings import leader
from shiftgauge.studies.weld_recipe import EPOCHS, PACKAGED, PUBLISHED_SIZE


def headline(arrays: xr.Dataset, findings: Sequence[Finding]) -> str:
    """The outcome in three sentences; of a quick run without a count, and called no result."""
    said = f"{_accuracy(arrays)} {_leaders(arrays)}"
    if arrays.attrs["quick"]:
        return quick_headline(said)
    judged = [f.agreement for f in findings if f.agreement != "fact"]
    hold, partly, fail, untold = (judged.count(kind) for kind in ("agrees", "partly", "differs", "unclear"))
    untold_text = f", and of {untold} it cannot be told" if untold else ""
    return (
        f"{said} Of {len(judged)} habits of the publication that were measured, {hold} hold, {partly} hold in part, "
        f"{fail} do not{untold_text}."
    )


def messages(arrays: xr.Dataset) -> tuple[Message, ...]:
    """What to know before relying on the study, most serious first."""
    text = (
        "What a new first convolution costs, beside the summed one, needs ImageNet weights of ResNet-18 and is not "
        "measured"
    )
    missing = Message(level="info", code="not_measured", text=text)
    return by_level((*_of_data(arrays), *_of_training(arrays), *_of_images(arrays), missing))


def _accuracy(a: xr.Dataset) -> str:
    clean, moved = float(a["all_clean_accuracy"]), float(a["all_shifted_accuracy"])
    return f"Under the published shifts accuracy on the test images goes from {clean:.1%} to {moved:.1%}."


def _leaders(a: xr.Dataset) -> str:
    one, every = a["total_order"].sel(quantity=a.attrs["quantity_of_interest"]), a["all_total_order"]
    first, lead = leader(one, "input"), leader(every, "all_input")
    alone = (
        "For the one image the probability never changes"
        if first is None
        else f"For the one image {first} matters most (total index {float(one.sel(input=first)):.2f})"
    )
    if lead is None:
        return f"{alone}; over all test images no index is defined."
    most = "the picture itself" if lead == "image" else lead
    return f"{alone}, over all test images {most} ({float(every.sel(all_input=lead)):.2f})."


def _of_data(a: xr.Dataset) -> list[Message]:
    at, found = a.attrs, []
    if at["quick"]:
        text = "A quick run: a few small images and two epochs. It shows that everything runs; its numbers mean nothing"
        found.append(Message(level="alarm", code="quick", text=text))
    if not at["weld_data"]:
        text = (
            f"These are not the images of TIG Aluminium 5083 but {at['data_name']}, {a.sizes['class']} classes: "
            "what is measured here says what the procedure is worth, not what the publication's numbers are"
        )
        found.append(Message(level="caution", code="other_data", text=text))
    if not float(a["image_clean"].sel(quantity="correct", image=at["image_name"])):
        text = f"The one image, {at['image_name']}, is named wrongly without any shift: the surface is that of an error"
        found.append(Message(level="caution", code="wrong_image", text=text))
    return found


def _of_training(a: xr.Dataset) -> list[Message]:
    at, found = a.attrs, []
    if at["weights"] == "none":
        text = (
            "The network began at random, where the publication began with ImageNet weights of ResNet-18; give them as "
            "--weights FILE, or take --weights packaged for EfficientNet-Lite0 with its own"
        )
        found.append(Message(level="caution", code="random_start", text=text))
    if at["weights"] == PACKAGED:
        text = (
            "EfficientNet-Lite0 with ImageNet weights stands in for the published ResNet-18; input sizes and box are "
            f"in the published ratio, {at['size']} and {at['other_size']} pixels"
        )
        found.append(Message(level="caution", code="other_network", text=text))
    if at["recipe"] != "published":
        other = "network, optimiser and schedule are others, " if at["weights"] == PACKAGED else ""
        text = (
            f"The training is not the published one: {other}{at['size']} × {at['size']} pixels (published: "
            f"{PUBLISHED_SIZE} × {PUBLISHED_SIZE}), {at['epochs']} epochs (published schedule: {EPOCHS})"
        )
        found.append(Message(level="caution", code="own_recipe", text=text))
    return found


def _of_images(a: xr.Dataset) -> list[Message]:
    """What was noted while the images were read and divided."""
    noted = (str(a.attrs[name]).splitlines() for name in ("data_notes", "split_notes"))
    data_notes, split_notes = noted_once(*noted)
    return [*data_messages(data_notes), *split_messages(a["split_count"], split_notes, "the epoch is")]
