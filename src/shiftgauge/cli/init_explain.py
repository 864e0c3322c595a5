"""The text of the section `explain` of a commented configuration."""

from __future__ import annotations

from typing import Final

EXPLAIN_LINES: Final = (
    "explain:  # the blocks of the network: `shiftgauge blocks` and this file",
    "  per_class: 2            # images of each class that are shown",
    "  # counted_per_class: 20 # over which maps are averaged; the profile wants more than are shown",
    "  # classes: [dent]       # default: those of the data, at most most_classes",
    "  # blocks: [layer1, layer4]",
    "  maps: {epsilon: 0.1, channels: each}  # together: faster, without colours; false leaves them out",
    "  attribution:",
    "    methods: [saliency, integrated_gradients, smooth_grad, grad_cam, occlusion]",
    "    about: predicted      # or label, or a class",
    "  # derivatives: {}       # exact derivatives of the blocks, as long again as the maps",
    "  # curves: false         # deletion and insertion of every method",
    "  # randomisation: false  # whether the maps change with the weights",
    "  bounds: {delta: 0.1, n: 256}          # how much every pixel can matter; false leaves it out",
    "  masks: {grid: 8, n_base: 256}         # Sobol' indices of masks; false leaves them out",
    "  maximize: {steps: 300, step_size: 0.1, penalty_size: 0.1, start: noise}  # or class_mean, image",
    "  # units: [{kind: channel_mean, block: layer4, channel: 7}]",
    "  walk: {steps: 300, step_size: 0.1}    # images pushed towards every class; false leaves it out",
    "  seed: 0",
)
