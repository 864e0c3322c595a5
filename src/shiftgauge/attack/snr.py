"""How loud a change is: the signal-to-noise ratio in decibels, of one image and of a set, and ε for a ratio."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.types import FloatArray

NormName: TypeAlias = Literal["linf", "l2"]
Images: TypeAlias = torch.Tensor | npt.NDArray[np.floating]
"""Images along the first axis, any number of further axes."""


def snr_db(images: Images, perturbed: Images) -> FloatArray:
    r"""Returns the signal-to-noise ratio of each image.

    $$ \mathrm{SNR}_n = 20 \log_{10} \frac{\lVert x_n \rVert_2}{\lVert x'_n - x_n \rVert_2} $$

    It is a ratio in the scale in which the images are given: in pixels it contains the mean brightness, in a network's
    input scale (`InputScale.of_pixels`) it does not.

    Args:
        images: x, (N, ...).
        perturbed: x', of the same shape.

    Returns:
        (N,) in dB; infinite where nothing changed, -infinite where an image of zeros did.

    Raises:
        DataError: Different shapes, no image, or values that are not finite.

    Example:
        >>> clean = torch.tensor([[3.0, 4.0], [3.0, 4.0]])
        >>> snr_db(clean, clean + torch.tensor([[0.5, 0.0], [0.0, 0.0]])).tolist()
        [20.0, inf]
    """
    return snr_of_energies(*energies(images, perturbed))


def set_snr_db(images: Images, perturbed: Images) -> float:
    r"""Returns the signal-to-noise ratio of a whole set, as one long vector.

    $$ \mathrm{SNR} = 10 \log_{10} \frac{\sum_n \lVert x_n \rVert_2^2}{\sum_n \lVert x'_n - x_n \rVert_2^2} $$

    It is no mean of the ratios of images: bright images and strong changes weigh more.

    Args:
        images: x, (N, ...).
        perturbed: x', of the same shape.

    Returns:
        In dB; infinite where nothing changed.

    Raises:
        DataError: Different shapes, no image, or values that are not finite.

    Example:
        >>> round(set_snr_db(np.ones((2, 8)), np.stack([np.full(8, 1.1), np.ones(8)])), 3)
        23.01
    """
    signal, noise = energies(images, perturbed)
    return float(snr_of_energies(signal.sum(), noise.sum()))


def snr_of_energies(signal: npt.ArrayLike, noise: npt.ArrayLike) -> FloatArray:
    """Returns the ratio of sums of squares, 10 log₁₀(signal / noise); infinite where the noise is 0.

    Example:
        >>> snr_of_energies([100.0, 1.0], [1.0, 0.0]).tolist()
        [20.0, inf]
    """
    return _decibel(np.sqrt(np.asarray(signal, np.float64)), np.sqrt(np.asarray(noise, np.float64)))


def energies(images: Images, perturbed: Images) -> tuple[FloatArray, FloatArray]:
    """Returns the sums of squares of each image and of its change, (N,) each.

    Raises:
        DataError: Different shapes, no image, or values that are not finite.
    """
    signal, noise = _rows(images, perturbed)
    return np.einsum("nd,nd->n", signal, signal), np.einsum("nd,nd->n", noise, noise)


def image_rms(images: Images) -> FloatArray:
    """Returns the root mean square of each image, (N,)."""
    rows = _flat(images)
    return np.sqrt((rows**2).mean(axis=1))


def set_rms(images: Images) -> float:
    """Returns the root mean square of all values of a set."""
    return float(np.sqrt((_flat(images) ** 2).mean()))


def snr_for_epsilon(
    epsilon: npt.ArrayLike, rms: npt.ArrayLike, *, norm: NormName = "linf", n_values: int = 1
) -> FloatArray:
    r"""Returns the ratio of a change that fills the ball of radius ε.

    $$ 20 \log_{10} \frac{\mathrm{RMS}}{\epsilon} \ (L_\infty), \qquad
       20 \log_{10} \frac{\mathrm{RMS} \sqrt{d}}{\epsilon} \ (L_2) $$

    In L∞ that is a change of ±ε in every value, as the fast gradient sign method makes it where no derivative is 0.
    Uniform noise in the same ball has the standard deviation ε/√3 and is 4.77 dB quieter.

    Args:
        epsilon: ε ≥ 0, in the scale of `rms`.
        rms: Root mean square of the image or set, ≥ 0.
        norm: `linf` or `l2`.
        n_values: d, values in one image; used with `l2`.

    Returns:
        In dB; infinite at ε = 0.

    Example:
        >>> snr_for_epsilon([0.001, 0.01, 0.0], 0.9725).round(2).tolist()
        [59.76, 39.76, inf]
    """
    length = _length(norm, n_values)
    return _decibel(_not_negative("rms", rms) * length, _not_negative("epsilon", epsilon))


def epsilon_for_snr(
    snr_db: npt.ArrayLike, rms: npt.ArrayLike, *, norm: NormName = "linf", n_values: int = 1
) -> FloatArray:
    """Returns the ε at which a change that fills the ball has a ratio; the inverse of `snr_for_epsilon`.

    Args:
        snr_db: In dB; infinite gives ε = 0.
        rms: Root mean square of the image or set, ≥ 0.
        norm: `linf` or `l2`.
        n_values: d, values in one image; used with `l2`.

    Raises:
        ConfigError: A ratio that is NaN or -infinite.

    Example:
        >>> epsilon_for_snr([40.0, float("inf")], 0.9725).round(6).tolist()
        [0.009725, 0.0]
    """
    asked = np.asarray(snr_db, np.float64)
    if np.isnan(asked).any() or (asked == -np.inf).any():
        raise ConfigError("`snr_db` must be a number of decibels or infinite (no change), got NaN or -infinity")
    return _not_negative("rms", rms) * _length(norm, n_values) * 10 ** (-asked / 20)


def _length(norm: str, n_values: int) -> float:
    require_in("norm", norm, ("linf", "l2"))
    return 1.0 if norm == "linf" else float(np.sqrt(require_positive_int("n_values", n_values)))


def _not_negative(name: str, values: npt.ArrayLike) -> FloatArray:
    found = np.asarray(values, np.float64)
    if not (np.isfinite(found) & (found >= 0)).all():
        raise ConfigError(f"`{name}` must be finite and ≥ 0, got {found.tolist()}")
    return found


def _decibel(signal: npt.ArrayLike, noise: npt.ArrayLike) -> FloatArray:
    loud = np.asarray(noise, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 20 * np.log10(np.asarray(signal, np.float64) / loud)
    return np.where(loud == 0, np.inf, ratio)


def _flat(images: Images) -> FloatArray:
    array = images.detach().cpu().numpy() if isinstance(images, torch.Tensor) else np.asarray(images)
    if not array.ndim or not array.size:
        raise DataError(f"a signal-to-noise ratio needs at least one image (N, ...), got the shape {array.shape}")
    rows = array.astype(np.float64).reshape(len(array), -1)
    if not np.isfinite(rows).all():
        raise DataError("images hold values that are NaN or infinite; they have no signal-to-noise ratio")
    return rows


def _rows(images: Images, perturbed: Images) -> tuple[FloatArray, FloatArray]:
    if tuple(images.shape) != tuple(perturbed.shape):
        raise DataError(
            f"images and perturbed images must have one shape, got {tuple(images.shape)} and {tuple(perturbed.shape)}"
        )
    signal = _flat(images)
    return signal, _flat(perturbed) - signal
