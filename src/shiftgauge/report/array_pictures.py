"""Arrays as pictures: images of a network, maps in a colour scale that also reads in grey."""

from __future__ import annotations

import base64
import io
import re
from typing import Final

import numpy as np
from matplotlib import colormaps
from PIL import Image

_SCALE: Final = "inferno"
"""Dark is little, bright is much; its lightness rises all along."""
_SIGNED: Final = "RdBu_r"
"""Blue is below zero, white is zero, red is above."""
_LONGEST: Final = 120
_CLOSED: Final = (96, 104, 116)
"""Colour of cells of which no value is known."""


def picture(image_cyx: np.ndarray) -> np.ndarray:
    """Returns an image as uint8 (height, width, 3); values beyond [0, 1] are cut.

    Args:
        image_cyx: One channel (grey) or three; of any other number the mean is shown.

    Example:
        >>> picture(np.full((1, 1, 1), 0.5)).tolist()
        [[[128, 128, 128]]]
    """
    values = image_cyx if len(image_cyx) == 3 else np.repeat(image_cyx.mean(axis=0, keepdims=True), 3, axis=0)
    cut = np.clip(np.nan_to_num(np.asarray(values, float)), 0, 1)
    return np.moveaxis(np.round(255 * cut), 0, -1).astype(np.uint8)


def heat(map_yx: np.ndarray, top: float | None = None) -> np.ndarray:
    """Returns a map ≥ 0 as uint8 (height, width, 3): 0 is black, `top` and above is bright.

    Args:
        map_yx: The map; undefined values count as 0.
        top: Value that is brightest; None takes the 99.5 % quantile, so that one pixel does not darken all others.

    Example:
        >>> heat(np.array([[0.0, 1.0]]), top=1.0).shape
        (1, 2, 3)
    """
    values = np.nan_to_num(np.asarray(map_yx, float))
    high = float(np.quantile(values, 0.995)) if top is None else top
    share = np.clip(values / high, 0, 1) if high > 0 else np.zeros_like(values)
    return np.round(255 * colormaps[_SCALE](share)[..., :3]).astype(np.uint8)


def signed_heat(map_yx: np.ndarray) -> np.ndarray:
    """Returns a map of either sign as uint8 (height, width, 3): blue below zero, white at zero, red above.

    Example:
        >>> signed_heat(np.array([[-1.0, 0.0, 1.0]]))[0, 1].tolist()
        [247, 246, 246]
    """
    values = np.nan_to_num(np.asarray(map_yx, float))
    high = float(np.quantile(np.abs(values), 0.995))
    share = np.clip(values / high, -1, 1) if high > 0 else np.zeros_like(values)
    return np.round(255 * colormaps[_SIGNED]((1 + share) / 2)[..., :3]).astype(np.uint8)


def cells_over(values_rc: np.ndarray, image_cyx: np.ndarray, top: float) -> np.ndarray:
    """Returns values of cells as a heat map over an image, as uint8 (height, width, 3); undefined ones are grey.

    Args:
        values_rc: Axes (row, column).
        image_cyx: The image that the cells divide.
        top: Value that is brightest.
    """
    shape = np.asarray(image_cyx).shape[1:]
    places = [np.minimum(np.arange(n) * k // n, k - 1) for n, k in zip(shape, np.shape(values_rc), strict=True)]
    spread = np.asarray(values_rc, float)[np.ix_(*places)]
    shown = np.where(np.isfinite(spread)[..., None], heat(spread, top), np.array(_CLOSED, np.uint8))
    grey = picture(image_cyx).mean(axis=-1, keepdims=True)
    return np.round(0.7 * shown + 0.3 * grey).astype(np.uint8)


def colour_map(map_cyx: np.ndarray) -> np.ndarray:
    """Returns a map of three pushed channels as one picture, red, green and blue for those pushed, on one scale."""
    values = np.nan_to_num(np.asarray(map_cyx, float))
    high = float(np.quantile(values, 0.995))
    return picture(values / high if high > 0 else np.zeros_like(values))


def png_bytes(image_yxc: np.ndarray) -> bytes:
    """Returns a picture as the bytes of a PNG file, every pixel as it is."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image_yxc)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def png_uri(image_yxc: np.ndarray, most: int = 224) -> str:
    """Returns a picture as a `data:` address for a page; larger ones are made smaller.

    Args:
        image_yxc: uint8 (height, width, 3).
        most: Longest side on the page, in pixels.
    """
    height, width = image_yxc.shape[:2]
    if max(height, width) > most:
        share = most / max(height, width)
        size = (max(1, round(width * share)), max(1, round(height * share)))
        image_yxc = np.asarray(Image.fromarray(image_yxc).resize(size, Image.Resampling.BOX))
    return f"data:image/png;base64,{base64.b64encode(png_bytes(image_yxc)).decode('ascii')}"


def file_name(*parts: object) -> str:
    """Returns a file's name from names of any kind, without its ending; what a file system may refuse is replaced.

    What is too long is shortened at the end of the longest part, so that the others stay whole.

    Example:
        >>> file_name(0, "cats/a b.png", "layer1.0")
        '0_cats-a-b.png_layer1.0'
    """
    words = [re.sub(r"[^\w.]+", "-", str(part)).strip("-.") or "x" for part in parts]
    while (over := len("_".join(words)) - _LONGEST) > 0:
        longest = max(range(len(words)), key=lambda k: len(words[k]))
        second = max((len(word) for k, word in enumerate(words) if k != longest), default=1)
        words[longest] = words[longest][: max(len(words[longest]) - over, min(second, len(words[longest]) - 1))]
    return "_".join(words)
