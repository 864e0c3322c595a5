"""The schema of a configuration file: every section and key, with its default and its meaning.

The YAML of a user is checked against `Config` by `shiftgauge.cli.reader`; `shiftgauge schema` prints it
as a JSON schema, which editors use to complete and check the file.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator
from pydantic.json_schema import models_json_schema

from shiftgauge.cli.data_section import DataSection
from shiftgauge.cli.estimate_section import EstimateSection
from shiftgauge.cli.section import Auto, Section, Share, exactly_one
from shiftgauge.cli.table_config import TableConfig
from shiftgauge.shifts.limits import FIELD_OF_VIEW_DEG, Fill, Interpolation


class PreprocessingSection(Section):
    """How an image becomes the network's input. Keys left out come from timm's data config where there is one."""

    size: int | Annotated[list[int], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="Input size of the network in pixels: a number, or [height, width]."
    )
    channels: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Channels of the network: 1 grey, 3 colour."
    )
    resize: Literal["squash", "shortest", "none"] | None = Field(
        default=None, description="squash to the size; scale the shortest side and cut the centre; or none."
    )
    crop: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="With `resize: shortest`: share of the scaled side that the centre cut keeps."
    )
    interpolation: Literal["nearest", "bilinear", "bicubic"] | None = Field(
        default=None, description="How resizing resamples."
    )
    antialias: bool | None = Field(default=None, description="Smooth before shrinking, as Pillow does.")
    channel_conversion: Literal["grey_to_rgb", "either", "none"] | None = Field(
        default=None,
        description="grey_to_rgb repeats a grey channel; either also makes grey of colour; none does neither.",
    )
    mean: list[float] | None = Field(default=None, description="Subtracted from each channel (values 0 to 1).")
    std: list[Annotated[float, Field(gt=0)]] | None = Field(
        default=None, description="Divides each channel after `mean`."
    )


class ModelSection(Section):
    """The trained classifier: exactly one of folder, timm, factory, pt2, onnx, sklearn, demo."""

    folder: str | None = Field(
        default=None, description="Path of a model folder, as training writes it; it says everything itself."
    )
    timm: str | None = Field(default=None, description="Name of a timm architecture, such as resnet18.")
    factory: str | None = Field(
        default=None,
        description="`package.module:function` that returns the network; modules beside the file are found.",
    )
    pt2: str | None = Field(default=None, description="Path of a torch.export file (.pt2).")
    onnx: str | None = Field(default=None, description="Path of an ONNX file; needs the extra `onnx`.")
    sklearn: str | None = Field(default=None, description="Path of a joblib or pickle file; needs --trust.")
    demo: Literal[True] | None = Field(default=None, description="true: the ImageNet classifier of the extra `demo`.")
    weights: str | None = Field(
        default=None,
        description="Path of a .safetensors file or a PyTorch state dict; for timm also random or pretrained.",
    )
    weights_by: Literal["name", "order"] = Field(
        default="name", description="Match tensors by name, or by position for files whose names differ throughout."
    )
    num_classes: Annotated[int, Field(ge=2)] | None = Field(
        default=None, description="Outputs of a timm model; default: timm's own number."
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="Keyword arguments of timm or the factory.")
    classes: list[str] | str | None = Field(
        default=None, description="Class names in the order of the outputs: a list, or the path of a text or JSON file."
    )
    output: Literal["auto", "logits", "probabilities"] = Field(
        default="auto", description="What the outputs are; auto finds out from sample outputs and reports it."
    )
    preprocessing: PreprocessingSection = Field(
        default_factory=PreprocessingSection, description="How an image becomes the network's input."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        exactly_one(self, MODEL_KINDS)
        said = [key for key in _SAID_BY_FOLDER if key in self.model_fields_set]
        if self.folder is not None and said:
            raise ValueError(f"`{said[0]}` does not go with a model folder, which says it itself; leave it out")
        if self.weights is not None and self.timm is None and self.factory is None:
            raise ValueError("`weights` belongs to `timm` or `factory`; the other kinds carry their weights")
        return self


ShiftEntry: TypeAlias = dict[str, Any] | Annotated[list[float], Field(min_length=2, max_length=2)] | float | None
"""A distribution with its options; [low, high] for uniform; a number for a fixed value; null to leave it out."""


class ShiftsSection(Section):
    """What changes in the images and how likely each value is."""

    preset: str | None = Field(
        default=None, description="Ready-made set: weld, inspection or demo (see `shiftgauge shifts`)."
    )
    parameters: dict[str, ShiftEntry] = Field(
        default_factory=dict,
        description="Shift → distribution, such as {distribution: uniform, low: -10, high: 10}; [low, high] for "
        "short; a number keeps it fixed; null takes a shift out of the preset.",
    )
    fill: Fill | None = Field(
        default=None, description="What lies outside the picture. Default: the preset's, else constant."
    )
    fill_value: Share | None = Field(default=None, description="Grey value for `fill: constant`. Default 0, black.")
    field_of_view: Annotated[float, Field(ge=FIELD_OF_VIEW_DEG[0], le=FIELD_OF_VIEW_DEG[1])] = Field(
        default=53.0, description="Angle in degrees under which the camera of tilt and pan sees the longer side."
    )
    interpolation: Interpolation = Field(default="bilinear", description="How geometric shifts resample.")
    order: list[str] | None = Field(
        default=None,
        description="Order in which the shifts act. Default: the preset's, else light, geometry, optics, sensor.",
    )
    resolution: Literal["model", "native"] = Field(
        default="model", description="Shift images at the network's input size (fast), or the stored pixels."
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.preset is None and not self.parameters:
            raise ValueError("give `preset`, `parameters`, or both; `shiftgauge shifts` lists them")
        return self


class ExecutionSection(Section):
    """How the model is run; none of it changes what is measured beyond `tolerance`."""

    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, mps.")
    batch_size: Annotated[int, Field(ge=1)] | Auto = Field(default="auto", description="Images in one forward pass.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="auto takes bfloat16 only where probabilities agree with float32 within `tolerance` and the "
        "quantity of interest within 2 % of its standard deviation under the shifts.",
    )
    channels_last: bool | Auto = Field(default="auto", description="Memory layout of images and weights.")
    compile: bool | Auto = Field(
        default="auto", description="Run a compiled copy of the network where that is possible."
    )
    streams: Annotated[int, Field(ge=1)] | Auto = Field(
        default="auto", description="Batches worked on at a time, each on one thread."
    )
    tolerance: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.01,
        description="Largest allowed difference in a probability between bfloat16 and float32; the root mean square "
        "difference of `estimate.quantity` must besides be at most 2 % of its standard deviation, so that it adds less "
        "than 0.04 % to the variance.",
    )
    chunk_rows: Annotated[int, Field(ge=1)] | Auto = Field(default="auto", description="Evaluations committed at once.")
    workers: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Ray workers that share the chunks (extra `ray`); left out, one process computes."
    )


class GatesSection(Section):
    """Limits that the run must keep; a missed one makes the command exit with 1."""

    min_accuracy: Share | None = Field(default=None, description="Smallest mean accuracy under the shifts.")
    min_clean_accuracy: Share | None = Field(default=None, description="Smallest accuracy without any shift.")
    min_mean: float | None = Field(default=None, description="Smallest mean of `estimate.quantity` under the shifts.")
    max_variance: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Largest variance of `estimate.quantity` under the shifts."
    )
    max_total_order: Share | dict[str, Share] | None = Field(
        default=None, description="Largest total-order index of a shift: {rotation: 0.2}, or one number for all."
    )
    max_first_order: Share | dict[str, Share] | None = Field(
        default=None, description="Largest first-order index of a shift, in the same form."
    )
    max_study_variation: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None, description="Largest total gauge R&R in percent of the study variation (customary: 30)."
    )
    min_categories: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Smallest number of distinct categories (customary: 5)."
    )
    min_surrogate_share: Share | None = Field(
        default=None, description="Smallest share of the variance that the smooth surrogate must explain (Q²)."
    )


class Config(Section):
    """One audit: a model, labelled images, shifts, and how to measure."""

    model: ModelSection = Field(description="The trained classifier.")
    data: DataSection = Field(description="The labelled images.")
    shifts: ShiftsSection = Field(description="What changes in the images, and how likely each value is.")
    estimate: EstimateSection = Field(default_factory=EstimateSection, description="What is estimated.")
    execution: ExecutionSection = Field(default_factory=ExecutionSection, description="How the model is run.")
    gates: GatesSection = Field(default_factory=GatesSection, description="Limits that decide the exit code.")
    out: str | None = Field(
        default=None, description="Run folder; default: runs/ and the name of this file, beside it."
    )
    title: str = Field(default="", description="Title of the page.")


MODEL_KINDS = ("folder", "timm", "factory", "pt2", "onnx", "sklearn", "demo")
"""The keys of `model` of which exactly one is given."""
_SAID_BY_FOLDER = ("weights", "weights_by", "num_classes", "arguments", "output")


def json_schema() -> dict[str, Any]:
    """The schema of all kinds of configuration, such as an audit or a training, as JSON schema (2020-12)."""
    from shiftgauge.cli.attack_config import AttackConfig
    from shiftgauge.cli.explain_config import ExplainConfig
    from shiftgauge.cli.train_config import TrainConfig

    kinds = (Config, TableConfig, TrainConfig, ExplainConfig, AttackConfig)
    _, schema = models_json_schema([(model, "validation") for model in kinds])
    either = [{"$ref": f"#/$defs/{model.__name__}"} for model in kinds]
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": "shiftgauge configuration", "anyOf": either, **schema}
