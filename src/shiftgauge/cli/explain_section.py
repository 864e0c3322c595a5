"""The section `explain` of a configuration: what a look inside a network does, and to how many images."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from shiftgauge.cli.section import Section

Positive: TypeAlias = Annotated[float, Field(gt=0)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Count: TypeAlias = Annotated[int, Field(ge=1)]
Scale: TypeAlias = Literal["input", "pixel"]
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


class AttributionSection(Section):
    """How methods of attribution are asked; each uses those keys that it knows."""

    methods: list[Method] = Field(
        default=["saliency", "integrated_gradients", "smooth_grad", "grad_cam", "occlusion"],
        description="Methods that are compared, in this order; [] leaves attributions out.",
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
    blur_px: NotNegative = Field(default=0.0, description="Gaussian blur after every step; 0 for none.")
    jitter_px: Annotated[int, Field(ge=0)] = Field(default=0, description="Random displacement before every step.")
    scales: Annotated[list[Positive], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="Random magnification before every step: [low, high]."
    )
    bounds: Literal["image", "none"] = Field(default="image", description="image: no pixel beyond black or white.")
    scale: Scale = Field(default="input", description="Units of the steps: input or pixel.")
    noise: NotNegative = Field(default=0.1, description="Standard deviation of the noise that a climb begins at.")


class UnitSection(Section):
    """A unit that is maximised besides the classes."""

    kind: Literal["neuron", "channel_mean", "direction"] = Field(description="What is raised.")
    block: str = Field(description="Module path of the block; `shiftgauge blocks` lists them.")
    index: Annotated[int, Field(ge=0)] | list[int] | None = Field(
        default=None, description="Of a neuron: its place, [channel, y, x] or a number."
    )
    channel: Annotated[int, Field(ge=0)] | None = Field(default=None, description="Of channel_mean: its number.")
    vector: list[float] | None = Field(default=None, description="Of a direction: one number for each channel.")


class ExplainSection(Section):
    """What is looked at, and in how many images."""

    per_class: Count = Field(default=2, description="Images of each class that are shown.")
    counted_per_class: Count | None = Field(
        default=None, description="Images of each class over which maps are averaged. Default: those shown."
    )
    classes: list[str] | None = Field(
        default=None, description="Classes that are looked at and maximised. Default: those of the data."
    )
    most_classes: Count = Field(default=10, description="Most classes that are taken where none are named.")
    blocks: list[str] | None = Field(
        default=None, description="Blocks by module path; default those marked in `shiftgauge blocks`."
    )
    maps: PushSection | Literal[False] = Field(
        default_factory=PushSection, description="How pixels are pushed; false leaves the maps out."
    )
    attribution: AttributionSection = Field(
        default_factory=AttributionSection, description="Methods of attribution, and how they are asked."
    )
    maximize: ClimbSection | Literal[False] = Field(
        default_factory=ClimbSection, description="Images that raise classes and units; false leaves them out."
    )
    units: list[UnitSection] = Field(
        default=[], description="Neurons, channels and directions that are maximised besides the classes."
    )
    walk: ClimbSection | Literal[False] = Field(
        default_factory=ClimbSection, description="Images pushed towards every class; false leaves them out."
    )
    walk_per_class: Count = Field(default=1, description="Images of each class that are pushed.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps.")
    batch_size: Count | Literal["auto"] = Field(
        default="auto", description="Images or pushes in one pass; auto finds it by a short trial."
    )
    seed: Annotated[int, Field(ge=0)] = Field(default=0, description="Of the choice of images and of all noise.")
