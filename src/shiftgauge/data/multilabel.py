"""Several labels on one image: the derived label "no defect", contradictions, one image in several class folders."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import shortened
from shiftgauge.data.arrays import single_labels
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import DataError


def with_no_defect(dataset: ImageDataset, name: str) -> ImageDataset:
    """Returns multi-label data whose class `name` says that an image has none of the others.

    Where the data have no class of this name, it is added as the first: 1 where all others are 0. Where they have
    one, images without any label get it, which is said in `notes`, and it must not contradict the others.

    Args:
        dataset: Multi-label images.
        name: Name of the label, e.g. "no defect".

    Raises:
        DataError: The data have one label for each image, or images have the label and a defect (they are named).

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> data = from_arrays(np.zeros((3, 4, 4), np.uint8), np.array([[0, 0], [1, 0], [1, 1]]), ["chip", "stain"])
        >>> with_no_defect(data, "no defect").label_matrix.tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
    """
    if dataset.label_matrix is None:
        raise DataError(f"`{name}` can be derived for multi-label data only; these have one label for each image")
    if name not in dataset.class_names:
        matrix = np.column_stack([dataset.label_matrix.sum(axis=1) == 0, dataset.label_matrix]).astype(np.float64)
        return _relabelled(dataset, matrix, (name, *dataset.class_names), ())
    both = contradictions(dataset, name)
    if both:
        raise DataError(
            f"{len(both)} image(s) are labelled `{name}` and a defect as well: {shortened(both)}; correct the labels"
        )
    bare = dataset.label_matrix.sum(axis=1) == 0
    if not bare.any():
        return dataset
    matrix = dataset.label_matrix.copy()
    matrix[bare, dataset.class_names.index(name)] = 1
    note = f"{int(bare.sum())} image(s) without any label were labelled `{name}`"
    return _relabelled(dataset, matrix, dataset.class_names, (note,))


def contradictions(dataset: ImageDataset, no_defect: str) -> tuple[str, ...]:
    """Returns the names of the images that have the label `no_defect` and another one.

    Raises:
        DataError: The data are not multi-label, or have no such class.
    """
    if dataset.label_matrix is None or no_defect not in dataset.class_names:
        raise DataError(f"the data have no label `{no_defect}` beside others; their classes are {dataset.class_names}")
    marked = dataset.label_matrix[:, dataset.class_names.index(no_defect)] == 1
    both = marked & (dataset.label_matrix.sum(axis=1) > 1)
    return tuple(dataset.names[i] for i in np.flatnonzero(both))


def merge_copies(dataset: ImageDataset) -> ImageDataset:
    """Returns multi-label data in which every content occurs once, with the labels of all its copies.

    So an image that lies in the folders `scratch` and `stain` has both labels. Copies are found by their content
    hash; the first name stays. What was merged is said in `notes`.

    Args:
        dataset: Images with one label or several.

    Raises:
        DataError: Copies are in different groups or splits.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> data = from_arrays(np.zeros((2, 4, 4), np.uint8), ["scratch", "stain"])
        >>> merge_copies(data).label_matrix.tolist()
        [[1.0, 1.0]]
    """
    matrix = dataset.label_matrix
    if matrix is None:
        matrix = np.eye(len(dataset.class_names))[dataset.labels]
    rows_of: dict[str, list[int]] = {}
    for row, content in enumerate(dataset.hashes):
        rows_of.setdefault(content, []).append(row)
    for kind, values in (("groups", dataset.groups), ("splits", dataset.splits)):
        apart = [rows for rows in rows_of.values() if values is not None and len({values[r] for r in rows}) > 1]
        if apart:
            names = shortened([dataset.names[r] for r in apart[0]])
            raise DataError(f"{len(apart)} image(s) have copies in different {kind}, e.g. {names}; keep one of them")
    first = [rows[0] for rows in rows_of.values()]
    union = np.stack([matrix[rows].max(axis=0) for rows in rows_of.values()])
    merged = [dataset.names[rows[0]] for rows in rows_of.values() if len(rows) > 1]
    notes = (f"{len(merged)} image(s) lie in the data more than once; their labels were joined",) if merged else ()
    return _relabelled(dataset.select(first), union, dataset.class_names, notes)


def _relabelled(
    dataset: ImageDataset, matrix: npt.NDArray[np.float64], class_names: Sequence[str], notes: tuple[str, ...]
) -> ImageDataset:
    return replace(
        dataset,
        labels=single_labels(matrix),
        label_matrix=matrix,
        class_names=tuple(class_names),
        notes=(*dataset.notes, *notes),
    )
