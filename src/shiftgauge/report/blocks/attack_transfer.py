"""Block of the page of attacks about transfer: source × target as heat maps, and what it overstates."""

from __future__ import annotations

from typing import Any

import numpy as np

from shiftgauge.report.blocks.attack import at_text
from shiftgauge.report.blocks.indices import heat_level
from shiftgauge.report.format import fixed, interval, percent, percent_interval
from shiftgauge.report.read import strings
from shiftgauge.results.attack import AttackResult


def build_transfer(result: AttackResult) -> list[dict[str, Any]] | None:
    """Returns for each attack its matrices, that of the headline's loudness first, None without any."""
    data = result.arrays
    if "transfer_accuracy" not in data:
        return None
    budgets = [float(value) for value in data["budget"].values]
    at = float(data.attrs.get("headline_at", np.nan))
    first = budgets.index(at) if at in budgets else len(budgets) // 2
    order = [first, *(b for b in range(len(budgets)) if b != first)]
    return [
        {"attack": name, "maps": [_map(result, a, b, at_text(result, budgets[b])) for b in order]}
        for a, name in enumerate(strings(data, "attack"))
    ]


def _map(result: AttackResult, attack: int, budget: int, at: str) -> dict[str, Any]:
    data = result.arrays
    sources, targets = strings(data, "source"), strings(data, "target")
    value, low, high = (data[f"transfer_accuracy{end}"].values[attack, budget] for end in ("", "_low", "_high"))
    gap = [data[f"transfer_difference{end}"].values[attack, budget] for end in ("", "_low", "_high")]
    rows = [
        {
            "label": source,
            "cells": [
                {
                    "text": percent(float(value[s, t])),
                    "interval": percent_interval(float(low[s, t]), float(high[s, t])),
                    "level": heat_level(float(value[s, t]), 1),
                    "own": source == target,
                }
                for t, target in enumerate(targets)
            ],
        }
        for s, source in enumerate(sources)
    ]
    differences = [
        {
            "label": f"made on {source}, met by {target}",
            "cells": [
                percent(float(value[s, t])),
                percent(float(value[sources.index(target), t])),
                f"{fixed(100 * float(gap[0][s, t]), 1)} "
                f"{interval(100 * float(gap[1][s, t]), 100 * float(gap[2][s, t]), 1)}",
            ],
        }
        for s, source in enumerate(sources)
        for t, target in enumerate(targets)
        if source != target
    ]
    return {"at": at, "names": targets, "rows": rows, "differences": differences}
