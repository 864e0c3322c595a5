"""The text of the section `attack` of a commented configuration."""

from __future__ import annotations

from typing import Final

ATTACK_LINES: Final = (
    "# Several models: `models: {plain: {folder: …}, robust: {folder: …}}` in place of `model`; the page then",
    "# holds each against the others, and tries the images made on each on all others.",
    "attack:",
    "  attacks:                 # each under a name; `kind` where the name does not say it",
    "    fgsm: {}",
    "    pgd: {steps: 20}       # restarts: 5 for a stronger one",
    "    uniform_noise: {}",
    "    # apgd: {}             # AutoAttack's, without a step size; square: {} needs no gradients (ONNX)",
    "  snr_db: [60, 55, 50, 45, 40, 36, 33, 30]  # or epsilon: [0.002, 0.004, 0.008]",
    "  # bounds: [0, 1]         # attacked pixels stay pixels; left out, as published, they may leave",
    "  # norm: l2               # default linf",
    "  # unit: input            # ε and ratios in what the network sees; default pixel, 0 to 1",
    "  # shifts: {gaussian_blur: [0.5, 1, 2], brightness: [0.9, 0.7]}  # on the same scale; `shiftgauge shifts`",
    "  # images: 500            # at most so many, the same share of every class",
    "  # pictures: {images: 2, snr_db: [50, 45, 40, 33]}  # false leaves them out",
    "  seed: 0",
    "",
    "# audit: runs/audit        # an audit of the same model, to stand beside",
    "",
    "# Limits; a missed one makes the command exit with 1.",
    "# gates:",
    "#   min_clean_accuracy: 0.9",
    "#   min_accuracy: [{accuracy: 0.5, at: 40, way: pgd}]",
)
