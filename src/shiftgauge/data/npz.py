"""Images and labels in an NPZ file."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import nearest, require_in, require_positive_int
from shiftgauge.data.arrays import Layout, build_dataset, to_nchw
from shiftgauge.data.dataset import ImageDataset, stratified_order
from shiftgauge.data.multilabel import with_no_defect
from shiftgauge.data.source import ArrayImages, Checked, EncodedImages, ImageSource, check_array, check_encoded
from shiftgauge.errors import DataError


def read_npz(
    path: str | Path,
    *,
    images: str = "images",
    labels: str = "labels",
    classes: str = "classes",
    names: str = "names",
    groups: str | None = None,
    splits: str | None = None,
    split_names: Sequence[str] | None = None,
    split: str | None = None,
    layout: Layout | None = None,
    no_defect: str | None = None,
    skip_unreadable: bool = False,
    limit: int | None = None,
    seed: int = 0,
) -> ImageDataset:
    """Reads an NPZ file; pickled (object) arrays are refused.

    Args:
        path: The file. Images are one array, or encoded files one after the other in `blob` (uint8)
            with `offsets` (n + 1 positions).
        images: Key of the images.
        labels: Key of the labels.
        classes: Key of the class names; may be absent.
        names: Key of the names of the images; may be absent.
        groups: Key of the groups, or None.
        splits: Key of the splits, or None.
        split_names: Names of the splits 0, 1, 2 …, where the file has whole numbers; None takes them as they are.
        split: Keep only images of this split.
        layout: As in `from_arrays`.
        no_defect: For labels (n, K) of 0 and 1, the label that says that an image has none of the others: derived
            where there is no such class, checked where there is one (`with_no_defect`).
        skip_unreadable: Leave out encoded images that cannot be decoded, and list them.
        limit: Keep at most so many images, stratified by class.
        seed: Seed of that choice.

    Raises:
        DataError: The file is missing or damaged, a key is missing, or the content does not fit.
    """
    content = load_npz(Path(path))
    given = _get(content, labels, path)
    _check_lengths(content, images, (labels, names if names != images else None, groups, splits), path)
    class_names = [str(c) for c in content[classes]] if classes in content else None
    image_names = [str(n) for n in content[names]] if names in content and images != names else None
    if image_names is not None and len(set(image_names)) != len(image_names):
        image_names = [f"{i}:{name}" for i, name in enumerate(image_names)]
    group_list = None if groups is None else [str(g) for g in _get(content, groups, path)]
    split_list = None if splits is None else _named(_get(content, splits, path), split_names, path)
    keep = _chosen(np.asarray(given), split_list, split, limit, seed, path)
    source, checked = _pixels(content, images, layout, keep, path)
    dataset = build_dataset(
        source,
        checked,
        np.asarray(given)[keep],
        class_names,
        _pick(image_names, keep) or [str(i) for i in keep],
        _pick(group_list, keep),
        _pick(split_list, keep),
        source_name=str(path),
        skip_unreadable=skip_unreadable,
        all_labels=np.asarray(given),
    )
    return dataset if no_defect is None else with_no_defect(dataset, no_defect)


def _chosen(
    given: npt.NDArray[Any],
    splits: list[str] | None,
    split: str | None,
    limit: int | None,
    seed: int,
    path: str | Path,
) -> npt.NDArray[np.int64]:
    """Indices of the images of the split, at most `limit` of them."""
    keep = np.arange(len(given))
    if split is not None:
        if splits is None:
            raise DataError(f"{path}: `split` needs `splits`, the key that holds the split of each image")
        require_in("split", split, sorted(set(splits)), DataError)
        keep = np.flatnonzero(np.array(splits) == split)
    if limit is not None:
        require_positive_int("limit", limit, error=DataError)
        codes = np.unique(given[keep], return_inverse=True, axis=0)[1].reshape(-1).astype(np.int64)
        keep = keep[np.sort(stratified_order(codes, seed)[:limit])]
    return keep


def _check_lengths(
    content: dict[str, npt.NDArray[Any]], images: str, keys: Sequence[str | None], path: str | Path
) -> None:
    """Checks that labels, names, groups and splits are as many as the images."""
    encoded = _encoded(content, images)
    n = np.atleast_1d(content["offsets"]).size - 1 if encoded else len(np.atleast_1d(_get(content, images, path)))
    for key in keys:
        entries = n if key is None or key not in content else len(np.atleast_1d(content[key]))
        if entries != n:
            raise DataError(f"{path}: `{key}` has {entries} entries for {n} images; each image needs one")


def _encoded(content: dict[str, npt.NDArray[Any]], images: str) -> bool:
    """Whether the images are encoded files one after the other."""
    return images not in content and {"blob", "offsets"} <= set(content)


def _pixels(
    content: dict[str, npt.NDArray[Any]],
    images: str,
    layout: Layout | None,
    keep: npt.NDArray[np.int64],
    path: str | Path,
) -> tuple[ImageSource, list[Checked]]:
    """The images to keep, encoded or as an array, and what is known of each."""
    if _encoded(content, images):
        contents = _split_blob(content["blob"], content["offsets"], path, keep)
        return EncodedImages(contents=contents), check_encoded(contents)
    planes = to_nchw(_get(content, images, path), layout)[keep]
    rows = np.arange(len(planes))
    return ArrayImages(array=planes, rows=rows), check_array(planes, range(len(planes)))


def load_npz(file: Path) -> dict[str, npt.NDArray[Any]]:
    """Reads every array of an NPZ file.

    Raises:
        DataError: The file is missing or damaged, or holds pickled objects.
    """
    if not file.is_file():
        raise DataError(f"NPZ file {file} does not exist")
    try:
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError, AttributeError, TypeError) as error:
        if "allow_pickle" in str(error) and zipfile.is_zipfile(file):
            raise DataError(f"{file} holds pickled objects, which can run code; save plain arrays") from error
        raise DataError(f"{file} is not a readable NPZ file: {str(error).splitlines()[0]}") from error


def _get(content: dict[str, npt.NDArray[Any]], key: str, path: str | Path) -> npt.NDArray[Any]:
    if key not in content:
        guess = nearest(key, content)
        hint = f"did you mean `{guess}`?" if guess else f"it has {', '.join(sorted(content))}"
        raise DataError(f"{path} has no array `{key}`; {hint}")
    return content[key]


def _named(values: npt.NDArray[Any], names: Sequence[str] | None, path: str | Path) -> list[str]:
    if names is None:
        return [str(value) for value in values]
    if not np.issubdtype(values.dtype, np.integer) or values.size == 0 or values.min() < 0:
        raise DataError(f"{path}: `split_names` needs splits 0, 1, 2 …, got {values.dtype}")
    if values.max() >= len(names):
        raise DataError(f"{path}: the split {values.max()} has no name; `split_names` has {len(names)}")
    return [names[int(value)] for value in values]


def _split_blob(
    blob: npt.NDArray[Any], offsets: npt.NDArray[Any], path: str | Path, keep: npt.NDArray[np.int64]
) -> tuple[bytes, ...]:
    bounds = np.asarray(offsets, dtype=np.int64)
    if blob.dtype != np.uint8 or (np.diff(bounds) < 0).any() or bounds[0] != 0 or bounds[-1] > blob.size:
        raise DataError(f"{path}: `offsets` do not fit `blob`; expected n + 1 rising positions in uint8 bytes")
    return tuple(blob[bounds[i] : bounds[i + 1]].tobytes() for i in keep)


def _pick(values: Sequence[str] | None, keep: npt.NDArray[np.int64]) -> list[str] | None:
    return None if values is None else [values[int(i)] for i in keep]
