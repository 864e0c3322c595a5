"""Time of every shift and preset against the plain per-image way with Pillow, torchvision, NumPy or torch.

Both sides run in one process on the same images and values, after one another, and the best of several rounds
counts. The plain side starts from a decoded Pillow image, changes it and makes a float tensor of it, as scripts
do; ours starts from float tensors.

    python benchmarks/bench_shifts.py [--side 224] [--images 32] [--threads 2] [--rounds 5] [--cpu] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import io
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch.nn import functional

from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.shifts.catalog import CATALOG, PRESETS
from shiftgauge.shifts.geometric import focal_length
from shiftgauge.shifts.pipeline import ShiftPipeline

prepare_torchvision()
from torchvision.transforms import functional as vision  # noqa: E402

BILINEAR = vision.InterpolationMode.BILINEAR


def photograph(side: int) -> Image.Image:
    from skimage import data

    return Image.fromarray(data.astronaut()).resize((side, side), Image.Resampling.BILINEAR)


def as_array(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float32) / 255


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.clip(values, 0, 1).transpose(2, 0, 1), dtype=np.float32))


def exposure(image: Image.Image, stops: float) -> torch.Tensor:
    x = as_array(image)
    light = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) * 2**stops
    light = np.minimum(light, 1)
    return tensor(np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055))


def uneven(image: Image.Image, strength: float) -> torch.Tensor:
    x = as_array(image)
    return tensor(x * (1 + strength * np.linspace(-1, 1, x.shape[1], dtype=np.float32)[None, :, None]))


def affine(
    image: Image.Image, shift: tuple[float, float] = (0, 0), scale: float = 1, shear: tuple[float, float] = (0, 0)
):
    moves = [round(shift[0] * image.width), round(shift[1] * image.height)]
    return vision.to_tensor(vision.affine(image, 0, moves, scale, list(shear), interpolation=BILINEAR))


def tilted(image: Image.Image, angle: float, upright: bool = True) -> Image.Image:
    w, h = image.size
    f = focal_length(h, w)
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = [[0, 0], [w, 0], [w, h], [0, h]]
    seen = []
    for x, y in corners:
        u, v = x - w / 2, y - h / 2
        depth = f - v * s if upright else f + u * s
        u, v = (u, v * c) if upright else (u * c, v)
        seen.append([f * u / depth + w / 2, f * v / depth + h / 2])
    return vision.perspective(image, corners, seen, interpolation=BILINEAR)


def gaussian_blur(image: Image.Image, sigma: float) -> torch.Tensor:
    return vision.gaussian_blur(vision.to_tensor(image), [2 * math.ceil(4 * sigma) + 1] * 2, [max(sigma, 0.01)] * 2)


def convolved(image: Image.Image, kernel: torch.Tensor) -> torch.Tensor:
    half = kernel.shape[-1] // 2
    x = functional.pad(vision.to_tensor(image)[None], [half] * 4, mode="replicate")
    return functional.conv2d(x, kernel.expand(3, 1, *kernel.shape), groups=3)[0]


def defocus(image: Image.Image, radius: float) -> torch.Tensor:
    reach = math.ceil(radius + 0.5)
    offsets = torch.arange(-reach, reach + 1).float()
    disc = (radius + 0.5 - torch.hypot(offsets[:, None], offsets)).clamp(0, 1)
    return convolved(image, disc / disc.sum())


def motion_blur(image: Image.Image, length: float) -> torch.Tensor:
    size = 2 * math.ceil(length / 2) + 1
    kernel = torch.zeros(size, size)
    kernel[size // 2] = 1 / size
    return convolved(image, kernel)


def gaussian_noise(image: Image.Image, std: float) -> torch.Tensor:
    x = vision.to_tensor(image)
    return (x + std * torch.randn_like(x)).clamp(0, 1)


def noise_snr(image: Image.Image, snr_db: float) -> torch.Tensor:
    return gaussian_noise(image, float((as_array(image) ** 2).mean() / 10 ** (snr_db / 10)) ** 0.5)


def shot_noise(image: Image.Image, photons: float) -> torch.Tensor:
    return tensor(np.random.default_rng(0).poisson(as_array(image) * photons) / photons)


def salt_pepper(image: Image.Image, fraction: float) -> torch.Tensor:
    x = as_array(image)
    u = np.random.default_rng(0).random(x.shape[:2])
    x[u < fraction / 2] = 0
    x[u > 1 - fraction / 2] = 1
    return tensor(x)


def occlusion(image: Image.Image, area: float) -> torch.Tensor:
    side = round(area**0.5 * image.width)
    return vision.erase(vision.to_tensor(image), 0, 0, side, side, torch.zeros(()))


def bit_depth(image: Image.Image, bits: float) -> torch.Tensor:
    steps = round(2**bits) - 1
    return tensor(np.round(as_array(image) * steps) / steps)


def jpeg(image: Image.Image, quality: float) -> torch.Tensor:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=round(quality))
    return vision.to_tensor(Image.open(buffer))


def pillow(enhance: type) -> Callable[[Image.Image, float], torch.Tensor]:
    return lambda image, value: vision.to_tensor(enhance(image).enhance(value))


PLAIN: dict[str, Callable[[Image.Image, float], torch.Tensor]] = {
    "uneven_illumination": uneven,
    "exposure": exposure,
    "brightness": pillow(ImageEnhance.Brightness),
    "contrast": pillow(ImageEnhance.Contrast),
    "gamma": lambda image, value: vision.to_tensor(vision.adjust_gamma(image, value)),
    "saturation": pillow(ImageEnhance.Color),
    "hue": lambda image, value: vision.to_tensor(vision.adjust_hue(image, value / 360)),
    "shear_x": lambda image, value: affine(image, shear=(value, 0)),
    "shear_y": lambda image, value: affine(image, shear=(0, value)),
    "scale": lambda image, value: affine(image, scale=value),
    "rotation": lambda image, value: vision.to_tensor(vision.rotate(image, value, interpolation=BILINEAR)),
    "tilt": lambda image, value: vision.to_tensor(tilted(image, value)),
    "pan": lambda image, value: vision.to_tensor(tilted(image, value, upright=False)),
    "translate_x": lambda image, value: affine(image, shift=(value, 0)),
    "translate_y": lambda image, value: affine(image, shift=(0, value)),
    "defocus": defocus,
    "motion_blur": motion_blur,
    "gaussian_blur": gaussian_blur,
    "sharpness": pillow(ImageEnhance.Sharpness),
    "occlusion": occlusion,
    "shot_noise": shot_noise,
    "gaussian_noise": gaussian_noise,
    "noise_snr": noise_snr,
    "salt_pepper": salt_pepper,
    "bit_depth": bit_depth,
    "jpeg_quality": jpeg,
}


def plain_chain(image: Image.Image, names: tuple[str, ...], values: np.ndarray) -> torch.Tensor:
    """One shift after another, each a resampling and each back in 8 bits, as scripts do."""
    for name, value in zip(names[:-1], values[:-1], strict=True):
        image = vision.to_pil_image(PLAIN[name](image, value))
    return PLAIN[names[-1]](image, values[-1])


def weld_chain(image: Image.Image, values: np.ndarray) -> torch.Tensor:
    """The weld study's own chain on Pillow images."""
    image = vision.adjust_brightness(image, values[0])
    image = vision.rotate(image, values[1], interpolation=BILINEAR)
    return vision.to_tensor(tilted(image, values[2]))


