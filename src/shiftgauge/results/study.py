"""The result of a published study done again: what was measured, and where it agrees with the publication."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, Literal

import pandas as pd
import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.results.result import RunResult, reading, shared_parts
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

    study: str
    findings: tuple[Finding, ...]

    def to_dataframe(self) -> pd.DataFrame:
        """The indices as a long table; of a study without indices the scores of every way that was compared."""
        return super().to_dataframe() if "first_order" in self.arrays else score_table(self.arrays)

    def report(self, path: str | Path) -> Path:
        """Writes the page of this result as one self-contained HTML file and returns its path."""
        return import_module(f"shiftgauge.report.{self.study}_page").PAGE.write(self, path)

    def to_disk(self, folder: str | Path) -> Path:
        """Writes `results.nc`, `indices.csv` or `scores.csv`, `findings.csv` and, last, `run.json`; returns the folder.

        Raises:
            StoreError: The folder cannot be written to.
        """
        findings = [asdict(f) for f in self.findings]
        record = {"study": self.study, **self._record(), "findings": findings}
        columns = ["topic", "published", "measured", "agreement", "why"]
        table = "indices.csv" if "first_order" in self.arrays else "scores.csv"
        tables = {
            table: self.to_dataframe().to_csv(index=False),
            "findings.csv": pd.DataFrame(findings, columns=columns).to_csv(index=False),
        }
        return write_run_folder(folder, kind=KIND, record=record, arrays=self.arrays, tables=tables)

    @classmethod
    def from_disk(cls, folder: str | Path) -> StudyResult:
        """Reads a run folder; neither weights nor data are needed.

        Raises:
            StoreError: No finished study there, a damaged file, or a newer schema version.
        """
        with reading(folder, KIND) as (record, arrays):
            parts = shared_parts(record)
            findings = tuple(Finding(**f) for f in record["findings"])
            if any(f.agreement not in AGREEMENTS for f in findings):
                raise StoreError(f"run.json: a finding's agreement must be one of {', '.join(AGREEMENTS)}")
            for name in ("quantity_of_interest", "confidence_level"):
                if name not in arrays.attrs:
                    raise StoreError(f"results.nc holds no study: the attribute `{name}` is missing")
            return cls(study=record["study"], findings=findings, arrays=arrays, **parts)


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
