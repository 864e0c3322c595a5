"""First and total aggregated indices of every block of the network, from input to output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from markupsafe import Markup

from shiftgauge.report.blocks.curves import HIGHEST, LOWEST
from shiftgauge.report.format import fixed, input_label, interval, number, shorten
from shiftgauge.report.read import Estimate, estimate, pick, strings
from shiftgauge.report.svg import element, line_path, scale, ticks
from shiftgauge.results.audit import AuditResult

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 340.0, 196.0, 44.0, 330.0, 8.0, 158.0
_KINDS: Final = (("total_order", "total"), ("first_order", "first"))
_LETTERS: Final = 42
"""Letters that fit below a panel."""
_MOVES: Final = 0.05
"""A change of a total index below this is not worth a sentence."""


@dataclass(frozen=True)
class Passage:
    """How the total index of an input changes from the first block to the output."""

    name: str
    first: Estimate
    last: Estimate

    @property
    def change(self) -> float:
        """Last minus first; 0 where undefined, or where the intervals overlap."""
        found = self.last.value - self.first.value
        apart = self.last.low > self.first.high or self.last.high < self.first.low
        return found if math.isfinite(found) and apart and abs(found) >= _MOVES else 0.0


def build_depth(result: AuditResult) -> dict[str, Any] | None:
    """Returns a panel for each input, the tables and a sentence, or None when no blocks were looked at."""
    data = result.arrays
    if "block_total_order" not in data:
        return None
    blocks, inputs = strings(data, "block"), depth_ranked(data)
    marks = _marks(data)
    return {
        "text": depth_text(data),
        "panels": [_panel(data, name, blocks, marks) for name in inputs],
        "blocks": [
            {"number": k + 1, "name": name, "shape": shape, "entries": f"{int(entries):,}"}
            for k, (name, shape, entries) in enumerate(
                zip(blocks, strings(data, "block_shape"), data["block_entries"].values, strict=True)
            )
        ],
        "inputs": [input_label(name) for name in inputs],
        "numbered": _labels(blocks) != blocks,
        "note": _note(data),
    }


def depth_ranked(data: xr.Dataset) -> list[str]:
    """Returns the inputs by their largest total index in any block, undefined ones last."""
    top = {
        n: np.nan_to_num(pick(data, "block_total_order", input=n), nan=-np.inf).max() for n in strings(data, "input")
    }
    return sorted(top, key=lambda name: -top[name])


def depth_text(data: xr.Dataset) -> str:
    """Returns what the profile says, in at most two sentences."""
    blocks = strings(data, "block")
    first, last = blocks[0], blocks[-1]
    found = [_passage(data, name, first, last) for name in depth_ranked(data)]
    if not any(p.last.defined or p.first.defined for p in found):
        return "No block gave anything that changed."
    moved = sorted((p for p in found if p.change), key=lambda p: -abs(p.change))
    start = f"From {shorten(first, 30)} to the {last}" if last == "output" else f"From {first} to {last}"
    if not moved:
        return f"{start} no total index changes beyond its interval."
    words = [
        f"that of {input_label(p.name)} {'falls' if p.change < 0 else 'rises'} from {fixed(p.first.value, 2)} to "
        f"{fixed(p.last.value, 2)}"
        for p in moved[:3]
    ]
    text = f"{start} the total index{words[0][4:]}" + "".join(f", {w}" for w in words[1:])
    rest = len(found) - len(moved)
    return f"{text}." + (f" {_others(rest)}." if rest else "")


def depth_line(data: xr.Dataset) -> str:
    """Returns the profile in one line for a terminal: the total indices that change most, first block → output."""
    blocks = strings(data, "block")
    found = [_passage(data, name, blocks[0], blocks[-1]) for name in depth_ranked(data)]
    found = sorted((p for p in found if p.first.defined and p.last.defined), key=lambda p: -abs(p.change))
    shown = [f"{input_label(p.name)} {fixed(p.first.value, 2)} → {fixed(p.last.value, 2)}" for p in found[:3]]
    return f"total index from {shorten(blocks[0], 24)} to {shorten(blocks[-1], 24)}: {', '.join(shown) or 'undefined'}"


def _others(count: int) -> str:
    if count == 1:
        return "The other input does not change beyond its interval"
    return f"The {count} others do not change beyond their intervals"


def _passage(data: xr.Dataset, name: str, first: str, last: str) -> Passage:
    ends = [estimate(data, "block_total_order", block=block, input=name) for block in (first, last)]
    return Passage(name, *ends)


def _note(data: xr.Dataset) -> str:
    projected = int(np.max(data["block_directions"].values))
    pooled = (
        " its mean over all positions, channel by channel,"
        if "block_pooled" in data and data["block_pooled"].any()
        else " it"
    )
    text = "The index of a block is the share of the variance of all its outputs together (aggregated index)."
    if not projected:
        return text
    return (
        f"{text} Where a block has more than {projected} outputs,{pooled} is projected on {projected} random "
        "directions; what that adds to the error is part of every band."
    )


def _marks(data: xr.Dataset) -> list[float]:
    """The common vertical axis of all panels; it starts below 0 only if a line does visibly."""
    lines = np.concatenate([data[f"block_{kind}"].values.ravel() for kind, _ in _KINDS])
    bands = np.concatenate([data[f"block_{kind}_interval"].values.ravel() for kind, _ in _KINDS])
    lines, bands = (np.clip(v[np.isfinite(v)], LOWEST, HIGHEST) for v in (lines, bands))
    high = max([0.1, *lines.tolist(), *bands.tolist()])
    low = min([0.0, *lines.tolist()])
    return ticks(low if low < -_MOVES * high else 0.0, high, 4)


def _labels(blocks: Sequence[str]) -> list[str]:
    """Names of the blocks where they fit below a panel, else their numbers."""
    if max(map(len, blocks)) * len(blocks) <= _LETTERS:
        return list(blocks)
    return [*(str(k + 1) for k in range(len(blocks) - 1)), "out" if blocks[-1] == "output" else str(len(blocks))]


def _panel(data: xr.Dataset, name: str, blocks: Sequence[str], marks: Sequence[float]) -> dict[str, Any]:
    x = scale(np.arange(len(blocks)), 0.0, max(len(blocks) - 1.0, 1.0), _LEFT + 14, _RIGHT - 14)

    def y_of(value: Any) -> np.ndarray:
        return scale(np.clip(value, marks[0], marks[-1]), marks[0], marks[-1], _BOTTOM, _TOP)

    parts = [_axes(marks, y_of, x, _labels(blocks))]
    rows = []
    for kind, colour in _KINDS:
        found = [estimate(data, f"block_{kind}", block=k, input=name) for k in range(len(blocks))]
        bounds = np.array([(e.low, e.high) for e in found])
        parts.append(element("path", d=_area(x, y_of(bounds)), class_=f"band {colour}"))
        parts.append(element("path", d=line_path(x, y_of([e.value for e in found])), class_=f"curve {colour}"))
        for at, block, e in zip(x.tolist(), blocks, found, strict=True):
            if e.defined:
                tip = f"{shorten(block, 40)}, {colour} index {fixed(e.value)} {interval(e.low, e.high)}"
                y = float(y_of(e.value))
                parts.append(element("circle", cx=at, cy=y, r=2.6, class_=f"point {colour}", data_tip=tip))
        rows.append((colour, [{"value": fixed(e.value), "interval": interval(e.low, e.high, 2)} for e in found]))
    label = f"First and total index of {input_label(name)} in each block of the network; table below"
    svg = element("svg", *parts, class_="plot", viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}", role="img", aria_label=label)
    return {"label": input_label(name), "svg": svg, "rows": rows[::-1]}


def _area(x: np.ndarray, bounds: np.ndarray) -> str:
    known = np.isfinite(bounds).all(axis=1)
    if known.sum() < 2:
        return ""
    back = line_path(x[known][::-1], bounds[known, 0][::-1])
    return f"{line_path(x[known], bounds[known, 1])}L{back[1:]}Z"


def _axes(marks: Sequence[float], y_of: Any, x: np.ndarray, labels: Sequence[str]) -> Markup:
    parts = []
    for mark in marks:
        y = float(y_of(mark))
        parts.append(element("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(element("text", number(mark), x=_LEFT - 6, y=y + 3.5, class_="tick end"))
    for at, label in zip(x.tolist(), labels, strict=True):
        parts.append(element("line", x1=at, x2=at, y1=_BOTTOM, y2=_BOTTOM + 4, class_="rule"))
        parts.append(element("text", label, x=at, y=_BOTTOM + 16, class_="tick middle"))
    parts.append(element("line", x1=_LEFT, x2=_RIGHT, y1=_BOTTOM, y2=_BOTTOM, class_="rule"))
    title = element(
        "text", "block, from input to output", x=(_LEFT + _RIGHT) / 2, y=_HEIGHT - 4, class_="axis-title middle"
    )
    return Markup("").join([*parts, title])
