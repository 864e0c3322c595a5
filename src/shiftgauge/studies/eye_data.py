"""The crops of the eye-state study: the published file, an NPZ file, or folders of images."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.load import load_data
from shiftgauge.data.npz import load_npz
from shiftgauge.data.safe_pickle import load_arrays
from shiftgauge.errors import DataError

PICKLES: Final = (".pz", ".pkl", ".pickle", ".gz")
"""Endings of files in the published format."""
_PERSON: Final = ("person", "subject", "group", "id")
_SIDE: Final = re.compile(r"^(.*)_[LR]\.\w+$")
_QUICK_IMAGES: Final = 160


@dataclass(frozen=True, kw_only=True)
class PixelScale:
    """What makes pixels in [0, 1] standardised ones: (p − mean) / std.

    Args:
        mean: Over all pixels of all crops.
        std: Their standard deviation.
    """

    mean: float
    std: float

    @classmethod
    def of(cls, pixels: npt.NDArray[Any]) -> PixelScale:
        """Of an array of pixels; an even grey has the deviation 1."""
        values = np.asarray(pixels, np.float64)
        return cls(mean=float(values.mean()), std=float(values.std()) or 1.0)


def eye_data(
    data: str | Path | Mapping[str, Any] | ImageDataset, *, quick: bool = False, seed: int = 0
) -> ImageDataset:
    """Reads crops with one class each, and the person or face of each where it is known.

    Persons are those that the data state (`group` in an NPZ file, `person`, `subject`, `group` or `id` in the published
    format). Where they state none and every name ends in `_L` or `_R`, as those of Closed Eyes in the Wild do
    (`closed_eye_0002.jpg_face_2_L.jpg`), both eyes of a face are one group. Else there are no groups, and the study
    says so.

    Args:
        data: The published file (`data.pz`, see `read_crops`), an NPZ file with `images` and `labels`, a folder that
            holds one such file, a folder of class folders, or whatever `load_data` takes.
        quick: Keep 160 images.
        seed: Of that choice.

    Raises:
        DataError: None of these, or images of several labels.
    """
    path = _inside(Path(data)) if isinstance(data, str | Path) else None
    if path is not None and path.suffix.lower() in PICKLES:
        dataset = read_crops(path)
    else:
        dataset = load_data(data if path is None else _spec(path))
    if not isinstance(dataset, ImageDataset) or dataset.label_matrix is not None:
        raise DataError("the eye-state study needs images with one class each")
    dataset = replace(dataset, groups=dataset.groups or faces(dataset.names))
    return dataset.limit(_QUICK_IMAGES, seed=seed) if quick else dataset


def read_crops(path: str | Path) -> ImageDataset:
    """Reads the published format: a gzipped pickle, `data.pz`, of a list with one mapping for each crop.

    Known from the published code, which opens it with `gzip`, unpickles it as Latin-1 (so that it was written by
    Python 2), and takes `crop`, a grey array (rows, columns), and `label`, a text, of each entry; the labels are
    closed, notVisible, open and partiallyOpen. The crops themselves cannot be had. Not known: their numbers, which
    the publication calls standardised, and whether entries name the person; `person`, `subject`, `group` or `id` is
    taken where all have it. Crops of different sizes are brought to the size of the first.

    Nothing of the pickle is run: see `shiftgauge.data.safe_pickle`.

    Args:
        path: The file.

    Raises:
        DataError: The file is refused or damaged, or holds something else.
    """
    rows = load_arrays(path)
    if not isinstance(rows, Sequence) or not rows or not all(isinstance(row, Mapping) for row in rows):
        raise DataError(f"{path} must hold a list with one mapping for each crop, got {type(rows).__name__}")
    for key in ("crop", "label"):
        missing = next((k for k, row in enumerate(rows) if key not in row), None)
        if missing is not None:
            raise DataError(f"{path}: entry {missing} lacks `{key}`; each needs `crop` and `label`")
    crops = [np.squeeze(np.asarray(row["crop"])) for row in rows]
    odd = next((k for k, c in enumerate(crops) if c.ndim != 2 or not c.size or c.dtype.kind not in "buif"), None)
    if odd is not None:
        raise DataError(f"{path}: the crop of entry {odd} is no grey image (rows, columns), got {crops[odd].shape}")
    named = next((key for key in _PERSON if all(key in row for row in rows)), None)
    people = None if named is None else [str(row[named]) for row in rows]
    return from_arrays(_pixels(crops, path), [_text(row["label"]) for row in rows], groups=people)


def faces(names: Sequence[str]) -> tuple[str, ...] | None:
    """Groups both eyes of a face, where every name says which eye it is; None elsewhere.

    Args:
        names: Names of the images.

    Example:
        >>> faces(["closed_eye_0002.jpg_face_2_L.jpg", "closed_eye_0002.jpg_face_2_R.jpg"])
        ('closed_eye_0002.jpg_face_2', 'closed_eye_0002.jpg_face_2')
        >>> faces(["a_L.jpg", "b.jpg"]) is None
        True
    """
    found = [_SIDE.match(Path(name).name) for name in names]
    if not found or not all(found):
        return None
    return tuple(match[1] for match in found if match)


def _pixels(crops: list[npt.NDArray[Any]], path: str | Path) -> npt.NDArray[np.float32]:
    """All crops in [0, 1] and of one size: whole numbers by their range, standardised ones between their extremes."""
    whole = [c.astype(np.float64) for c in crops]
    if not all(np.isfinite(c).all() for c in whole):
        raise DataError(f"{path}: a crop holds NaN or infinity")
    low, high = min(float(c.min()) for c in whole), max(float(c.max()) for c in whole)
    if low < 0:
        start, width = low, high - low
    else:
        start, width = 0.0, 1.0 if high <= 1 else 255.0 if high <= 255 else high
    size = whole[0].shape
    scaled = [torch.from_numpy((c - start) / width).float()[None, None] for c in whole]
    same = [
        c if c.shape[2:] == size else interpolate(c, size=size, mode="bilinear", antialias=True, align_corners=False)
        for c in scaled
    ]
    return np.clip(torch.cat(same)[:, 0].numpy(), 0, 1)


def _text(label: Any) -> str:
    return label.decode("latin1") if isinstance(label, bytes) else str(label)


def _inside(path: Path) -> Path:
    """The one file of a folder that holds nothing else to read, or the path itself.

    Raises:
        DataError: There is no such path.
    """
    if not path.exists():
        raise DataError(f"data path {path} does not exist")
    if not path.is_dir():
        return path
    inside = sorted(p for p in path.iterdir() if p.suffix.lower() in (".npz", *PICKLES))
    return inside[0] if len(inside) == 1 else path


def _spec(path: Path) -> Any:
    """What `load_data` needs for a path."""
    if path.suffix.lower() != ".npz":
        return path
    names = load_npz(path)
    return {"kind": "npz", "path": path, **({"groups": "group"} if "group" in names else {})}
