"""Names of a model's classes: stated, read from a file, or numbered."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from shiftgauge.errors import ModelError
from shiftgauge.models.compat import prepare_torchvision

IMAGENET = "imagenet-1k"
"""Word that stands for the 1000 class names of ImageNet-1k."""


def resolve_class_names(classes: str | Path | Sequence[str] | None, n_classes: int) -> tuple[tuple[str, ...], str]:
    """Returns the names of `n_classes` classes in the order of the outputs, and where they are from.

    Args:
        classes: A list of names; the path of a text file (one name a line) or a JSON file (a list,
            or an object index → name or name → index); `imagenet-1k`; or None for `class 0` ….
        n_classes: Outputs of the model, ≥ 1.

    Raises:
        ModelError: The number of names differs from the number of outputs, or a name occurs twice.

    Example:
        >>> resolve_class_names(["good", "bad"], 2)
        (('good', 'bad'), 'stated')
        >>> resolve_class_names(None, 2)[0]
        ('class 0', 'class 1')
    """
    if classes is None:
        return tuple(f"class {k}" for k in range(n_classes)), "numbered"
    if classes == IMAGENET:
        names, source = imagenet_class_names(), IMAGENET
    elif isinstance(classes, (str, Path)):
        names, source = read_class_names(classes), f"file {Path(classes).name}"
    else:
        names, source = tuple(str(name) for name in classes), "stated"
    if len(names) != n_classes:
        raise ModelError(
            f"the model has {n_classes} outputs but `classes` has {len(names)} names; "
            "give one name per output, in the order of the outputs"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ModelError(f"`classes` holds `{twice[0]}` more than once; class names must differ")
    return names, source


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Reads class names from a text file (one a line, blank lines ignored) or a JSON file.

    Raises:
        ModelError: The file is missing, not UTF-8 text, or holds something else.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"class names cannot be read from {file}: {_reason(error)}") from error
    if file.suffix.lower() != ".json":
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ModelError(f"class names cannot be read from {file}: not JSON ({error})") from error
    return _from_json(values, file)


@cache
def imagenet_class_names() -> tuple[str, ...]:
    """Returns the 1000 names of ImageNet-1k in the usual order, from the tables packaged with timm.

    The first synonym is taken; where two classes share it (`crane`, `maillot`), the WordNet number
    is added.

    Example:
        >>> imagenet_class_names()[285]
        'Egyptian cat'
    """
    prepare_torchvision()
    from timm.data.imagenet_info import ImageNetInfo

    info = ImageNetInfo()
    short = [text.split(",")[0].strip() for text in info.label_descriptions()]
    counts = Counter(short)
    return tuple(
        name if counts[name] == 1 else f"{name} ({synset})"
        for name, synset in zip(short, info.label_names(), strict=True)
    )


def _from_json(values: Any, file: Path) -> tuple[str, ...]:
    if isinstance(values, list):
        return tuple(str(v) for v in values)
    if isinstance(values, Mapping):
        try:
            pairs = [(int(k), v) for k, v in values.items()]
        except ValueError:
            pairs = [(v, k) for k, v in values.items()]
        if sorted(str(i) for i, _ in pairs) == sorted(str(i) for i in range(len(pairs))):
            return tuple(str(v) for _, v in sorted(pairs, key=lambda pair: int(pair[0])))
    raise ModelError(f"{file} must hold a list of names, or an object between names and the indices 0, 1, 2, …")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
