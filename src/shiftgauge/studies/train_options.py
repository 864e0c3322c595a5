"""What a training is told beside the options of the fit itself: network, split, thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from shiftgauge.checks import require_in, require_range
from shiftgauge.data.near_duplicates import CORRELATION, DISTANCE
from shiftgauge.data.splits import PARTS, Split
from shiftgauge.errors import ConfigError
from shiftgauge.models.adapt import FirstConvolution
from shiftgauge.models.architectures import Pretrained, default_preprocessing
from shiftgauge.models.model_record import NetworkOptions, plain
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.train.thresholds import GRID, Aim, Search

RECALL_FLOOR: Final = 0.95
"""The recall that the aim `recall` holds where none is given."""


@dataclass(frozen=True, kw_only=True)
class NetworkChoice:
    """Which network is trained; how many classes it has, the data say.

    Args:
        architecture: A name of `shiftgauge.models.architectures.ARCHITECTURES`, or any of timm's.
        size: Height and width of its input in pixels, one number for both; default the architecture's own.
        channels: 1 for grey, 3 for colour; default that of the images where they agree, else 3.
        pretrained: False (default) begins at random; True with the weights that timm publishes (downloaded once);
            `packaged` with those of an installed package; else the path of a weights file or a model folder.
        dropout: Chance that a feature is dropped before the last layer, in [0, 1).
        head: Where the layer that gives the classes begins: `random` (default), or `linear_probe`, a logistic
            regression on the features of the network as it stands, regularised as is best on validation. With few
            images and trained weights, a random head distorts the features before it has learnt anything.
        first_convolution: What becomes of trained first-layer weights where channels differ: `sum`, `mean`, `new`.
        arguments: Further keyword arguments of the architecture.
        preprocessing: Keys of `Preprocessing` that differ from the architecture's own.

    Raises:
        ConfigError: A size that is none, or an unknown head.

    Example:
        >>> NetworkChoice(architecture="resnet18_small", size=16).preprocessing_for(1).input_shape
        (1, 16, 16)

    References:
        Kumar, A., Raghunathan, A., Jones, R., Ma, T., Liang, P. (2022). Fine-tuning can distort pretrained features
        and underperform out-of-distribution. arXiv:2202.10054
    """

    architecture: str
    size: int | Sequence[int] | None = None
    channels: int | None = None
    pretrained: Pretrained = False
    dropout: float = 0.0
    head: Literal["random", "linear_probe"] = "random"
    first_convolution: FirstConvolution = "sum"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_in("head", self.head, ("random", "linear_probe"))
        if self.size is not None and not isinstance(self.size, int):
            object.__setattr__(self, "size", tuple(self.size))
            if len(tuple(self.size)) != 2:
                raise ConfigError(f"`size` must be a number or (height, width), got {self.size}")

    def preprocessing_for(self, channels: int | None) -> Preprocessing:
        """How images reach the network, where the data's have so many channels (None: not all the same)."""
        wanted = self.channels or (1 if channels == 1 else 3)
        size = self.size if self.size is None or isinstance(self.size, int) else (self.size[0], self.size[1])
        own = default_preprocessing(self.architecture, channels=wanted, size=size)
        return Preprocessing.from_mapping(self.preprocessing, own.to_dict()) if self.preprocessing else own

    def network_options(self, n_classes: int, channels: int, seed: int) -> NetworkOptions:
        """All that building it needs."""
        return NetworkOptions(
            name=self.architecture,
            n_classes=n_classes,
            channels=channels,
            pretrained=self.pretrained,
            dropout=self.dropout,
            first_convolution=self.first_convolution,
            arguments=self.arguments,
            seed=seed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record; of a path its last part alone."""
        last = self.pretrained if isinstance(self.pretrained, bool) else Path(self.pretrained).name
        return plain({**asdict(self), "pretrained": last})


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """How the images are divided; `train` and `validation` there must be, `test` there should be.

    Args:
        by: `stratified`; `group`, an error where the data have no groups; or `given`, the parts that the data state.
            Images of a group, of the same content, and near-duplicates stay together whatever this says. Or a ready
            `Split` of the same images, such as one of `k_folds`; one that tears them apart is an error.
        parts: Part → share, with the sum 1; a ready split has its own.
        near_duplicates: Find near-duplicates; each image is read once for it. False keeps equal contents together.
        distance: Largest Hamming distance of two perceptual hashes of near-duplicates, 0 … 32.
        correlation: Smallest correlation of their thumbnails, in [−1, 1].
        flips: Compare with mirror images as well.
        leaks: Images of a given split that have their like in another part: an `error`, or `drop` them. With a ready
            split always an error.

    Raises:
        ConfigError: A part is missing, an unknown word, or `drop` with a ready split.

    Example:
        >>> SplitOptions(parts={"train": 0.8, "validation": 0.2}).by
        'stratified'
    """

    by: Literal["stratified", "group", "given"] | Split = "stratified"
    parts: Mapping[str, float] = field(default_factory=lambda: dict(PARTS))
    near_duplicates: bool = True
    distance: int = DISTANCE
    correlation: float = CORRELATION
    flips: bool = False
    leaks: Literal["error", "drop"] = "error"

    def __post_init__(self) -> None:
        require_in("value of `leaks`", self.leaks, ("error", "drop"))
        if isinstance(self.by, Split):
            if self.leaks == "drop":
                raise ConfigError("`leaks: drop` is for parts that the data state; take images out of a ready split")
            sizes = {name: len(rows) for name, rows in self.by.parts.items()}
            object.__setattr__(self, "parts", {name: n / sum(sizes.values()) for name, n in sizes.items()})
        else:
            require_in("way to split", self.by, ("stratified", "group", "given"))
        object.__setattr__(self, "parts", MappingProxyType(dict(self.parts)))
        for name in self.parts:
            require_in("part", name, PARTS)
        for name in ("train", "validation"):
            if name not in self.parts:
                raise ConfigError(
                    f"`parts` lacks `{name}`; a training needs train and validation, and test for an honest number"
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record; of a ready split how it was made."""
        by = self.by.by if isinstance(self.by, Split) else self.by
        return {name: plain(getattr(self, name)) for name in self.__dataclass_fields__ if name != "by"} | {"by": by}


def as_splitting(split: SplitOptions | Split | None) -> SplitOptions:
    """Options of a split from what a caller may give: options, a ready split, or nothing.

    Raises:
        ConfigError: Something else was given, or a ready split lacks `train` or `validation`.

    Example:
        >>> as_splitting(Split(parts={"train": [0, 1], "validation": [2, 3]})).parts["train"]
        0.5
    """
    if isinstance(split, Split):
        return SplitOptions(by=split)
    if split is not None and not isinstance(split, SplitOptions):
        raise ConfigError(f"`split` must be SplitOptions or a Split, got {type(split).__name__}")
    return split or SplitOptions()


@dataclass(frozen=True, kw_only=True)
class ThresholdOptions:
    """How the threshold of each label is chosen on the validation part; for several labels alone.

    Args:
        aim: `f1` (largest F1), `recall` (most precise with at least a recall) or `cost` (cheapest).
        recall_floor: For `recall` alone: in (0, 1], one for all labels or one for each; there 0.95 by default.
        cost_ratio: For `cost` alone, and needed there: what a missed label costs, a false alarm costing 1; one for all
            or one for each.
        search: `exact` tries one threshold between every two scores; `grid` tries those given.
        grid: For `grid`: thresholds in [0, 1].

    Raises:
        ConfigError: A floor or a ratio with another aim, or the aim `cost` without a ratio.

    Example:
        >>> ThresholdOptions(aim="recall").recall_floor
        0.95
    """

    aim: Aim = "f1"
    recall_floor: float | Sequence[float] | None = None
    cost_ratio: float | Sequence[float] | None = None
    search: Search = "exact"
    grid: Sequence[float] = GRID

    def __post_init__(self) -> None:
        require_in("aim", self.aim, ("f1", "recall", "cost"))
        require_in("search", self.search, ("exact", "grid"))
        for name, aim in (("recall_floor", "recall"), ("cost_ratio", "cost")):
            if getattr(self, name) is not None and self.aim != aim:
                raise ConfigError(f"`{name}` counts with `aim: {aim}` alone; add `aim: {aim}`, or leave it out")
        if self.aim == "cost" and self.cost_ratio is None:
            raise ConfigError(
                "`aim: cost` needs `cost_ratio`, what a missed label costs where a false alarm costs 1, such as 20"
            )
        if self.aim == "recall" and self.recall_floor is None:
            object.__setattr__(self, "recall_floor", RECALL_FLOOR)
        for value in self.grid:
            require_range("grid", value, 0, 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return {name: plain(getattr(self, name)) for name in self.__dataclass_fields__}
