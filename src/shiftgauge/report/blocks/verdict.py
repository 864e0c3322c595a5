"""What the page opens with: the verdict, how far to trust it, the key figures and the gates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from shiftgauge.report.blocks.method import method_text, surrogate_text
from shiftgauge.report.format import clean, input_label, interval, number, percent, quantity_label
from shiftgauge.report.read import Quantity, estimate, gauge_words, is_constant, is_unmoved, ranked, strings
from shiftgauge.results.audit import AuditResult
from shiftgauge.results.result import RunResult
from shiftgauge.results.status import TRUSTED_SHARE, Gate

TRUST: Final = {
    "info": "You can rely on this result",
    "caution": "Rely on this result with care",
    "alarm": "Do not rely on this result",
}
"""What each level of a message says about the whole result."""


def build(result: AuditResult, quantity: Quantity) -> dict[str, Any]:
    """Returns headline, level, messages, key figures, gates and, for a poor `gpc` surrogate, the alarm."""
    reason, surrogate = clean(result.arrays.attrs.get("reason", "")), surrogate_text(result.arrays, quantity)
    measured = " ".join(part for part in (measured_text(result), reason, surrogate) if part)
    frame = build_frame(
        result,
        figures=_figures(result, quantity),
        measured=measured,
        alarm=None if quantity.factual else alarm_text(quantity),
        gates=build_gates(result.gates),
    )
    level = result.level if quantity.factual else "alarm"
    return {**frame, "level": level, "trust": TRUST[level]}


def build_frame(
    result: RunResult,
    *,
    figures: Sequence[Mapping[str, str]],
    measured: str,
    alarm: str | None = None,
    gates: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Returns what every page opens with, whatever the kind of the result.

    Args:
        result: The result.
        figures: The key figures: title, value, text, tone.
        measured: Which model, which data, how it was measured.
        alarm: A sentence that stands above everything; None for none.
        gates: As `build_gates` gives them; None leaves the section of gates out.
    """
    return {
        "headline": result.headline,
        "level": result.level,
        "trust": TRUST[result.level],
        "messages": result.messages,
        "alarm": alarm,
        "figures": figures,
        "gates": gates,
        "passed": result.passed,
        "measured": measured,
    }


def build_gates(gates: Sequence[Gate], shown: Callable[[float], str] = number) -> list[dict[str, Any]]:
    """Returns the rows of the table of gates.

    Args:
        gates: The gates.
        shown: How a limit or a value is written.
    """
    return [
        {"name": g.name, "limit": shown(g.limit), "value": shown(g.value), "passed": g.passed, "text": g.text}
        for g in gates
    ]


def alarm_text(quantity: Quantity) -> str:
    """Returns the sentence that stands above everything when only a poor surrogate was analysed."""
    share = f"only {percent(quantity.share)}" if math.isfinite(quantity.share) else "an unknown share"
    return (
        f"This analysis used a surrogate alone, and the surrogate explains {share} of the variance of "
        f"“{quantity.label}” (at least {percent(TRUSTED_SHARE, 0)} is needed). Its indices describe the surrogate, not "
        "the model. Run the audit again with the estimator “assisted”."
    )


def drawing_note(quantity: Quantity, estimator: str) -> str:
    """Returns the note for drawings of an untrusted surrogate; empty when it is trusted.

    The indices of the other estimators do not suffer, and the note says so.
    """
    if quantity.trusted:
        return ""
    share = "an unknown share" if not math.isfinite(quantity.share) else f"only {percent(quantity.share)}"
    start = f"Sketch, not fact: the smooth surrogate explains {share} of the variance of “{quantity.label}”."
    rest = "The classifier is rougher than this drawing; trust the dots and the bin averages."
    return f"{start} {rest}" if estimator == "gpc" else f"{start} {rest} The indices on this page do not depend on it."


