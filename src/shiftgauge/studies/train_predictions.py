"""What a trained network says of each image: `predictions.csv`, contradictions, and the worst mistakes as pictures."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.files import write_atomic
from shiftgauge.results.train import PREDICTIONS_FILE
from shiftgauge.studies.arrays import texts
from shiftgauge.studies.pictures import small_rgb
from shiftgauge.studies.train_data import Divided
from shiftgauge.studies.train_split import image_paths
from shiftgauge.train.consistency import consistency_arrays
from shiftgauge.train.decisions import decide
from shiftgauge.train.images import Part
from shiftgauge.types import FloatArray

MISTAKES: Final = 12
"""Most images that are shown."""
_PIXELS: Final = 144


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """What the network says of the images of a part, with the temperature and the thresholds of the model folder.

    Args:
        said_nk: Probability of each class (n, K).
        truth: Classes (n,), or 0 and 1 (n, K).
        decided: In the same form.
    """

    said_nk: FloatArray
    truth: npt.NDArray[np.int64]
    decided: npt.NDArray[np.int64]

    @classmethod
    def of(cls, said_nk: FloatArray, part: Part, thresholds: Sequence[float] | None) -> Predicted:
        """Decides for the images of a part.

        Args:
            said_nk: Probability of each class (n, K).
            part: The images.
            thresholds: One for each label; None with one class an image.
        """
        decided = decide(said_nk, part.task, thresholds=thresholds)
        return cls(said_nk=said_nk, truth=part.targets.numpy().astype(np.int64), decided=decided)

    @property
    def right_n(self) -> npt.NDArray[np.bool_]:
        """Whether the class, or every label, of an image is right."""
        same = self.decided == self.truth
        return same if same.ndim == 1 else same.all(axis=1)

    def worst(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Images with the most confident wrong answers first, and the class that each answer is about.

        Confidence is the probability of what was decided: p of a class or label that was said, 1 − p of one that was
        missed.

        Example:
            >>> said = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
            >>> rows, classes = Predicted(said_nk=said, truth=np.array([1, 1, 1]), decided=said.argmax(axis=1)).worst()
            >>> rows.tolist(), classes.tolist()
            ([0, 1], [0, 0])
        """
        if self.decided.ndim == 1:
            column = self.decided
            sure = np.where(self.right_n, -1.0, self.said_nk[np.arange(len(column)), column])
        else:
            of_label = np.where(self.decided == 1, self.said_nk, 1 - self.said_nk)
            of_label = np.where(self.decided == self.truth, -1.0, of_label)
            column = of_label.argmax(axis=1)
            sure = of_label.max(axis=1)
        rows = np.argsort(-sure, kind="stable")[: min(MISTAKES, int((~self.right_n).sum()))]
        return rows, column[rows]


def mistake_arrays(found: Mapping[str, Predicted], part: Part, names: Sequence[str]) -> xr.Dataset:
    """How many images of each part are wrong, and the most confident mistakes of the last part with their pictures.

    Args:
        found: Part → what was said of it.
        part: The images of the last of these parts.
        names: Names of the classes.
    """
    last = list(found.values())[-1]
    wrong = np.array([int((~p.right_n).sum()) for p in found.values()])
    counts = xr.Dataset({"n_wrong": ("part", wrong)}, coords={"part": list(found)})
    rows, column = last.worst()
    if not len(rows):
        return counts
    return counts.assign(
        mistake_image=(
            ("mistake", "mistake_row", "mistake_column", "rgb"),
            small_rgb(part.pixels.batch(rows), _PIXELS),
        ),
        mistake_name=("mistake", texts(part.names[row] for row in rows)),
        mistake_truth=("mistake", texts(_words(last.truth[row], names) for row in rows)),
        mistake_decision=("mistake", texts(_words(last.decided[row], names) for row in rows)),
        mistake_class=("mistake", texts(names[k] for k in column)),
        mistake_probability=("mistake", last.said_nk[rows, column]),
    )


def contradiction_arrays(found: Mapping[str, Predicted], names: Sequence[str], no_defect: str) -> xr.Dataset:
    """How often the decisions on each part contradict themselves.

    Args:
        found: Part → what was said of it.
        names: Names of the labels.
        no_defect: The label that says that an image has none of the others.

    Returns:
        `inconsistent` (part, way_wrong), and `n_unlabelled` (part,), images that indeed have no label.
    """
    place = list(names).index(no_defect)
    counts = [consistency_arrays(p.decided == 1, place)["inconsistent"].values for p in found.values()]
    bare = [int((p.truth.sum(axis=1) == 0).sum()) for p in found.values()]
    return xr.Dataset(
        {"inconsistent": (("part", "way_wrong"), np.stack(counts)), "n_unlabelled": ("part", bare)},
        coords={"part": list(found), "way_wrong": ["both", "neither"]},
    )


def write_predictions(found: Mapping[str, Predicted], divided: Divided, folder: Path) -> Path:
    """Writes `predictions.csv`: a row for every image of validation and test.

    Columns: `path` relative to the file, or `name` where images are no files; `split`; `right`, 1 where the class, or
    every label, is; then `truth`, `decision` and `probability CLASS` of each class, or, of several labels, `truth
    LABEL`, `decision LABEL` and `probability LABEL` of each.

    Args:
        found: Part → what was said of it.
        divided: The images and their parts.
        folder: The run folder.

    Raises:
        StoreError: The file cannot be written.
    """
    dataset, paths = divided.dataset, image_paths(divided.dataset, folder)
    names = dataset.class_names
    each = [f"{kind} {name}" for kind in ("truth", "decision") for name in names]
    decided = ["truth", "decision"] if dataset.label_matrix is None else each
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    first = "name" if paths is None else "path"
    table.writerow([first, "split", "right", *decided, *(f"probability {name}" for name in names)])
    for part, said in found.items():
        for k, row in enumerate(divided.split.parts[part]):
            name = dataset.names[row] if paths is None else paths[row]
            pair = [*_cells(said.truth[k], names), *_cells(said.decided[k], names)]
            table.writerow([name, part, int(said.right_n[k]), *pair, *(f"{p:.9g}" for p in said.said_nk[k])])
    return write_atomic(folder / PREDICTIONS_FILE, text.getvalue())


def _cells(answer: npt.NDArray[np.int64] | np.int64, names: Sequence[str]) -> list[str | int]:
    """A class by its name, labels as 0 and 1."""
    return [names[int(answer)]] if np.ndim(answer) == 0 else [int(v) for v in np.asarray(answer)]


def _words(answer: npt.NDArray[np.int64] | np.int64, names: Sequence[str]) -> str:
    """A class by its name, labels by theirs; empty for none."""
    if np.ndim(answer) == 0:
        return names[int(answer)]
    return ", ".join(name for name, holds in zip(names, np.asarray(answer), strict=True) if holds)
