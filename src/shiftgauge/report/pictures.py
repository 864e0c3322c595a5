"""Image arrays as data addresses, so that a page needs no other file."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

JPEG_QUALITY = 90
"""High enough that the format's own traces are not mistaken for the shift that is shown."""


def data_uri(image_hwc: np.ndarray) -> str:
    """Returns an image as a `data:` address.

    Args:
        image_hwc: uint8 (height, width, 3), or (height, width) and (height, width, 1) for grey.

    Example:
        >>> data_uri(np.zeros((2, 2, 3), dtype=np.uint8))[:23]
        'data:image/jpeg;base64,'
    """
    array = np.asarray(image_hwc, dtype=np.uint8)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
