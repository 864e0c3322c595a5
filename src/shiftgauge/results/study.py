"""The result of a published study done again: what was measured, and where it agrees with the publication."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
import pandas as pd
import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.results.result import RunResult
from shiftgauge.results.run_folder import write_run_folder

KIND: Final = "study"
Agreement = Literal["agrees", "partly", "differs", "unclear", "fact"]
AGREEMENTS: Final[tuple[Agreement, ...]] = ("agrees", "partly", "differs", "unclear", "fact")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One claim of the publication beside what was measured.

    Args:
        topic: What it is about, in a few words.
        published: What the publication says.
        measured: What was found.
        agreement: `agrees`, `partly` (one side of it, such as the number but not its reading), `differs`,
            `unclear` (what was measured cannot tell), or `fact` (no verdict: it does not depend on what is measured).
        why: Why, in a sentence or two; empty where there is nothing to explain.
    """

    topic: str
    published: str
    measured: str
    agreement: Agreement
    why: str = ""


def without_verdicts(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings of a quick run: facts as they are, and of all else that it cannot be told.

    Args:
        findings: What a whole run would say.

    Example:
        >>> claim = Finding(topic="speed", published="fast", measured="slow", agreement="differs", why="Few images.")
        >>> [(f.agreement, f.why) for f in without_verdicts([claim])]
        [('unclear', 'A quick run tells nothing of it.')]
    """
    untold = "A quick run tells nothing of it."
    return tuple(f if f.agreement == "fact" else replace(f, agreement="unclear", why=untold) for f in findings)


@dataclass(frozen=True, kw_only=True, repr=False)
class StudyResult(RunResult):
    """What a study found.

    Args:
        study: Name of the study, such as `diabetes`.
        config: What was asked, plain values.
        provenance: Content hashes, versions, times.
        cost: Evaluations and seconds of each part.
        headline: The outcome in plain sentences.
        findings: Claims of the publication beside what was measured.
        arrays: xarray data set of everything measured.
        messages: What to know before relying on it.
        gates: None; a study sets no limits.
    """

    _KIND: ClassVar[str] = KIND

    study: str
    findings: tuple[Finding, ...]

    def to_dataframe(self) -> pd.DataFrame:
        """The indices as a long table; without them the profile over depth, or the scores of every way compared."""
        return super().to_dataframe() if self._table == "indices.csv" else _TABLES[self._table](self.arrays)

    @property
    def _table(self) -> str:
        """The file of the main numbers."""
        if "first_order" in self.arrays:
            return "indices.csv"
        return "depth.csv" if "profile" in self.arrays else "scores.csv"

    def report(self, path: str | Path) -> Path:
        """Writes the page of this result as one self-contained HTML file and returns its path."""
        return import_module(f"shiftgauge.report.{self.study}_page").PAGE.write(self, path)

    def to_disk(self, folder: str | Path) -> Path:
        """Writes `results.nc`, a table, `findings.csv` and, last, `run.json`; returns the folder.

        The table is `indices.csv`, `depth.csv` or `scores.csv`, see `to_dataframe`.

        Raises:
            StoreError: The folder cannot be written to.
        """
        findings = [asdict(f) for f in self.findings]
        record = {"study": self.study, **self._record(), "findings": findings}
        columns = ["topic", "published", "measured", "agreement", "why"]
        tables = {
            self._table: self.to_dataframe().to_csv(index=False),
            "findings.csv": pd.DataFrame(findings, columns=columns).to_csv(index=False),
        }
        return write_run_folder(folder, kind=KIND, record=record, arrays=self.arrays, tables=tables)

    @classmethod
    def _own_parts(cls, record: Mapping[str, Any], arrays: xr.Dataset, folder: Path) -> dict[str, Any]:
        findings = tuple(Finding(**f) for f in record["findings"])
        if any(f.agreement not in AGREEMENTS for f in findings):
            raise StoreError(f"run.json: a finding's agreement must be one of {', '.join(AGREEMENTS)}")
        for name in ("quantity_of_interest", "confidence_level"):
            if name not in arrays.attrs:
                raise StoreError(f"results.nc holds no study: the attribute `{name}` is missing")
        return {"study": record["study"], "findings": findings}


def score_table(arrays: xr.Dataset) -> pd.DataFrame:
    """Scores of ways that were compared: table, way, figure, estimate, low, high, and the difference from the first.

    Args:
        arrays: For each table NAME the variables NAME_score and NAME_difference over (NAME, figure), and the same with
            `_interval` over (…, bound).

    Example:
        >>> score_table(xr.Dataset()).columns.tolist()[:3]
        ['table', 'way', 'figure']
    """
    columns = ["table", "way", "figure", "estimate", "low", "high", "difference", "difference_low", "difference_high"]
    rows = []
    for name in sorted(str(n).removesuffix("_score") for n in arrays.data_vars if str(n).endswith("_score")):
        for way in arrays[name].values.tolist():
            for figure in arrays["figure"].values.tolist():
                where, found = {name: way, "figure": figure}, [name, way, figure]
                for kind in ("score", "difference"):
                    bounds = arrays[f"{name}_{kind}_interval"].sel(where).values.tolist()
                    found += [float(arrays[f"{name}_{kind}"].sel(where)), *bounds]
                rows.append(found)
    return pd.DataFrame(rows, columns=columns)


def depth_table(arrays: xr.Dataset) -> pd.DataFrame:
    """Figures of blocks over depth: network, block, number, figure, estimate, low, high.

    Args:
        arrays: `profile` (figure, network, depth) with its interval, `block` and `number` (network, depth).

    Example:
        >>> axes = ("figure", "network", "depth")
        >>> values = {"profile": (axes, [[[2.0]]]), "profile_interval": ((*axes, "bound"), [[[[1.0, 3.0]]]])}
        >>> places = {"block": (axes[1:], [["stem"]]), "number": (axes[1:], [[0]])}
        >>> named = {"figure": ["share"], "network": ["a"], "bound": ["low", "high"]}
        >>> depth_table(xr.Dataset({**values, **places}, coords=named)).values.tolist()
        [['a', 'stem', 0, 'share', 2.0, 1.0, 3.0]]
    """
    columns = ["network", "block", "number", "figure", "estimate", "low", "high"]
    rows = []
    for network in arrays["network"].values.tolist():
        for depth in range(arrays.sizes["depth"]):
            block, number = (arrays[n].sel(network=network).values[depth].item() for n in ("block", "number"))
            for figure in arrays["figure"].values.tolist():
                found = [arrays[n].sel(figure=figure, network=network).values[depth] for n in _PROFILE]
                rows.append([network, block, number, figure, *np.hstack(found).tolist()])
    return pd.DataFrame(rows, columns=columns)


_PROFILE: Final = ("profile", "profile_interval")
_TABLES: Final = {"scores.csv": score_table, "depth.csv": depth_table}
