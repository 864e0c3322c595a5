"""A network that was trained here, as a classifier: calibrated, and of one class or of several labels."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from shiftgauge.files import hash_json
from shiftgauge.models.model_record import ModelRecord
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.types import Execution


class TrainedClassifier(TorchClassifier):
    """A trained network of one class per image: its outputs are logits divided by the temperature, z / T.

    Args:
        network: The network, with its trained weights; handed over.
        record: What its model folder says of it.
        device: Where to run.
        name: What it is called in records.
        preprocessing: Replaces that of the record.
        classes: Names that replace those of the record.
        offer_compiled: Offer compiled executions too.

    Raises:
        ModelError: The network fails on sample images, or its outputs are not those of the record.
    """

    def __init__(
        self,
        network: nn.Module,
        record: ModelRecord,
        *,
        device: torch.device,
        name: str = "the model",
        preprocessing: Preprocessing | None = None,
        classes: Any = None,
        offer_compiled: bool = False,
    ) -> None:
        self._record = record
        said = {"task": record.task, "temperature": record.temperature, "thresholds": record.thresholds}
        super().__init__(
            network,
            preprocessing=preprocessing or record.preprocessing,
            device=device,
            classes=record.classes if classes is None else classes,
            output_kind="logits" if record.task == "single" else "probabilities",
            source={"kind": "folder", "name": name, **said, "data": dict(record.data)},
            offer_compiled=offer_compiled,
            owned=True,
        )
        self._content = hash_json([self._content, said])

    @property
    def record(self) -> ModelRecord:
        """What the model folder says of the model."""
        return self._record

    def _through(self, network: Callable[[torch.Tensor], Any], images_nchw: torch.Tensor, execution: Execution) -> Any:
        raw = super()._through(network, images_nchw, execution)
        return self._finished(getattr(raw, "logits", raw).float())

    def _finished(self, logits_nk: torch.Tensor) -> torch.Tensor:
        return logits_nk / self._record.temperature

    def _as_logits(self, outputs_nk: torch.Tensor) -> torch.Tensor:
        return outputs_nk / self._record.temperature


class TrainedMultiLabelClassifier(TrainedClassifier):
    """A trained network of several labels per image: its outputs are independent probabilities 1 / (1 + exp(−z / T)).

    They need not sum to one. `logits_with_grad` gives z / T, the log-odds of each label.
    """

    @property
    def thresholds(self) -> tuple[float, ...]:
        """A label is said to hold when its probability reaches this, one in [0, 1] for each label."""
        return self._record.thresholds or (0.5,) * self.n_classes

    def _finished(self, logits_nk: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(super()._finished(logits_nk))
