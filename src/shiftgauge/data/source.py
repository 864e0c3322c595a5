"""Where the pixels of a data set are: in files, in encoded bytes, or in an array."""

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from shiftgauge.data.images import check_unit_range, decode_image
from shiftgauge.errors import DataError
from shiftgauge.files import hash_array, hash_bytes

ImageCHW: TypeAlias = npt.NDArray[np.float32]
"""One image, axes (channel, row, column), values in [0, 1]."""


class ImageSource(Protocol):
    """Gives the pixels of image number i."""

    def load(self, index: int) -> ImageCHW:
        """Reads image number `index`."""
        ...

    def select(self, indices: Sequence[int]) -> "ImageSource":
        """Keeps the images at the indices."""
        ...


@dataclass(frozen=True)
class Checked:
    """What one reading of an image found: its content hash and channels, or why it cannot be read."""

    content: str = ""
    channels: int = 0
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class FileImages:
    """Images in files.

    Args:
        paths: One path per image.
        hashes: Content hash of each file when the data set was made; `load` compares.
        background: Grey level in [0, 1] behind transparent pixels.
        searched: Folders whose content counts as data, so that nothing else may be written there.
    """

    paths: tuple[Path, ...]
    hashes: tuple[str, ...]
    background: float = 0.0
    searched: tuple[Path, ...] = ()

    def load(self, index: int) -> ImageCHW:
        """Reads one image.

        Raises:
            DataError: The file is gone, damaged, or not what it was when the data set was made.
        """
        path = self.paths[index]
        content = read_bytes(path)
        if hash_bytes(content) != self.hashes[index]:
            raise DataError(f"{path} has changed since the data set was read; read it again")
        try:
            return decode_image(content, background=self.background)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error

    def select(self, indices: Sequence[int]) -> "FileImages":
        """Keeps the images at the indices."""
        return FileImages(
            paths=tuple(self.paths[i] for i in indices),
            hashes=tuple(self.hashes[i] for i in indices),
            background=self.background,
            searched=self.searched,
        )


@dataclass(frozen=True, kw_only=True)
class EncodedImages:
    """Images as the bytes of their files."""

    contents: tuple[bytes, ...]
    background: float = 0.0

    def load(self, index: int) -> ImageCHW:
        """Decodes one image."""
        return decode_image(self.contents[index], background=self.background)

    def select(self, indices: Sequence[int]) -> "EncodedImages":
        """Keeps the images at the indices."""
        return EncodedImages(contents=tuple(self.contents[i] for i in indices), background=self.background)


@dataclass(frozen=True, kw_only=True)
class ArrayImages:
    """Images in one array (n, C, H, W) of 8- or 16-bit integers, booleans or floats in [0, 1]."""

    array: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]

    def load(self, index: int) -> ImageCHW:
        """Returns one image by the full scale of the array's type."""
        return to_unit(self.array[self.rows[index]])

    def select(self, indices: Sequence[int]) -> "ArrayImages":
        """Keeps the images at the indices."""
        return ArrayImages(array=self.array, rows=self.rows[np.asarray(indices, dtype=np.int64)])


def to_unit(pixels: npt.NDArray[Any]) -> ImageCHW:
    """Returns pixels as float32 in [0, 1] by the full scale of their type.

    Raises:
        DataError: The type has no agreed full scale, or floats lie outside [0, 1].

    Example:
        >>> float(to_unit(np.array([[[65535]]], dtype=np.uint16))[0, 0, 0])
        1.0
    """
    if pixels.dtype == np.bool_:
        return np.ascontiguousarray(pixels, dtype=np.float32)
    if pixels.dtype in (np.uint8, np.uint16):
        return np.ascontiguousarray(pixels, dtype=np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    if np.issubdtype(pixels.dtype, np.floating):
        return check_unit_range(np.ascontiguousarray(pixels, dtype=np.float32))
    raise DataError(f"pixels must be uint8, uint16, bool or floats in [0, 1], got {pixels.dtype}")


def read_bytes(path: Path) -> bytes:
    """Reads a file.

    Raises:
        DataError: It is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def check_files(paths: Sequence[Path], background: float = 0.0) -> list[Checked]:
    """Reads, hashes and decodes every file once, in parallel threads; memory stays bounded.

    Args:
        paths: Image files.
        background: Grey level in [0, 1] behind transparent pixels.
    """
    return _in_threads(lambda path: _check(lambda: read_bytes(path), background), paths)


def check_encoded(contents: Sequence[bytes], background: float = 0.0) -> list[Checked]:
    """Hashes and decodes encoded images, in parallel threads."""
    return _in_threads(lambda content: _check(lambda: content, background), contents)


def check_array(array: npt.NDArray[Any], rows: Iterable[int]) -> list[Checked]:
    """Hashes the images of an array and checks their values."""

    def check(row: int) -> Checked:
        try:
            to_unit(array[row])
        except DataError as error:
            return Checked(problem=str(error))
        return Checked(content=hash_array(array[row]), channels=array.shape[1])

    return [check(row) for row in rows]


def _check(read: Callable[[], bytes], background: float) -> Checked:
    try:
        content = read()
        image = decode_image(content, background=background)
    except DataError as error:
        return Checked(problem=str(error))
    return Checked(content=hash_bytes(content), channels=image.shape[0])


def _in_threads(task: Callable[[Any], Checked], items: Sequence[Any]) -> list[Checked]:
    with warnings.catch_warnings():  # around the threads: the filter list is shared by all of them
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
            return list(pool.map(task, items))
