"""Sections of the parts of a look inside: how pixels are pushed, methods asked, images climbed to."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from shiftgauge.cli.section import Section, Share

Positive: TypeAlias = Annotated[float, Field(gt=0)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Side: TypeAlias = Annotated[int, Field(ge=1)]
Scale: TypeAlias = Literal["input", "pixel"]
Score: TypeAlias = Literal["log_odds", "logit", "probability"]
Baseline: TypeAlias = Literal["zero", "mean", "blur"]
Method: TypeAlias = Literal[
    "saliency", "input_x_gradient", "integrated_gradients", "smooth_grad", "grad_cam", "occlusion"
]


class PushSection(Section):
    """How pixels are pushed for the maps of the blocks."""

    epsilon: Positive = Field(default=0.1, description="Size of the push.")
    law: Literal["fixed", "normal", "uniform"] = Field(
        default="fixed", description="fixed: every pixel by epsilon; normal, uniform: by a random multiple of it."
    )
    offset: float = Field(default=0.0, description="Added to every random push; the published code has −0.05.")
    sides: Literal[1, 2] = Field(default=1, description="2: up and down, and the mean of both answers.")
    scale: Scale = Field(
        default="input", description="input: epsilon in what the network sees, (x − mean) / std; pixel: in 0 to 1."
    )
    channels: Literal["each", "together"] = Field(
        default="each", description="together pushes all colours of a pixel at once: a third of the time, no colours."
    )
    clamp: bool = Field(default=False, description="Push no pixel beyond black or white.")
    pixelise: Count = Field(default=1, description="Side of square cells whose mean is painted back.")


class DerivativeSection(Section):
    """How exact derivatives of the blocks by the pixels are taken."""

    scale: Scale = Field(default="input", description="Unit of a pixel: input or pixel.")
    channels: Literal["each", "together"] = Field(
        default="each", description="together: in the direction of all colours at once."
    )


class AttributionSection(Section):
    """How methods of attribution are asked; each uses those keys that it knows."""

    methods: list[Method] = Field(
        default=["saliency", "integrated_gradients", "smooth_grad", "grad_cam", "occlusion"],
        description="Methods that are compared, in this order; [] leaves attributions out.",
    )
    about: str = Field(
        default="predicted",
        description="Class that images are asked about, by the bounds and masks as well: predicted, label, or a class.",
    )
    layer: str | None = Field(
        default=None, description="Layer that Grad-CAM looks at. Default: the last with a map of positions."
    )
    scale: Scale = Field(default="input", description="Units of gradients: input or pixel.")
    baseline: Literal["zero", "mean", "blur"] = Field(
        default="zero", description="What stands for no image in integrated gradients and occlusion."
    )
    blur_px: Positive = Field(default=5.0, description="Of the blurred baseline, in pixels.")
    steps: Count = Field(default=50, description="Points of the integral of integrated gradients.")
    samples: Count = Field(default=25, description="Noisy copies of SmoothGrad.")
    noise: NotNegative = Field(default=0.15, description="Standard deviation of its noise, in 0 to 1.")
    window_px: Count | None = Field(default=None, description="Side of the occluding window; default an eighth.")
    stride_px: Count | None = Field(default=None, description="Its step; default half its side.")
    rectify: bool = Field(default=True, description="Grad-CAM leaves out what speaks against the class.")


class CurveSection(Section):
    """How deletion and insertion curves are drawn of every method."""

    steps: Count = Field(default=20, description="Equal parts into which the pixels are cut.")
    deletion_baseline: Baseline = Field(default="mean", description="What a pixel that is taken away becomes.")
    insertion_baseline: Baseline = Field(default="blur", description="The image that pixels are given back to.")
    blur_px: Positive = Field(default=5.0, description="Of the blurred image, in pixels.")
    quantity: Literal["probability", "logit"] = Field(default="probability", description="What is drawn of the class.")
    maps: Literal["signed", "magnitude"] = Field(
        default="signed", description="Order of the pixels: by value, what speaks against the class last; or by size."
    )
    random_orders: Count = Field(default=4, description="Random orders of each image to compare with.")


class RandomisationSection(Section):
    """How the weights are drawn anew, layer after layer, to see whether the maps of methods change."""

    images: Count = Field(default=4, description="Images of which that is seen, of the classes in turn.")
    law: Literal["normal", "permute"] = Field(
        default="normal", description="normal: of each layer's own mean and spread; permute: its weights reordered."
    )


class BoundSection(Section):
    """How bounds on the total index of every pixel are found."""

    delta: Positive = Field(default=0.1, description="Half width of what is added to every value.")
    scale: Scale = Field(default="pixel", description="Units of delta: pixel (0 to 1) or input.")
    clamp: bool = Field(default=True, description="Nothing goes beyond black or white.")
    score: Score = Field(default="log_odds", description="What is measured of the class.")
    n: Annotated[int, Field(ge=32)] = Field(default=256, description="Gradients for each image.")


class MaskSection(Section):
    """How Sobol' indices of masks are found."""

    per_class: Count = Field(default=1, description="Images of each class that are masked.")
    grid: Side | Annotated[list[Side], Field(min_length=2, max_length=2)] = Field(
        default=8, description="Cells along each side, or [rows, columns]."
    )
    baseline: Baseline = Field(default="blur", description="What hidden parts become; zero is black.")
    blur_px: Positive | None = Field(
        default=None, description="Of the blurred image, in pixels; default an eighth of the shorter side."
    )
    smooth: bool = Field(default=False, description="Blend neighbouring cells.")
    score: Score = Field(default="log_odds", description="What is measured of the class.")
    n_base: Annotated[int, Field(ge=32)] = Field(
        default=256, description="Blocks of the design; each costs an evaluation for every open cell and two more."
    )
    threshold: Share = Field(
        default=0.05, description="Share of the variance that closed cells may have together; 0 closes none."
    )
    n_gradients: Annotated[int, Field(ge=32)] = Field(default=256, description="Gradients that close cells.")


