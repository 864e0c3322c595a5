"""From the bytes of an image file to an array (channels, height, width) with values in [0, 1]."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from shiftgauge.errors import DataError

DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    struct.error,
    zlib.error,
    OverflowError,
    MemoryError,
    Image.DecompressionBombError,
)
"""What Pillow raises for files that are damaged or no images."""

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")


def decode_image(content: bytes, *, background: float = 0.0) -> npt.NDArray[np.float32]:
    """Decodes an image file: PNG, TIFF, JPEG, BMP, WebP and what else Pillow reads.

    Values are divided by the full scale of their type (255, 65535, 1 for bilevel), never by what
    occurs in the image. The orientation in EXIF is applied. Palettes, CMYK, YCbCr and Lab become
    RGB; grey stays one channel. **Alpha**: an image with transparent pixels is composited on a grey
    level (`background`, default black, as the shifts fill); a fully opaque alpha is dropped. Pillow
    keeps the upper 8 bits of 16-bit colour; 16-bit grey is kept whole.

    Args:
        content: The bytes of the file.
        background: Grey level in [0, 1] behind transparent pixels.

    Returns:
        float32 (1 or 3, H, W), values in [0, 1].

    Raises:
        DataError: The content is damaged, no image, has several frames, or has no known full scale.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> Image.new("L", (3, 2), 255).save(file, "PNG")
        >>> decode_image(file.getvalue()).shape
        (1, 2, 3)
    """
    if not content:
        raise DataError("the file is empty")
    try:
        with Image.open(io.BytesIO(content)) as image:
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                raise DataError(f"{image.format} with {image.n_frames} frames; save each frame as an image")  # pyright: ignore[reportAttributeAccessIssue]
            file_format = image.format
            image.load()
            upright = ImageOps.exif_transpose(image)
            return _to_array(upright, file_format, background)
    except UnidentifiedImageError as error:
        raise DataError("not an image file") from error
    except DECODE_ERRORS as error:
        raise DataError(f"damaged image: {_first_line(error)}") from error


def _to_array(image: Image.Image, file_format: str | None, background: float) -> npt.NDArray[np.float32]:
    mode = image.mode
    if mode in _SIXTEEN_BIT:
        return _scaled(np.asarray(image), 65535.0)
    if mode == "I":
        if file_format not in ("PNG", "PPM"):  # Pillow's 32-bit form of 16-bit files of these two
            raise DataError("32-bit integer images have no agreed full scale; save as 8 or 16 bit")
        return _scaled(np.asarray(image), 65535.0)
    if mode == "F":
        return check_unit_range(np.asarray(image, dtype=np.float32)[None])
    if mode == "1":
        return _scaled(np.asarray(image.convert("L")), 255.0)
    if "transparency" in image.info or mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return _composited(image, background)
    if mode != "L":
        image = image.convert("RGB")
    return _scaled(np.asarray(image), 255.0)


def _composited(image: Image.Image, background: float) -> npt.NDArray[np.float32]:
    grey = image.mode in ("L", "LA", "La", "1")
    pixels = np.asarray(image.convert("RGBA"), dtype=np.float32) / np.float32(255)
    alpha = pixels[..., 3:]
    colour = pixels[..., :1] if grey else pixels[..., :3]
    mixed = colour * alpha + np.float32(background) * (1 - alpha)
    return np.ascontiguousarray(mixed.transpose(2, 0, 1), dtype=np.float32)


def _scaled(values: npt.NDArray[Any], full_scale: float) -> npt.NDArray[np.float32]:
    scaled = values.astype(np.float32) / np.float32(full_scale)
    planes = scaled[None] if scaled.ndim == 2 else scaled.transpose(2, 0, 1)
    return np.ascontiguousarray(planes)


def check_unit_range(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Returns floating-point pixels when all are finite and in [0, 1].

    Raises:
        DataError: Some are not; dividing by the full scale is left to the caller, who knows it.
    """
    if not np.isfinite(values).all():
        raise DataError("pixels hold NaN or infinite values")
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if low < 0 or high > 1:
        raise DataError(f"floating-point pixels must be in [0, 1], got {low:g} to {high:g}; divide by the full scale")
    return values


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
