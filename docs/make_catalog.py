"""Writes docs/catalog.md and its pictures from the catalogue of shifts.

python docs/make_catalog.py [--out docs]

Every shift is shown at five values of its default range on a photograph that scikit-image ships.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from shiftgauge.shifts.catalog import CATALOG, PRESETS
from shiftgauge.shifts.entries import Shift
from shiftgauge.shifts.pipeline import ShiftPipeline

SIDE, STRIP, GAP = 144, 20, 4
STAGES = {
    "scene": ("Scene light", "What the light and the tone curve do to pixel values."),
    "geometry": (
        "Geometry",
        "How the pictured plane stands before the camera. All geometric shifts of a sample make one homography and "
        "one resampling. The camera is a pinhole that sees the image's longer side under 53° (`field_of_view_deg`).",
    ),
    "optics": (
        "Optics",
        "What the lens and the motion do. Lengths are in pixels of the image as the network receives it.",
    ),
    "sensor": (
        "Sensor",
        "What the chip and the coder do. Random shifts are tied to the seed and the stream number of a sample: the "
        "same numbers whatever the batch, the worker or the device.",
    ),
}


def photograph() -> torch.Tensor:
    """The astronaut portrait of NASA (public domain), head and shoulders."""
    from skimage import data

    crop = Image.fromarray(data.astronaut()[0:320, 60:380]).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.asarray(crop, dtype=np.float32).transpose(2, 0, 1)[None] / 255)


def shown_values(shift: Shift) -> list[float]:
    low, high = shift.default["low"], shift.default["high"]
    if shift.default["distribution"] == "loguniform":
        return [float(f"{low * (high / low) ** t:.3g}") for t in np.linspace(0, 1, 5)]
    return [float(f"{low + (high - low) * t:.4g}") for t in np.linspace(0, 1, 5)]


def strip(shift: Shift, image: torch.Tensor) -> Image.Image:
    """Five pictures in a row, each with its value beneath."""
    main = shift.companion_of or shift.name
    names = [main] if main == shift.name else [main, shift.name]
    values = shown_values(shift)
    rows = [[v] if main == shift.name else [float(CATALOG[main].default["high"]), v] for v in values]
    shifted = ShiftPipeline(names)(image.expand(5, -1, -1, -1), torch.tensor(rows), torch.zeros(5, dtype=torch.int64))
    width = 5 * SIDE + 4 * GAP
    sheet = Image.new("RGB", (width, SIDE + STRIP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for k, (value, picture) in enumerate(zip(values, shifted, strict=True)):
        pixels = (picture * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        left = k * (SIDE + GAP)
        sheet.paste(Image.fromarray(pixels), (left, 0))
        label = f"{value:g} {shift.unit}".strip()
        pen.text((left + SIDE / 2, SIDE + STRIP / 2), label, fill="black", font=font, anchor="mm")
    return sheet


def facts(shift: Shift) -> str:
    unit = f" {shift.unit}" if shift.unit else ""
    options = ", ".join(f"{key} {value}" for key, value in shift.default.items() if key != "distribution")
    role = "neutral setting" if shift.companion_of else "identity"
    told = [
        f"Valid {shift.low:g} to {shift.high:g}{unit}",
        f"{role} {shift.identity:g}{unit}",
        f"default {shift.default['distribution']} ({options})",
        "differentiable" if shift.differentiable else "not differentiable",
    ]
    if shift.random:
        told.append("random")
    if shift.channels:
        told.append(f"{shift.channels} channels only")
    if shift.companion_of:
        told.append(f"qualifies `{shift.companion_of}`")
    return "; ".join(told)


def page() -> str:
    lines = [
        "# The catalogue of shifts",
        "",
        "Made by `python docs/make_catalog.py` from the catalogue in the code; do not edit by hand.",
        "",
        "Every entry is one number. The order of application is the order of this page, which is the camera's, unless",
        "the configuration states another. At the identity value an image comes back bit for bit.",
        "",
    ]
    for stage, (title, about) in STAGES.items():
        lines += [f"## {title}", "", about, ""]
        for shift in CATALOG.values():
            if shift.stage == stage:
                lines += [f"### `{shift.name}`", "", shift.summary, "", facts(shift) + ".", ""]
                lines += [f"![{shift.name} at five values](images/shifts/{shift.name}.jpg)", ""]
    lines += ["## Presets", ""]
    for preset in PRESETS.values():
        lines += [
            f"### `{preset.name}`",
            "",
            preset.summary,
            "",
            "| shift | distribution | from | to |",
            "|---|---|---|---|",
        ]
        for name, options in preset.distributions.items():
            unit = CATALOG[name].unit
            low, high = (f"{options[key]:g} {unit}".strip() for key in ("low", "high"))
            lines.append(f"| `{name}` | {options['distribution']} | {low} | {high} |")
        order = preset.order or ShiftPipeline(preset.names).order
        lines += ["", f"Order: {', '.join(order)}. Outside the picture: {preset.fill}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    out = parser.parse_args().out
    pictures = out / "images" / "shifts"
    pictures.mkdir(parents=True, exist_ok=True)
    image, total = photograph(), 0
    for shift in CATALOG.values():
        target = pictures / f"{shift.name}.jpg"
        strip(shift, image).save(target, quality=78, optimize=True)
        total += target.stat().st_size
    (out / "catalog.md").write_text(page(), encoding="utf-8")
    print(f"{out / 'catalog.md'}: {len(CATALOG)} shifts, pictures {total / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
