"""Images from arrays in memory."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import nearest, require_in
from shiftgauge.data.assemble import refuse_unreadable
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.source import ArrayImages, Checked, ImageSource, check_array
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
    planes = to_nchw(array, layout)
    planes.setflags(write=False)
    checked = check_array(planes, range(len(planes)))
    source = ArrayImages(array=planes, rows=np.arange(len(planes)))
    return build_dataset(source, checked, labels, class_names, names, groups, splits, source_name="images")


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


def build_dataset(
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
    """Makes the data set of a source of images, what is known of each, and the lists of `from_arrays`.

    Raises:
        DataError: The lists do not fit together, or images cannot be read and may not be skipped.
    """
    if not checked:
        raise DataError(f"{source_name} holds no images")
    codes, known, matrix = code_labels(labels, class_names, all_labels=all_labels)
    if len(codes) != len(checked):
        raise DataError(f"{source_name}: {len(codes)} labels for {len(checked)} images")
    given = tuple(names) if names is not None else tuple(str(i) for i in range(len(checked)))
    if len(given) != len(checked):
        raise DataError(f"{source_name}: {len(given)} names for {len(checked)} images")
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


def to_nchw(array: npt.NDArray[Any], layout: Layout | None) -> npt.NDArray[Any]:
    """Returns images as (n, C, H, W).

    Raises:
        DataError: The layout does not fit, or must be stated.
    """
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
