"""Pickled arrays read without running anything: numbers, text, plain containers and numpy arrays, and nothing else."""

from __future__ import annotations

import gzip
import io
import pickle
import zlib
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

from shiftgauge.errors import DataError

LARGEST: Final = 1 << 31
"""Bytes that a file may have once it is unpacked."""
_GZIP: Final = b"\x1f\x8b"
_CORES: Final = tuple(f"numpy.{core}.{part}" for core in ("core", "_core") for part in ("multiarray", "numeric"))
_BROKEN: Final = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, UnicodeError,
    MemoryError, OverflowError, RecursionError,
)  # fmt: skip


def load_arrays(path: str | Path) -> Any:
    """Reads a pickle, gzipped or not, that holds arrays in plain containers.

    A pickle is a program: loading one that somebody else made runs whatever it names. Here the only names that it may
    use are those by which numpy arrays, scalars and dtypes are stored; any other is refused before it is looked up, so
    that nothing of it runs. Arrays of Python objects are refused too. Python 2 pickles are read as Latin-1.

    Args:
        path: The file.

    Returns:
        Lists, tuples, dictionaries, sets, text, numbers and arrays, as they were stored.

    Raises:
        DataError: No such file, one that is damaged or unpacks to more than 2 GiB, or one that holds anything else.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp()) / "rows.pkl"
        >>> _ = place.write_bytes(pickle.dumps([{"crop": np.eye(2), "label": "open"}]))
        >>> load_arrays(place)[0]["crop"].tolist()
        [[1.0, 0.0], [0.0, 1.0]]

    References:
        Python documentation, pickle: restricting globals. https://docs.python.org/3/library/pickle.html
    """
    try:
        found = _Reader(io.BytesIO(_content(Path(path))), path).load()
    except _BROKEN as error:
        text = " ".join(str(error).split())
        raise DataError(f"{path} cannot be read as a pickle of arrays: {text}") from error
    _require_plain(found, path)
    return found


class _Array:
    """Stands for `numpy.ndarray` where a pickle names it."""


class _Reader(pickle.Unpickler):
    """Knows the names by which numpy arrays are stored, and no other."""

    def __init__(self, file: io.BytesIO, path: str | Path) -> None:
        super().__init__(file, encoding="latin1")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for; refuses all but those of arrays."""
        if (module, name) == ("numpy", "ndarray"):
            return type("Array", (_Array,), {})
        if module in _CORES and name in _MAKERS:
            return _MAKERS[name]
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        raise DataError(
            f"{self._path} is refused: its pickle names `{module}.{name}`, and only numpy arrays and plain containers "
            "are read; save the images as an NPZ file where you trust it"
        )

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuses references to what lies outside of the file."""
        raise DataError(f"{self._path} is refused: its pickle refers to something outside of the file")


def _empty(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """The array before its content, as numpy stores it: of no length."""
    if not (isinstance(kind, type) and issubclass(kind, _Array)) or tuple(shape) != (0,):
        raise ValueError("an array is not stored as numpy stores it")
    return np.ndarray((0,), np.dtype("uint8"))


def _dtype(*given: Any) -> np.dtype:
    return np.dtype(*given)


def _scalar(dtype: np.dtype, content: Any) -> Any:
    if dtype.hasobject:
        raise ValueError("a number is stored as a Python object")
    raw = content.encode("latin1") if isinstance(content, str) else bytes(content)
    return np.frombuffer(raw, dtype, count=1)[0]


def _latin_bytes(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes are stored as {encoding}")
    return text.encode("latin1")


def _from_buffer(content: Any, dtype: np.dtype, shape: Any, order: str) -> np.ndarray:
    if dtype.hasobject:
        raise ValueError("an array is stored as Python objects")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if order == "F" else "C")


_MAKERS: Final = {"_reconstruct": _empty, "scalar": _scalar, "_frombuffer": _from_buffer}
_PLAIN: Final = {
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _latin_bytes,
    **{(module, kind.__name__): kind for module in ("builtins", "__builtin__") for kind in (set, frozenset)},
}
"""What makes arrays and plain values: names, and what they stand for."""


def _content(path: Path) -> bytes:
    """The bytes of the file, unpacked."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > LARGEST:
        raise DataError(f"{path} unpacks to more than {LARGEST >> 30} GiB; save its images as an NPZ file")
    return content


def _require_plain(value: Any, path: str | Path) -> None:
    """Refuses what is neither an array of numbers or text nor a plain container of such."""
    seen, waiting = set[int](), [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict | list | tuple | set | frozenset):
            if id(found) in seen:
                continue
            seen.add(id(found))
            waiting += [*found.keys(), *found.values()] if isinstance(found, dict) else found
        elif isinstance(found, np.ndarray):
            if found.dtype.hasobject:
                raise DataError(f"{path} is refused: it holds an array of Python objects")
        elif found is not None and not isinstance(found, str | bytes | bool | int | float | complex | np.generic):
            raise DataError(f"{path} is refused: it holds a {type(found).__name__}, which is no array")
