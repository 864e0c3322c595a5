"""Images from arrays in memory or in an NPZ file."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import nearest, require_in, require_positive_int
from shiftgauge.data.assemble import refuse_unreadable
from shiftgauge.data.dataset import ImageDataset, stratified_order
from shiftgauge.data.source import ArrayImages, Checked, EncodedImages, ImageSource, check_array, check_encoded
from shiftgauge.errors import DataError

Layout = Literal["nhw", "nhwc", "nchw"]


def from_arrays(
    images: npt.ArrayLike,
    labels: npt.ArrayLike,
    class_names: Sequence[str] | None = None,
    *,
    names: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    layout: Layout | None = None,
) -> ImageDataset:
    """Makes a data set of arrays.

    Args:
        images: uint8, uint16, bool, or floats in [0, 1]; axes (n, H, W), (n, H, W, C) or (n, C, H, W).
            The array is copied.
        labels: (n,) class names, or whole numbers that index `class_names`; (n, K) of 0 and 1 for
            multi-label data.
        class_names: Names of the classes; None takes the sorted labels themselves as names.
        names: A name per image; None numbers them.
        groups: A group per image.
        splits: A split per image.
        layout: `nhw`, `nhwc` or `nchw`; None finds the axis of 1, 3 or 4 channels.

    Raises:
        DataError: Shapes or types do not fit, values lie outside the full scale, or the layout is ambiguous.

    Example:
        >>> from_arrays(np.zeros((2, 8, 8, 3), np.uint8), ["a", "b"]).load(0).shape
        (3, 8, 8)
    """
    try:
        array = np.array(images)
    except ValueError as error:
        raise DataError("`images` must be one array, so that all have one shape; use a folder for others") from error
    planes = _to_nchw(array, layout)
    planes.setflags(write=False)
    checked = check_array(planes, range(len(planes)))
    source = ArrayImages(array=planes, rows=np.arange(len(planes)))
    return _build(source, checked, labels, class_names, names, groups, splits, source_name="images")


def read_npz(
    path: str | Path,
    *,
    images: str = "images",
    labels: str = "labels",
    classes: str = "classes",
    names: str = "names",
    groups: str | None = None,
    splits: str | None = None,
    split: str | None = None,
    layout: Layout | None = None,
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
        split: Keep only images of this split.
        layout: As in `from_arrays`.
        skip_unreadable: Leave out encoded images that cannot be decoded, and list them.
        limit: Keep at most so many images, stratified by class.
        seed: Seed of that choice.

    Raises:
        DataError: The file is missing or damaged, a key is missing, or the content does not fit.
    """
    content = load_npz(Path(path))
    given = _get(content, labels, path)
    class_names = [str(c) for c in content[classes]] if classes in content else None
    image_names = [str(n) for n in content[names]] if names in content and images != names else None
    if image_names is not None and len(set(image_names)) != len(image_names):
        image_names = [f"{i}:{name}" for i, name in enumerate(image_names)]
    group_list = None if groups is None else [str(g) for g in _get(content, groups, path)]
    split_list = None if splits is None else [str(s) for s in _get(content, splits, path)]
    keep = np.arange(len(given))
    if split is not None:
        if split_list is None:
            raise DataError(f"{path}: `split` needs `splits`, the key that holds the split of each image")
        require_in("split", split, sorted(set(split_list)), DataError)
        keep = np.flatnonzero(np.array(split_list) == split)
    if limit is not None:
        require_positive_int("limit", limit, error=DataError)
        codes = np.unique(np.asarray(given)[keep], return_inverse=True, axis=0)[1].reshape(-1).astype(np.int64)
        keep = keep[np.sort(stratified_order(codes, seed)[:limit])]
    if images not in content and {"blob", "offsets"} <= set(content):
        contents = _split_blob(content["blob"], content["offsets"], path, keep)
        source: ImageSource = EncodedImages(contents=contents)
        checked = check_encoded(contents)
    else:
        array = _get(content, images, path)
        if len(array) != len(given):
            raise DataError(f"{path}: `{images}` has {len(array)} entries, `{labels}` has {len(given)}")
        planes = _to_nchw(array, layout)[keep]
        source, checked = (
            ArrayImages(array=planes, rows=np.arange(len(planes))),
            check_array(planes, range(len(planes))),
        )
    return _build(
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


def code_labels(
    labels: npt.ArrayLike, class_names: Sequence[str] | None, *, all_labels: npt.ArrayLike | None = None
) -> tuple[npt.NDArray[np.int64], tuple[str, ...], npt.NDArray[np.float64] | None]:
    """Returns labels as indices, the class names, and the matrix of multi-label data.

    Args:
        labels: As in `from_arrays`.
        class_names: Names, or None to take the sorted labels as names.
        all_labels: Labels whose values make up the names, where `labels` is only a part of them.

    Raises:
        DataError: A label is missing, out of range, or not among the names.
    """
    values = np.asarray(labels)
    if values.ndim == 2:
        return _code_matrix(values, class_names)
    if values.ndim != 1 or values.dtype == object:
        raise DataError(f"labels must be (n,) names or whole numbers, got {values.dtype} of shape {values.shape}")
    if np.issubdtype(values.dtype, np.floating):
        if not np.isfinite(values).all() or (values != np.round(values)).any():
            raise DataError("labels must be whole numbers or names, got fractions or NaN")
        values = values.astype(np.int64)
    if np.issubdtype(values.dtype, np.integer) and class_names is not None:
        if values.size and (values.min() < 0 or values.max() >= len(class_names)):
            raise DataError(
                f"labels must be 0 … {len(class_names) - 1} for {len(class_names)} class names, got {values.max()}"
            )
        return values.astype(np.int64), tuple(class_names), None
    texts = [str(v) for v in values]
    if class_names is None:
        pool = np.unique(values if all_labels is None else np.asarray(all_labels))
        known = tuple(str(int(v)) if np.issubdtype(pool.dtype, np.floating) else str(v) for v in pool)
    else:
        known = tuple(class_names)
    index = {name: k for k, name in enumerate(known)}
    for text in texts:
        if text not in index:
            guess = nearest(text, known)
            raise DataError(
                f"label `{text}` is not among the classes" + (f"; did you mean `{guess}`?" if guess else "")
            )
    return np.array([index[t] for t in texts], dtype=np.int64), known, None


def single_labels(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Returns the class of rows with exactly one 1, and −1 for other rows."""
    return np.where(matrix.sum(axis=1) == 1, matrix.argmax(axis=1), -1).astype(np.int64)


def _code_matrix(values: npt.NDArray[Any], class_names: Sequence[str] | None) -> Any:
    names = tuple(class_names) if class_names is not None else tuple(str(k) for k in range(values.shape[1]))
    if len(names) != values.shape[1]:
        raise DataError(f"the label matrix has {values.shape[1]} columns for {len(names)} class names")
    if not np.isin(values, (0, 1)).all():
        raise DataError("a label matrix (n, K) must hold only 0 and 1")
    matrix = values.astype(np.float64)
    return single_labels(matrix), names, matrix


def _build(
    source: ImageSource,
    checked: list[Checked],
    labels: npt.ArrayLike,
    class_names: Sequence[str] | None,
    names: Sequence[str] | None,
    groups: Sequence[str] | None,
    splits: Sequence[str] | None,
    *,
    source_name: str,
    skip_unreadable: bool = False,
    all_labels: npt.ArrayLike | None = None,
) -> ImageDataset:
    if not checked:
        raise DataError(f"{source_name} holds no images")
    codes, known, matrix = code_labels(labels, class_names, all_labels=all_labels)
    if len(codes) != len(checked):
        raise DataError(f"{source_name}: {len(codes)} labels for {len(checked)} images")
    given = tuple(names) if names is not None else tuple(str(i) for i in range(len(checked)))
    skipped = refuse_unreadable(given, checked, skip_unreadable, source_name)
    whole = ImageDataset(
        images=source,
        names=given,
        labels=codes,
        class_names=known,
        hashes=tuple(c.content for c in checked),
        channels=tuple(c.channels for c in checked),
        groups=None if groups is None else tuple(groups),
        splits=None if splits is None else tuple(splits),
        skipped=skipped,
        label_matrix=matrix,
    )
    return whole.select([i for i, c in enumerate(checked) if not c.problem]) if skipped else whole


def _to_nchw(array: npt.NDArray[Any], layout: Layout | None) -> npt.NDArray[Any]:
    if array.dtype == object:
        raise DataError("images must be one numeric array of equal shapes, got objects")
    if layout is not None:
        require_in("layout", layout, ("nhw", "nhwc", "nchw"), DataError)
        if array.ndim != len(layout):
            raise DataError(f"layout {layout} needs {len(layout)} axes, the images have {array.ndim}")
    if array.ndim == 3:
        return array[:, None]
    if array.ndim != 4:
        raise DataError(f"images must be (n, H, W), (n, H, W, C) or (n, C, H, W), got the shape {array.shape}")
    if layout is None:
        last, first = array.shape[3] in (1, 3, 4), array.shape[1] in (1, 3, 4)
        if last == first:
            raise DataError(f"images of the shape {array.shape} can be nhwc or nchw; state `layout`")
        layout = "nhwc" if last else "nchw"
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if layout == "nhwc" else array


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


def _split_blob(
    blob: npt.NDArray[Any], offsets: npt.NDArray[Any], path: str | Path, keep: npt.NDArray[np.int64]
) -> tuple[bytes, ...]:
    bounds = np.asarray(offsets, dtype=np.int64)
    if blob.dtype != np.uint8 or (np.diff(bounds) < 0).any() or bounds[0] != 0 or bounds[-1] > blob.size:
        raise DataError(f"{path}: `offsets` do not fit `blob`; expected n + 1 rising positions in uint8 bytes")
    if keep.size and keep.max() >= len(bounds) - 1:
        raise DataError(f"{path}: `offsets` has {len(bounds) - 1} images, fewer than there are labels")
    return tuple(blob[bounds[i] : bounds[i + 1]].tobytes() for i in keep)


def _pick(values: Sequence[str] | None, keep: npt.NDArray[np.int64]) -> list[str] | None:
    return None if values is None else [values[int(i)] for i in keep]
