"""A perceptual hash and a thumbnail of an image, by which images of the same thing are found."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dctn

from shiftgauge.data.dataset import ImageDataset

_SIDE = 32
_BLOCK = slice(1, 9)
_FLAT = 1e-4
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Thumbnails:
    """What is kept of each image for the comparison, about 2.1 kB.

    Args:
        bits: bool (n, 64), the perceptual hashes.
        pixels: float16 (n, 32, 32), grey thumbnails of mean 0 and norm 1; all 0 for a flat image.
    """

    bits: npt.NDArray[np.bool_]
    pixels: npt.NDArray[np.float16]

    def mirrored(self, rows: bool, columns: bool) -> "Thumbnails":
        """The same of the mirrored images."""
        turned = self.pixels[:, :: -1 if rows else 1, :: -1 if columns else 1]
        return Thumbnails(bits=_hash_bits(turned), pixels=np.ascontiguousarray(turned))


def perceptual_hash(image_chw: npt.NDArray[np.floating]) -> int:
    """Returns the 64-bit hash of what an image shows, whatever its size, brightness and contrast.

    The image becomes grey (ITU-R BT.601 luma) and is averaged to 32 × 32 pixels g. With the two-dimensional
    discrete cosine transform c(u, v) of g, bit (u, v) for u, v = 1 … 8 is 1 where c(u, v) exceeds the median of
    the 64 coefficients. An image a·g + b, a > 0, has the same hash. A mirrored or turned image has another one.

    Args:
        image_chw: (C, H, W) with values in [0, 1]; one channel, or the first three are red, green and blue.

    Returns:
        A whole number in [0, 2^64); bit (1, 1) is the highest. An image without contrast has 0.

    Example:
        >>> ramp = np.outer(np.arange(48.0), np.arange(64.0))[None] / 3000
        >>> perceptual_hash(ramp) == perceptual_hash(0.2 + 0.5 * ramp)
        True

    References:
        C. Zauner, Implementation and benchmarking of perceptual image hash functions, thesis, Upper Austria
        University of Applied Sciences, Hagenberg, 2010 (the hash by the discrete cosine transform).
    """
    bits = _hash_bits(_thumbnail(np.asarray(image_chw, np.float32))[None])[0]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def thumbnails(dataset: ImageDataset) -> Thumbnails:
    """Reads every image once, in threads, and keeps its hash and its grey thumbnail.

    Raises:
        DataError: An image cannot be read, or has changed since the data set was made.
    """

    def read(index: int) -> npt.NDArray[np.float16]:
        return _thumbnail(dataset.load(index))

    grey = np.empty((len(dataset), _SIDE, _SIDE), np.float16)
    bits = np.empty((len(dataset), 64), np.bool_)
    step = 2048
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(dataset), step):
            rows = range(start, min(start + step, len(dataset)))
            part = np.stack(list(pool.map(read, rows)))
            bits[rows.start : rows.stop] = _hash_bits(part)
            grey[rows.start : rows.stop] = part
    return Thumbnails(bits=bits, pixels=grey)


def _thumbnail(image_chw: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    grey = image_chw[0] if len(image_chw) < 3 else np.tensordot(_LUMA, image_chw[:3], 1)
    small = Image.fromarray(np.ascontiguousarray(grey, np.float32)).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    centred = np.asarray(small, np.float64)
    centred = centred - centred.mean()
    if centred.std() < _FLAT:
        return np.zeros((_SIDE, _SIDE), np.float16)
    return (centred / np.linalg.norm(centred)).astype(np.float16)


def _hash_bits(pixels: npt.NDArray[np.float16]) -> npt.NDArray[np.bool_]:
    whole = np.asarray(dctn(pixels.astype(np.float32), axes=(1, 2), norm="ortho"))
    cosines = whole[:, _BLOCK, _BLOCK].reshape(len(pixels), 64)
    cosines = np.where(np.abs(cosines) < _FLAT, 0, cosines)  # a pattern without a frequency has 0 there, not noise
    return cosines > np.median(cosines, axis=1, keepdims=True)
