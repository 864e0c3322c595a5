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

    Example:
        >>> file_name(0, "cats/a b.png", "layer1.0")
        '0_cats-a-b.png_layer1.0'
    """
    words = [re.sub(r"[^\w.]+", "-", str(part)).strip("-.") or "x" for part in parts]
    return "_".join(words)[:120]
