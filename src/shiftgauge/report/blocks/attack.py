"""Blocks of the page of attacks: curves on one scale, tables, differences of models, what was asked, cost."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from shiftgauge.report.blocks.explain import legend
from shiftgauge.report.blocks.plot import UNIT, Line, draw_lines
from shiftgauge.report.format import clean, duration, fixed, interval, number, percent, percent_interval, with_unit
from shiftgauge.report.read import strings
from shiftgauge.results.attack import AttackResult
from shiftgauge.results.attack_tables import accuracy_table, comparison_table

HUES: Final = ("first", "total", "hued green", "hued purple", "hued brown", "part", "hued red", "hued ink")
"""Colours of lines that stand beside each other."""
_CLEAN: Final = "random"
_AXIS: Final = "signal-to-noise ratio, dB (left is louder)"
_PARTS: Final = {
    "curves": "Attacks and noise",
    "transfer": "Transfer",
    "natural": "Natural shifts",
    "pictures": "Pictures",
}


def at_text(result: AttackResult, at: float) -> str:
    """A ratio or ε as it was asked for, such as `40 dB` or `ε 0.01`."""
    if str(result.arrays.attrs.get("asked_as")) == "snr_db":
        return "∞ dB" if np.isinf(at) else f"{number(at)}\u00a0dB"
    return f"ε\u00a0{number(at)}"


def share_text(row: Mapping[Hashable, Any]) -> str:
    """An accuracy with its interval."""
    return f"{percent(float(row['accuracy']))} {percent_interval(float(row['low']), float(row['high']))}".strip()


def build_curves(result: AttackResult) -> dict[str, Any] | None:
    """Returns accuracy against the ratio: a drawing for each model, and for each way where there are several models."""
    table = accuracy_table(result.arrays)
    drawn = table.loc[np.isfinite(table["set_snr_db"]) & (table["kind"] != "clean")]
    if not len(drawn):
        return None
    ends = _ends(drawn["set_snr_db"].to_numpy(float))
    ways, models = list(dict.fromkeys(drawn["way"])), list(result.models)
    by_model = [_panel(drawn.loc[drawn["model"] == m], "way", ways, m, ends, _rest(table, m)) for m in models]
    by_way = []
    if len(models) > 1:
        by_way = [_panel(drawn.loc[drawn["way"] == w], "model", models, w, ends, None) for w in ways]
    return {
        "models": by_model,
        "ways": by_way,
        "way_legend": [*legend(ways, HUES), (_CLEAN, "images as given")],
        "model_legend": legend(models, HUES),
        "level": percent(result.confidence_level, 0),
    }


def _rest(table: pd.DataFrame, model: str) -> float:
    return float(table.loc[(table["kind"] == "clean") & (table["model"] == model), "accuracy"].iloc[0])


def _ends(ratios: np.ndarray) -> tuple[float, float]:
    low, high = float(np.floor(ratios.min())), float(np.ceil(ratios.max()))
    return (low, high) if high > low else (low - 1, high + 1)


def _panel(
    rows: pd.DataFrame, column: str, names: Sequence[str], title: str, ends: tuple[float, float], rest: float | None
) -> dict[str, Any]:
    lines = []
    for k, name in enumerate(names):
        own = rows.loc[rows[column] == name].sort_values("set_snr_db")
        if not len(own):
            continue
        x, y, low, high = (own[c].to_numpy(float) for c in ("set_snr_db", "accuracy", "low", "high"))
        lines.append(Line(x=x, y=y, kind=HUES[k % len(HUES)], label=name, dots=True, band=(x, low, high)))
    if rest is not None:
        lines.append(Line(x=ends, y=(rest, rest), kind=_CLEAN, label="images as given"))
    said = f"Accuracy against the signal-to-noise ratio, {clean(title)}"
    return {"label": title, "svg": draw_lines(lines, x_label=_AXIS, said=said, x_range=ends, y_range=UNIT)}


def build_table(result: AttackResult) -> list[dict[str, Any]]:
    """Returns tables of accuracies: one of attacks and noise at what was asked for, one of each natural shift."""
    table = accuracy_table(result.arrays)
    found = []
    asked = table.loc[table["kind"].isin(["attack", "noise"])]
    if len(asked):
        places = list(dict.fromkeys(asked["asked"].tolist()))
        rows = []
        for model in result.models:
            rest = table.loc[(table["kind"] == "clean") & (table["model"] == model)].to_dict("records")[0]
            for way in dict.fromkeys(asked["way"]):
                own = asked.loc[(asked["model"] == model) & (asked["way"] == way)].to_dict("records")
                rows.append({"label": f"{model}, {way}", "cells": [share_text(rest), *map(share_text, own)]})
        header = ["Model and way", "As given", *(at_text(result, at) for at in places)]
        found.append({"caption": "Attacks made on the model itself, and noise", "header": header, "rows": rows})
    reached = _reached(result, asked)
    found += [reached] if reached else []
    for shift in dict.fromkeys(table.loc[table["kind"] == "shift", "way"]):
        own = table.loc[table["way"] == shift]
        rows = [
            {
                "label": row["model"],
                "cells": [
                    with_unit(float(row["level"]), str(row["level_unit"])),
                    f"{number(float(row['set_snr_db']))} dB" if np.isfinite(row["set_snr_db"]) else "∞ dB",
                    share_text(row),
                ],
            }
            for row in own.to_dict("records")
        ]
        caption = f"Natural shift: {clean(shift).replace('_', ' ')}"
        found.append({"caption": caption, "header": ["Model", "Value", "Ratio of the set", "Accuracy"], "rows": rows})
    return found


def _reached(result: AttackResult, asked: pd.DataFrame) -> dict[str, Any] | None:
    """How many images reach the target."""
    if "reached" not in asked:
        return None
    known = asked.dropna(subset=["reached"])
    rows = []
    for model, way in dict.fromkeys(zip(known["model"], known["way"], strict=True)):
        own = known.loc[(known["model"] == model) & (known["way"] == way)]
        cells = [
            f"{percent(float(r['reached']))} {percent_interval(float(r['reached_low']), float(r['reached_high']))}"
            for r in own.to_dict("records")
        ]
        rows.append({"label": f"{model}, {way}", "cells": cells})
    places = [at_text(result, at) for at in dict.fromkeys(known["asked"].tolist())]
    target = clean(result.arrays.attrs.get("target", ""))
    return {
        "caption": f"Images that the model takes for “{target}”",
        "header": ["Model and way", *places],
        "rows": rows,
    }


def build_comparison(result: AttackResult) -> list[dict[str, Any]]:
    """Returns a table for each pair of models: differences in points at each loudness, with their intervals."""
    table, found = comparison_table(result.arrays), []
    for first, second in dict.fromkeys(zip(table["first"], table["second"], strict=True)):
        own = table.loc[(table["first"] == first) & (table["second"] == second)]
        rows = []
        for row in own.to_dict("records"):
            low, high = 100 * float(row["low"]), 100 * float(row["high"])
            word = "" if low <= 0 <= high else str(first) if low > 0 else str(second)
            cells = [fixed(100 * float(row["difference"]), 1), interval(low, high, 1), word]
            rows.append({"label": _where(result, row), "cells": cells})
        found.append({"label": f"{first} minus {second}", "rows": rows})
    return found


def _where(result: AttackResult, row: Mapping[Hashable, Any]) -> str:
    way, at = clean(row["way"]), float(row["at"])
    if way == "none":
        return "images as given"
    kinds = dict(zip(strings(result.arrays, "row_way"), strings(result.arrays, "row_kind"), strict=True))
    units = dict(zip(strings(result.arrays, "row_way"), strings(result.arrays, "row_level_unit"), strict=True))
    return f"{way}, {with_unit(at, units[way]) if kinds.get(way) == 'shift' else at_text(result, at)}"


def build_asked(result: AttackResult) -> list[tuple[str, str]]:
    """Returns what was asked, as facts."""
    at, data = result.arrays.attrs, result.arrays
    table = accuracy_table(data)
    ways = {kind: list(dict.fromkeys(table.loc[table["kind"] == kind, "way"])) for kind in ("attack", "noise", "shift")}
    unit = "pixels, 0 to 1" if at.get("unit") == "pixel" else "the network's input, (x − mean) / std"
    norm = {"linf": "L∞ (largest change of a value)", "l2": "L2 (root of the sum of squares)"}.get(
        str(at.get("norm")), ""
    )
    of = "for each image" if at.get("snr_of") == "image" else "for the whole set, one ε for all images"
    asked = list(dict.fromkeys(table.loc[table["kind"].isin(["attack", "noise"]), "asked"].tolist()))
    facts = [
        ("Models", ", ".join(result.models)),
        ("Attacks", ", ".join(ways["attack"]) or "none"),
        ("Noise", ", ".join(ways["noise"]) or "none"),
        ("Natural shifts", ", ".join(name.replace("_", " ") for name in ways["shift"]) or "none"),
        ("Asked for", ", ".join(at_text(result, value) for value in asked)),
        ("Ratios hold", of if at.get("asked_as") == "snr_db" else ""),
        ("Unit of ε and ratios", unit),
        ("Norm of attacks", norm),
        ("Range of pixels", str(at.get("bounds")) or "none: pixels may leave 0 to 1"),
        ("Target", str(at.get("target")) or "any class but the true one"),
        ("Images", f"{data.sizes['image']:,}"),
        ("Intervals", f"{percent(result.confidence_level, 0)}, {_intervals(result)}"),
    ]
    return [(name, clean(text)) for name, text in facts if text]


def _intervals(result: AttackResult) -> str:
    if "image_group" not in result.arrays:
        return "images as independent (Wilson; Newcombe for differences)"
    return f"resamples of {len(set(strings(result.arrays, 'image_group')))} whole groups"


def build_audit(result: AttackResult) -> dict[str, Any] | None:
    """Returns the verdict of the audit that stands beside, None without one."""
    at, data = result.arrays.attrs, result.arrays
    if "audit_total_order" not in data:
        return None
    rows = [
        {"label": name.replace("_", " "), "cells": [_index(data, kind, k) for kind in ("first_order", "total_order")]}
        for k, name in enumerate(strings(data, "audit_shift"))
    ]
    whose = clean(at.get("audit_model", ""))
    return {
        "headline": clean(at.get("audit_headline", "")),
        "title": clean(at.get("audit_title", "")) or "the audit",
        "page": clean(at.get("audit_page", "")),
        "whose": f"of “{whose}”" if whose else "of another model",
        "quantity": clean(at.get("audit_quantity", "")).replace("_", " "),
        "mean": number(float(at.get("audit_mean", np.nan))),
        "rest": number(float(at.get("audit_clean_mean", np.nan))),
        "rows": rows,
    }


def _index(data: xr.Dataset, kind: str, place: int) -> str:
    """An index of the audit with its interval."""
    value, low, high = (float(data[f"audit_{kind}{end}"].values[place]) for end in ("", "_low", "_high"))
    return f"{number(value)} {interval(low, high, 2)}".strip()


def build_cost(result: AttackResult) -> dict[str, Any]:
    """Returns images that passed through the networks, gradients and time of each kind of part."""
    parts = dict(result.cost.get("parts") or {})
    facts = [
        (
            label,
            f"{int(parts[name]['evaluations']):,} images forward, {int(parts[name]['gradients']):,} gradients, "
            f"{duration(float(parts[name]['seconds']))}",
        )
        for name, label in _PARTS.items()
        if name in parts
    ]
    how = "What each part took when it was made; a part that was finished before is taken from the run folder."
    return {"facts": facts, "trial": [], "how": how}
