"""Small stand-ins whose answers are known in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from shiftgauge.types import Execution


@dataclass
class MeanClassifier:
    """Two classes; the logit of the second is `gain` × (mean grey value − 0.5)."""

    gain: float = 8.0
    size: int = 8
    calls: list[int] = field(default_factory=list)
    class_names: tuple[str, ...] = ("dark", "bright")
    output_kind: str = "logits"
    bias_bfloat16: float = 0.0
    poison: float | None = None

    n_classes = 2

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return (1, self.size, self.size)

    @property
    def fingerprint(self) -> str:
        return f"mean-{self.gain}-{self.size}"

    @property
    def description(self) -> dict[str, object]:
        return {"name": "mean", "gain": self.gain}

    def prepare(self, images_nchw: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(images_nchw.mean(1, keepdim=True), size=(self.size, self.size))

    def outputs(self, images_nchw: torch.Tensor, execution: Execution | None = None) -> torch.Tensor:
        self.calls.append(len(images_nchw))
        bright = self.gain * (images_nchw.double().mean(dim=(1, 2, 3)) - 0.5)
        if execution is not None and execution.precision == "bfloat16":
            bright = bright + self.bias_bfloat16
        if self.poison is not None:
            bright = torch.where(images_nchw.mean(dim=(1, 2, 3)) > self.poison, torch.nan, bright)
        return torch.stack([torch.zeros_like(bright), bright], dim=1).float()

    def executions(self, batch_sizes: Sequence[int]) -> list[Execution]:
        plain = [Execution(batch_size=b) for b in batch_sizes]
        return [*plain, *(replace(e, precision="bfloat16") for e in plain)]


@dataclass(frozen=True)
class GreyImages:
    """Constant grey images; the label says whether the grey is above one half."""

    greys: tuple[float, ...]
    shapes: tuple[tuple[int, int], ...] = ()
    class_names: tuple[str, ...] = ("dark", "bright")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"grey_{i}.png" for i in range(len(self.greys)))

    @property
    def labels(self) -> np.ndarray:
        return np.array([int(g > 0.5) for g in self.greys])

    @property
    def fingerprint(self) -> str:
        return repr((self.greys, self.shapes))

    def __len__(self) -> int:
        return len(self.greys)

    def load(self, index: int) -> np.ndarray:
        shape = self.shapes[index] if self.shapes else (8, 8)
        return np.full((1, *shape), self.greys[index], np.float32)


def brighten(images: torch.Tensor, theta: np.ndarray, streams: np.ndarray) -> torch.Tensor:
    """A shift with one parameter: a factor on the grey value."""
    return (images * torch.from_numpy(theta[:, 0]).float()[:, None, None, None]).clamp(0, 1)
