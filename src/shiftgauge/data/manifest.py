"""A CSV or Parquet table that lists images, their labels, groups and splits."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from shiftgauge.checks import require_in
from shiftgauge.data.arrays import code_labels, single_labels
from shiftgauge.data.assemble import Listing, assemble
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.frame import read_frame, require_column, text_column
from shiftgauge.data.multilabel import with_no_defect
from shiftgauge.errors import DataError

_TRUE = {"1", "true", "yes"}
_FALSE = {"0", "false", "no"}


def read_manifest(
    path: str | Path,
    *,
    path_column: str = "path",
    label_columns: str | Sequence[str] = "label",
    group_column: str | None = None,
    split_column: str | None = None,
    split: str | None = None,
    root: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    no_defect: str | None = None,
    skip_unreadable: bool = False,
    limit: int | None = None,
    seed: int = 0,
    background: float = 0.0,
) -> ImageDataset:
    """Reads a table of image paths and labels.

    Cells are read as text, so that a class may be called `NA` or `007`. Classes are sorted by name
    unless `class_names` gives them. With several label columns the data are multi-label: each column
    is a class and holds 0 or 1 (or true/false, yes/no).

    Args:
        path: The CSV (comma, semicolon or tab) or Parquet file.
        path_column: Column of the image paths, relative to `root` or absolute.
        label_columns: Column of the class names, or several columns of 0 and 1.
        group_column: Column of groups (person, batch, day …), or None.
        split_column: Column of splits, or None.
        split: Keep only rows of this split; needs `split_column`.
        root: Folder of the paths; default the folder of the manifest.
        class_names: Names of the classes; None takes those that occur in the whole table.
        no_defect: With several label columns, the label that says that an image has none of the others: derived
            where there is no such column, checked where there is one (`with_no_defect`).
        skip_unreadable: Leave out files that cannot be read, and list them in `skipped`.
        limit: Keep at most so many images, stratified by class, chosen before files are opened.
        seed: Seed of that choice, ≥ 0.
        background: Grey level in [0, 1] behind transparent pixels; default 0, black.

    Raises:
        DataError: The table, a column, a label or an image is missing or malformed, or a path occurs twice.
    """
    frame = read_frame(path, as_text=True)
    names = text_column(frame, path_column, path)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{path}: image `{twice[0]}` is listed more than once ({len(twice)} such paths)")
    labels, known, matrix = _labels(frame, label_columns, class_names, path)
    base = Path(root) if root is not None else Path(path).parent
    listing = Listing(
        paths=tuple(base / name for name in names),
        names=tuple(names),
        labels=labels,
        class_names=known,
        groups=None if group_column is None else tuple(text_column(frame, group_column, path)),
        splits=None if split_column is None else tuple(text_column(frame, split_column, path)),
        label_matrix=matrix,
    )
    dataset = assemble(
        _only_split(listing, split, path),
        skip_unreadable=skip_unreadable,
        limit=limit,
        seed=seed,
        background=background,
        source=f"manifest {path}",
    )
    return dataset if no_defect is None else with_no_defect(dataset, no_defect)


def _labels(
    frame: pd.DataFrame, label_columns: str | Sequence[str], class_names: Sequence[str] | None, path: str | Path
) -> tuple[npt.NDArray[np.int64], tuple[str, ...], npt.NDArray[np.float64] | None]:
    columns = [label_columns] if isinstance(label_columns, str) else list(label_columns)
    if len(columns) == 1:
        return code_labels(np.array(text_column(frame, columns[0], path), dtype=str), class_names)
    matrix = _label_matrix(frame, columns, path)
    return single_labels(matrix), tuple(columns), matrix


def _only_split(listing: Listing, split: str | None, path: str | Path) -> Listing:
    if split is None:
        return listing
    if listing.splits is None:
        raise DataError(f"{path}: `split` needs `split_column`, the column that holds the split of each image")
    require_in("split", split, sorted(set(listing.splits)), DataError)
    return listing.rows([i for i, s in enumerate(listing.splits) if s == split])


def _label_matrix(frame: pd.DataFrame, columns: list[str], path: str | Path) -> np.ndarray:
    if not columns:
        raise DataError(f"{path}: `label_columns` is empty; name one column, or several of 0 and 1")
    matrix = np.empty((len(frame), len(columns)))
    for k, column in enumerate(columns):
        require_column(frame, column, path)
        for row, text in enumerate(text_column(frame, column, path)):
            value = text.lower()
            if value not in _TRUE | _FALSE:
                raise DataError(f"{path}: row {row + 1} has `{text}` in `{column}`; label columns hold 0 or 1")
            matrix[row, k] = value in _TRUE
    return matrix