def measured_text(result: AuditResult) -> str:
    """Returns one sentence: which model, which data, how it was measured."""
    at = result.arrays.attrs
    images, classes = int(at.get("n_images", 0)), int(at.get("n_classes", 0))
    which = "chosen images, one by one" if at.get("images_mode") == "fixed" else "images drawn at random for each trial"
    named = int(at.get("n_shifted", images))
    several = f"{images:,} image{'s' * (images != 1)}"
    count = f"{several if named == images else f'{named:,} of {several}'} and {classes:,} classes, {which}"
    what = f"{clean(at.get('model_name', 'the classifier'))} on {clean(at.get('data_name', 'the data'))}"
    return f"{what}. {count}; {method_text(result.arrays)}; {percent(result.confidence_level, 0)} intervals."


def _figures(result: AuditResult, quantity: Quantity) -> list[dict[str, str]]:
    data = result.arrays
    figures = [_mean(result, quantity)]
    if "gauge_study_variation" in data:
        figures.append(_gauge(result, quantity))
    figures.append(_strongest(result, quantity))
    if math.isfinite(quantity.share):
        tone = "good" if quantity.trusted else "bad"
        text = f"of the variance is explained by a smooth surrogate ({percent(TRUSTED_SHARE, 0)} or more is good)"
        figures.append({"title": "Surrogate (Q²)", "value": percent(quantity.share), "text": text, "tone": tone})
    return figures


def _mean(result: AuditResult, quantity: Quantity) -> dict[str, str]:
    data = result.arrays
    mean = estimate(data, "mean", quantity=quantity.name)
    rest = estimate(data, "clean_mean", quantity=quantity.name)
    value = f"{number(rest.value, 2)} → {number(mean.value, 2)}" if rest.defined else number(mean.value, 2)
    bounds = interval(mean.low, mean.high, 2)
    text = "mean without shifts → mean under the shifts" if rest.defined else "mean under the shifts"
    return {"title": quantity_label(quantity.name), "value": value, "text": f"{text} {bounds}".strip(), "tone": ""}


def _gauge(result: AuditResult, quantity: Quantity) -> dict[str, str]:
    data = result.arrays
    names = [n.strip().lower() for n in strings(data, "component")]
    at = names.index("total gauge r&r") if "total gauge r&r" in names else len(names) - 1
    study = estimate(data, "gauge_study_variation", quantity=quantity.name, component=at).value
    verdict = gauge_words(data, quantity.name)[1]
    text = "spread caused by the shifts, as a share of the total spread (study variation)"
    tone = "" if not math.isfinite(study) else _gauge_tone(study)
    if not quantity.factual:
        text = "the surrogate is too poor to tell"
        return {"title": "Gauge R&R", "value": "not established", "text": text, "tone": "bad"}
    if verdict.startswith("none"):
        return {"title": "Gauge R&R", "value": "no verdict", "text": verdict.partition("because ")[2], "tone": ""}
    return {
        "title": "Gauge R&R",
        "value": percent(study, 0),
        "text": f"{text}: {verdict}" if verdict else text,
        "tone": tone,
    }


def _gauge_tone(study: float) -> str:
    return "good" if study < 0.1 else "fair" if study <= 0.3 else "bad"


def _strongest(result: AuditResult, quantity: Quantity) -> dict[str, str]:
    data = result.arrays
    title = "Moves the output most"
    if is_constant(data, quantity.name):
        return {"title": title, "value": "nothing", "text": "the output never changed: no index is defined", "tone": ""}
    if not quantity.factual:
        return {"title": title, "value": "not established", "text": "the surrogate is too poor to tell", "tone": "bad"}
    if is_unmoved(data, quantity.name):
        return {"title": title, "value": "nothing", "text": "no shift moved the output", "tone": ""}
    name = ranked(data, quantity.name, strings(data, "shift"))[0]
    total = estimate(data, "total_order", quantity=quantity.name, input=name)
    text = f"takes part in {percent(total.value, 0)} of the variance {interval(total.low, total.high, 2)} (total index)"
    return {"title": title, "value": input_label(name), "text": text, "tone": ""}