def draw(default: dict, count: int, rng: np.random.Generator) -> np.ndarray:
    u = rng.random(count)
    low, high = default["low"], default["high"]
    return low + (high - low) * u if default["distribution"] == "uniform" else low * (high / low) ** u


def best_ms(function: Callable[[], object], options: argparse.Namespace) -> float:
    clock = time.process_time if options.cpu else time.perf_counter
    function()
    times = []
    for _ in range(options.rounds):
        start = clock()
        function()
        times.append(clock() - start)
    return min(times) * 1e3 / options.images


def compare(label: str, names: tuple[str, ...], image: Image.Image, options: argparse.Namespace) -> tuple[float, float]:
    """Milliseconds per image, ours and plain."""
    preset = PRESETS.get(label.removeprefix("preset "))
    ranges = preset.distributions if preset else {names[0]: CATALOG[names[0]].default}
    rng = np.random.default_rng(0)
    theta = np.stack([draw(dict(ranges[name]), options.images, rng) for name in names], axis=1)
    images = vision.to_tensor(image).repeat(options.images, 1, 1, 1)
    streams = torch.arange(options.images)
    pipeline = ShiftPipeline(names, order=preset.order or None if preset else None)

    def plain() -> torch.Tensor:
        if label == "preset weld":
            return torch.stack([weld_chain(image, row) for row in theta])
        return torch.stack([plain_chain(image, names, row) for row in theta])

    ours = best_ms(lambda: pipeline(images, torch.from_numpy(theta), streams), options)
    return ours, best_ms(plain, options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time, for a busy machine")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    image = photograph(options.side)
    clock = "processor" if options.cpu else "wall"
    print(f"{options.images} images of {options.side} x {options.side}, {options.threads} threads, {clock} time")
    print(f"{'shift or preset':<24}{'ours, ms/image':>16}{'plain, ms/image':>17}{'plain/ours':>12}")
    work = {name: (name,) for name in PLAIN} | {f"preset {name}": preset.names for name, preset in PRESETS.items()}
    for label, names in work.items():
        if not options.only or label.removeprefix("preset ") in options.only:
            ours, plain = compare(label, names, image, options)
            print(f"{label:<24}{ours:>16.3f}{plain:>17.3f}{plain / ours:>12.1f}", flush=True)


if __name__ == "__main__":
    main()