class ClimbSection(Section):
    """How an image is climbed to, by gradient ascent from noise or from an image."""

    steps: Count = Field(default=300, description="Steps of the climb.")
    step_size: NotNegative = Field(default=0.1, description="e1: multiplies the gradient of the activation.")
    penalty_size: NotNegative = Field(default=0.1, description="e2: multiplies the gradient of the regularisers.")
    gradient: Literal["plain", "normalised"] = Field(
        default="plain", description="normalised: every step has the length step_size."
    )
    total_variation: Literal["mean", "sum"] | None = Field(
        default="mean", description="Total variation as a mean (as published) or a sum; null leaves it out."
    )
    isotropic: bool = Field(default=False, description="Total variation of both directions under one root.")
    l2: NotNegative = Field(default=0.0, description="Weight of the squared length of the image.")
    blur_px: NotNegative = Field(
        default=0.0, description="Gaussian blur of the image to which each step is added; 0 for none."
    )
    jitter_px: Annotated[int, Field(ge=0)] = Field(default=0, description="Random displacement before every step.")
    scales: Annotated[list[Positive], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="Random magnification before every step: [low, high]."
    )
    bounds: Literal["image", "none"] = Field(default="image", description="image: no pixel beyond black or white.")
    scale: Scale = Field(default="input", description="Units of the steps: input or pixel.")
    noise: NotNegative = Field(default=0.1, description="Standard deviation of the noise that a climb begins at.")


class MaximizeSection(ClimbSection):
    """How images of classes and units are climbed to, and where from."""

    start: Literal["noise", "class_mean", "image"] = Field(
        default="noise", description="Where they begin: noise, the class's mean image, or an image of the class."
    )
    start_image: str | None = Field(
        default=None, description="With `start: image`: name of the image at which all begin, as the page shows it."
    )
    mean_images: Count = Field(default=200, description="Most images of a class that its mean is taken of.")


class UnitSection(Section):
    """A unit that is maximised besides the classes."""

    kind: Literal["neuron", "channel_mean", "direction"] = Field(description="What is raised.")
    block: str = Field(description="Module path of the block; `shiftgauge blocks` lists them.")
    index: Annotated[int, Field(ge=0)] | list[int] | None = Field(
        default=None, description="Of a neuron: its place, [channel, y, x] or a number."
    )
    channel: Annotated[int, Field(ge=0)] | None = Field(default=None, description="Of channel_mean: its number.")
    vector: list[float] | None = Field(default=None, description="Of a direction: one number for each channel.")
