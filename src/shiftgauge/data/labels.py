"""Matches the classes of a data set to the classes of a model, by mapping or by name."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from shiftgauge.checks import nearest
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import DataError

_SHOWN = 4


def match_labels(
    dataset: ImageDataset, model_class_names: Sequence[str], mapping: Mapping[str, str | int | None] | None = None
) -> ImageDataset:
    """Returns the data set with labels that index the model's classes.

    A class is matched by the explicit mapping, else by the same name, else by the name without
    regard to case, spaces, underscores and hyphens (which is noted in `notes`). It is never matched
    by its position. Classes without images need no match.

    Args:
        dataset: Images with labels that index their own class names.
        model_class_names: The model's classes in the order of its outputs.
        mapping: Class of the data → class of the model, by name or by index of the output. Classes
            that it leaves out are matched by name. Several may map to one. A class that maps to nothing, "" or
            None, is left out with its images; of several labels the label alone is.

    Raises:
        DataError: A class has no counterpart, a name fits two, the mapping names unknown classes, or leaves no image.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> data = from_arrays(np.zeros((2, 4, 4), np.uint8), ["good_part", "scratch"])
        >>> match_labels(data, ["Scratch", "Good part", "hole"]).labels.tolist()
        [1, 0]
    """
    names = tuple(model_class_names)
    dropped = [str(key) for key, value in (mapping or {}).items() if value is None or value == ""]
    kept = {key: value for key, value in (mapping or {}).items() if value is not None and value != ""}
    stated = _resolve_mapping(kept, dataset.class_names, names)
    dataset = _without(dataset, dropped, names)
    loose: dict[str, list[int]] = {}
    for k, name in enumerate(names):
        loose.setdefault(plain_name(name), []).append(k)
    used = {name for name, count in dataset.class_counts.items() if count > 0}
    target, notes, missing = {}, [], []
    for name in dataset.class_names:
        if name in stated:
            target[name] = stated[name]
        elif name in names:
            target[name] = names.index(name)
        elif len(candidates := loose.get(plain_name(name), [])) > 1:
            both = " and ".join(f"`{names[k]}`" for k in candidates[:2])
            raise DataError(f"class `{name}` of the data fits {both} of the model; state it in the label mapping")
        elif candidates:
            target[name] = candidates[0]
            notes.append(f"class `{name}` of the data matched to `{names[candidates[0]]}` of the model by name")
        elif name in used:
            missing.append(name)
    if missing:
        raise DataError(_missing_message(missing, names))
    _refuse_merging(target, stated, names, used)
    return _relabel(dataset, target, names, stated, notes)


def _resolve_mapping(
    mapping: Mapping[str, str | int], data_names: Sequence[str], model_names: tuple[str, ...]
) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, value in mapping.items():
        if key not in data_names:
            raise DataError(f"the label mapping names `{key}`, which is no class of the data{_hint(key, data_names)}")
        if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
            if not 0 <= value < len(model_names):
                raise DataError(
                    f"the label mapping sends `{key}` to output {value}; the model has 0 … {len(model_names) - 1}"
                )
            found[key] = int(value)
        elif value in model_names:
            found[key] = model_names.index(str(value))
        else:
            hint = _hint(str(value), model_names)
            raise DataError(f"the label mapping sends `{key}` to `{value}`, which is no class of the model{hint}")
    return found


def _without(dataset: ImageDataset, dropped: Sequence[str], names: tuple[str, ...]) -> ImageDataset:
    """The images that bear another class than those dropped; of several labels all images, without these labels."""
    for name in dropped:
        if name not in dataset.class_names:
            hint = _hint(name, dataset.class_names)
            raise DataError(f"the label mapping leaves out `{name}`, which is no class of the data{hint}")
    columns = [dataset.class_names.index(name) for name in dropped]
    if dataset.label_matrix is not None:
        return _without_labels(dataset, columns, names)
    rows = np.flatnonzero(~np.isin(dataset.labels, columns))
    if columns and not len(rows):
        raise DataError("the label mapping leaves out every image; keep a class of the model")
    counts = dataset.class_counts
    said = [f"class `{name}` of the data left out as stated, {counts[name]} image(s)" for name in dropped]
    return replace(dataset.select(rows), notes=(*dataset.notes, *said)) if columns else dataset


def _without_labels(dataset: ImageDataset, columns: Sequence[int], names: tuple[str, ...]) -> ImageDataset:
    known = {plain_name(name) for name in names}
    for k in columns:
        if plain_name(dataset.class_names[k]) in known:
            raise DataError(
                f"the label mapping leaves out `{dataset.class_names[k]}`, a label of the model, whose truth would be "
                "lost; leave out only what the model does not know"
            )
    if dataset.label_matrix is None or not columns:
        return dataset
    matrix = dataset.label_matrix.copy()
    matrix[:, columns] = 0
    single = np.where(matrix.sum(axis=1) == 1, matrix.argmax(axis=1), -1)
    said = [f"label `{dataset.class_names[k]}` of the data left out as stated" for k in columns]
    return replace(dataset, label_matrix=matrix, labels=single, notes=(*dataset.notes, *said))


def _refuse_merging(target: Mapping[str, int], stated: Mapping[str, int], names: Sequence[str], used: set[str]) -> None:
    first: dict[int, str] = {}
    for name, k in target.items():
        if name not in used:
            continue
        if k in first and not (name in stated and first[k] in stated):
            raise DataError(
                f"classes `{first[k]}` and `{name}` of the data both fit `{names[k]}` of the model; "
                "state both in the label mapping if that is meant"
            )
        first.setdefault(k, name)


def _relabel(
    dataset: ImageDataset,
    target: Mapping[str, int],
    names: tuple[str, ...],
    stated: Mapping[str, int],
    notes: list[str],
) -> ImageDataset:
    table = np.array([target.get(name, -1) for name in dataset.class_names], dtype=np.int64)
    labels = np.where(dataset.labels >= 0, table[dataset.labels], -1)
    matrix = None
    if dataset.label_matrix is not None:
        matrix = np.zeros((len(dataset), len(names)))
        for column, k in enumerate(table):
            if k >= 0:
                matrix[:, k] = np.maximum(matrix[:, k], dataset.label_matrix[:, column])
    said = [f"class `{a}` of the data mapped to `{names[k]}` of the model as stated" for a, k in stated.items()]
    return replace(
        dataset, labels=labels, class_names=names, label_matrix=matrix, notes=(*dataset.notes, *said, *notes)
    )


def _missing_message(missing: list[str], names: tuple[str, ...]) -> str:
    hint, key = _hint(missing[0], names), json.dumps(missing[0], ensure_ascii=False)
    return (
        f"{len(missing)} class(es) of the data are not among the model's: {_short(missing)}{hint}; "
        f"the model has {_short(names)}; state a label mapping, `labels: {{{key}: CLASS}}`, or leave the class "
        f'out, `labels: {{{key}: ""}}`'
    )


def _hint(name: str, allowed: Sequence[str]) -> str:
    guess = nearest(name, allowed)
    return f" (did you mean `{guess}`?)" if guess else ""


def _short(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{n}`" for n in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def plain_name(name: str) -> str:
    """A name without regard to case, and with spaces, underscores and hyphens alike.

    Example:
        >>> plain_name(" Good_part") == plain_name("good part")
        True
    """
    return re.sub(r"[\s_\-]+", " ", name).strip().casefold()
