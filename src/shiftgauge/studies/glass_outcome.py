"""What the glass study comes to: its headline and what to know before relying on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import xarray as xr

from shiftgauge.results.status import Message
from shiftgauge.results.study import Finding
from shiftgauge.studies.claims import quick_headline, shown
from shiftgauge.studies.data_messages import data_messages, noted_once, split_messages
from shiftgauge.studies.glass_findings import RECIPE, difference_of, optimism, score_of
from shiftgauge.studies.train_split import by_level


def headline(a: xr.Dataset, findings: tuple[Finding, ...]) -> str:
    """The outcome in plain sentences; of a quick run the scores alone, and that they are no result."""
    small, large = (score_of(a, "ablation", RECIPE, f) for f in ("macro F1", "micro F1"))
    text = (
        f"On {a.attrs['data_name']}, the recipe without its leaks reaches micro F1 {shown(large)} and macro F1 "
        f"{shown(small)} on {int(a.attrs['n_test']):,} test images."
    )
    if a.attrs["quick"]:
        return quick_headline(text)
    if "watch_score" in a:
        way = str(a["watch"].values[-1])
        gap, luck = difference_of(a, "watch", way, "micro F1"), optimism(a, way)
        text += (
            f" Choosing thresholds and epoch on test, as published, gives {abs(gap[0]):.4f} "
            f"{'more' if gap[0] >= 0 else 'less'} there than choosing on validation"
        )
        text += "." if luck is None else f"; on halves of test {luck[0]:+.4f} of what is claimed is luck."
    counts = Counter(f.agreement for f in findings)
    untold = f", and of {counts['unclear']} it cannot be told" if counts["unclear"] else ""
    return (
        f"{text} Of {len(findings)} claims looked at, {counts['agrees']} hold, {counts['partly']} hold in part, "
        f"{counts['differs']} do not{untold}."
    )


def messages(
    a: xr.Dataset,
    *,
    data_notes: Sequence[str] = (),
    split_notes: Sequence[str] = (),
    threshold_notes: Sequence[str] = (),
) -> tuple[Message, ...]:
    """What to know before relying on the study, most serious first.

    Args:
        a: What was measured.
        data_notes: What was noted while the images were read.
        split_notes: What was noted while they were divided.
        threshold_notes: Labels whose threshold could not be chosen.
    """
    found = []
    if a.attrs["quick"]:
        text = "A quick run: a few small images, random weights, two epochs. It shows that everything runs and no more"
        found.append(Message(level="alarm", code="quick", text=text))
    if not a.attrs["original"]:
        text = (
            f"The images are those of {a.attrs['data_name']}, not the published ones, which cannot be had: no figure "
            "here repeats or refutes a published one"
        )
        found.append(Message(level="caution", code="other_data", text=text))
    if not a.attrs["published_recipe"]:
        text = f"Not the published training but a smaller one: {a.attrs['recipe_text']}"
        found.append(Message(level="caution", code="own_recipe", text=text))
    text = (
        "Intervals hold the networks fixed and draw test images anew. What a choice in training changes is known from "
        "one network each; another seed moves all of them"
    )
    found.append(Message(level="caution", code="one_seed", text=text))
    read, divided = noted_once(data_notes, split_notes)
    found += [*data_messages(read), *split_messages(a["split_count"], divided, "epoch and thresholds are")]
    found += [Message(level="caution", code="threshold", text=f"{n[0].upper()}{n[1:]}") for n in threshold_notes]
    return by_level(found)
