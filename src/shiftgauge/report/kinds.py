"""From a run folder of any kind to what shows it: page, figures and summary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from rich.console import RenderableType

from shiftgauge.errors import StoreError
from shiftgauge.results.run_folder import kind_of_run

_STUDIES: Final = ("diabetes", "weld", "glass", "cifar", "lung", "eye")
"""Studies that have a page, figures and a summary of their own."""


@dataclass(frozen=True, kw_only=True)
class OpenedRun:
    """A run that was read, and how it is shown.

    Args:
        result: The result.
        write_page: Writes its page to a path, which it returns.
        write_figures: Writes its figures into a folder.
        summary: Gives what a terminal shows.
    """

    result: Any
    write_page: Callable[[Path], Path]
    write_figures: Callable[[Path], list[Path]]
    summary: Callable[[], RenderableType]


def open_run(folder: Path) -> OpenedRun:
    """Reads a run folder of any kind; neither the model nor the data are needed.

    Raises:
        StoreError: No finished run there, a damaged one, or one of a kind that this version does not know.
    """
    kind = kind_of_run(folder)
    openers = {
        "audit": _audit,
        "table_audit": _table_audit,
        "study": _study,
        "train": _train,
        "explain": _explain,
        "attack": _attack,
    }
    if kind not in openers:
        raise StoreError(f"{folder} holds a run of the kind `{kind}`; this version shows {', '.join(openers)}")
    return openers[kind](folder)


def _audit(folder: Path) -> OpenedRun:
    from shiftgauge.report.figures import write_figures
    from shiftgauge.report.page import write_page
    from shiftgauge.report.terminal import summary
    from shiftgauge.results.audit import AuditResult

    found = AuditResult.from_disk(folder)
    return _opened(found, write_page, write_figures, summary)


def _table_audit(folder: Path) -> OpenedRun:
    from shiftgauge.report.table_figures import write_table_figures
    from shiftgauge.report.table_page import write_table_page
    from shiftgauge.report.table_terminal import table_summary
    from shiftgauge.results.table import TableAuditResult

    found = TableAuditResult.from_disk(folder)
    return _opened(found, write_table_page, write_table_figures, table_summary)


def _study(folder: Path) -> OpenedRun:
    from shiftgauge.results.study import StudyResult

    found = StudyResult.from_disk(folder)
    if found.study not in _STUDIES:
        raise StoreError(f"{folder} holds the study `{found.study}`, which this version cannot show")
    page, figures, terminal = (
        import_module(f"shiftgauge.report.{found.study}_{part}") for part in ("page", "figures", "terminal")
    )
    return _opened(found, page.PAGE.write, figures.write_study_figures, terminal.study_summary)


def _train(folder: Path) -> OpenedRun:
    from shiftgauge.report.train_figures import write_train_figures
    from shiftgauge.report.train_page import write_train_page
    from shiftgauge.report.train_terminal import train_summary
    from shiftgauge.results.train import TrainResult

    found = TrainResult.from_disk(folder)
    return _opened(found, write_train_page, write_train_figures, train_summary)


def _explain(folder: Path) -> OpenedRun:
    from shiftgauge.report.explain_figures import write_explain_figures
    from shiftgauge.report.explain_page import write_explain_page
    from shiftgauge.report.explain_terminal import explain_summary
    from shiftgauge.results.explain import ExplainResult

    found = ExplainResult.from_disk(folder)
    return _opened(found, write_explain_page, write_explain_figures, explain_summary)


def _attack(folder: Path) -> OpenedRun:
    from shiftgauge.report.attack_figures import write_attack_figures
    from shiftgauge.report.attack_page import write_attack_page
    from shiftgauge.report.attack_terminal import attack_summary
    from shiftgauge.results.attack import AttackResult

    found = AttackResult.from_disk(folder)
    return _opened(found, write_attack_page, write_attack_figures, attack_summary)


def _opened(result: Any, page: Any, figures: Any, summary: Any) -> OpenedRun:
    return OpenedRun(
        result=result,
        write_page=partial(page, result),
        write_figures=partial(figures, result),
        summary=partial(summary, result),
    )
