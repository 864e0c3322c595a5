"""An audit of a model of several labels: what its numbers mean."""

import numpy as np
import pytest
import torch

from shiftgauge.errors import DataError
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.models.model_record import ModelRecord, NetworkOptions
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.trained_model import TrainedClassifier, TrainedMultiLabelClassifier
from shiftgauge.studies.audit import audit

LABELS = ("no defect", "left bright", "right bright")
SETS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]] * 2)


class Halves(torch.nn.Module):
    """Log-odds of the brightness of the left and of the right half."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        left, right = images[..., :4].mean(dim=(1, 2, 3)), images[..., 4:].mean(dim=(1, 2, 3))
        return 20 * torch.stack([0.5 - torch.maximum(left, right), left - 0.5, right - 0.5], dim=1)


def halves(**values: object) -> TrainedClassifier:
    record = ModelRecord(
        architecture=NetworkOptions(name="resnet18_small", n_classes=3, channels=1),
        classes=LABELS,
        preprocessing=Preprocessing(height=8, width=8, channels=1),
        **values,
    )
    kind = TrainedMultiLabelClassifier if record.task == "multi" else TrainedClassifier
    return kind(Halves(), record, device=torch.device("cpu"))


def pictures() -> np.ndarray:
    images = np.full((8, 1, 8, 8), 0.3, np.float32)
    images[..., :4] += 0.35 * SETS[:, 1, None, None, None]
    images[..., 4:] += 0.35 * SETS[:, 2, None, None, None]
    return images + np.linspace(0, 0.02, 8, dtype=np.float32)[:, None, None, None]


@pytest.fixture(scope="module")
def found():
    model = halves(task="multi", thresholds=(0.5, 0.5, 0.5))
    space = {"brightness": (0.5, 1.1)}
    exact = ExecutionOptions(precision="float32")
    return audit(model, (pictures(), SETS), space, n_base=128, classes=["left bright"], execution=exact, progress=False)


def test_truth_and_prediction_are_sets_of_labels(found):
    expected = ["no defect", "left bright", "right bright", "left bright + right bright"] * 2
    assert found.arrays["image_label"].values.tolist() == expected
    assert found.arrays["image_predicted"].values.tolist() == expected
    assert found.arrays["strip_label"].values.tolist()[0] in expected


def test_accuracy_counts_images_whose_every_label_is_right(found):
    assert float(found.arrays["clean_mean"].sel(quantity="correct")) == 1
    factors = np.linspace(0.5, 1.1, 6001)
    images = torch.from_numpy(pictures())
    right = []
    for i, y in enumerate(SETS):
        image = images[i, 0, 0]
        left, other = np.outer(factors, [float(image[0]), float(image[-1])]).clip(0, 1).T
        said = np.stack([np.maximum(left, other) <= 0.5, left >= 0.5, other >= 0.5], axis=1)
        right.append((said == y).all(axis=1).mean())
    assert float(found.arrays["mean"].sel(quantity="correct")) == pytest.approx(np.mean(right), abs=0.02)


def test_the_probability_of_a_label_is_its_own(found):
    images = torch.from_numpy(pictures())
    p = torch.sigmoid(Halves()(images))[:, 1].numpy()
    clean = found.arrays["image_clean"].sel(quantity="probability[left bright]").values
    np.testing.assert_allclose(clean, p, rtol=1e-5)


def test_the_report_says_what_the_numbers_mean(found):
    (message,) = [m for m in found.messages if m.code == "several_labels"]
    assert "an image counts as right when every label is" in message.text


def test_thresholds_are_part_of_what_is_audited(tmp_path):
    high = halves(task="multi", thresholds=(0.5, 0.999, 0.5))
    found = audit(high, (pictures(), SETS), {"brightness": (0.5, 1.1)}, n_base=64, progress=False)
    assert float(found.arrays["clean_mean"].sel(quantity="correct")) == 0.5


def test_a_model_of_one_class_refuses_images_of_several_labels():
    with pytest.raises(DataError, match="has not exactly one label"):
        audit(halves(task="single"), (pictures(), SETS), {"brightness": (0.5, 1.1)}, n_base=64, progress=False)
