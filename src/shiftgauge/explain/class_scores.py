"""The number of a class that is measured: its log-odds, its logit or its probability."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import torch

from shiftgauge.checks import require_in
from shiftgauge.types import Classifier, Execution, MultiLabelClassifier

ScoreName: TypeAlias = Literal["log_odds", "logit", "probability"]
SCORES: Final = ("log_odds", "logit", "probability")


class ClassScore:
    r"""Turns a classifier's outputs into one number per image, inside the autograd graph where there is one.

    log_odds is $\log \frac{p_k}{1 - p_k} = z_k - \log \sum_{j \ne k} e^{z_j}$: like the logit it does not saturate
    where the classifier is sure, and unlike it, it does not change when all logits move together.

    Args:
        classifier: Any classifier; of one whose labels are independent, logit and log-odds are the same.
        name: `log_odds`, `logit` or `probability`.

    Raises:
        ConfigError: Another name.
    """

    def __init__(self, classifier: Classifier, name: ScoreName) -> None:
        self.name = require_in("score", name, SCORES)
        self._classifier = classifier
        self._several = isinstance(classifier, MultiLabelClassifier)

    def of_logits(self, logits_nk: torch.Tensor, place_n: torch.Tensor) -> torch.Tensor:
        """Logits (n, K), classes (n,) → (n,)."""
        chosen = logits_nk.gather(1, place_n[:, None])[:, 0]
        if self.name == "logit" or (self._several and self.name == "log_odds"):
            return chosen
        if self._several:
            return chosen.sigmoid()
        if self.name == "probability":
            return (chosen - logits_nk.logsumexp(dim=1)).exp()
        return chosen - logits_nk.scatter(1, place_n[:, None], -torch.inf).logsumexp(dim=1)

    def of_images(self, images_nchw: torch.Tensor, place_n: torch.Tensor) -> torch.Tensor:
        """Images (n, C, H, W), classes (n,) → float64 (n,), in one pass without gradients, by any classifier."""
        outputs = self._classifier.outputs(images_nchw, Execution(batch_size=max(1, len(images_nchw)))).double()
        if self._classifier.output_kind == "logits":
            return self.of_logits(outputs, place_n)
        tiny = torch.finfo(torch.float32).tiny
        return self.of_logits(outputs.logit(1e-7) if self._several else outputs.clamp_min(tiny).log(), place_n)
