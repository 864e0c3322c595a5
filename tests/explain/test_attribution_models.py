"""Attributions of models as users have them: a trained model folder, one of several labels, an ONNX file."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from shiftgauge.errors import ModelError
from shiftgauge.explain.attribution import attribute
from shiftgauge.explain.attribution_options import AttributionOptions
from shiftgauge.explain.curve_options import CurveOptions
from shiftgauge.explain.curves import deletion_insertion
from shiftgauge.explain.randomisation import cascading_randomisation
from shiftgauge.models.load import load_model
from shiftgauge.models.model_folder import load_model_folder, write_model_folder
from shiftgauge.models.model_record import ModelRecord, NetworkOptions
from shiftgauge.models.preprocessing import Preprocessing

OPTIONS = NetworkOptions(name="mobilenetv3_small_050", n_classes=3, channels=1)
RECORD = ModelRecord(
    architecture=OPTIONS,
    task="single",
    classes=("good", "scratch", "stain"),
    preprocessing=Preprocessing(height=64, width=48, channels=1, mean=(0.4,), std=(0.2,)),
    temperature=2.5,
)
QUICK = AttributionOptions(steps=3, samples=2, window_px=24, stride_px=24)


def pictures(n=2, shape=(1, 64, 48)):
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return OPTIONS.build().network.eval()


@pytest.mark.parametrize("task", ["single", "multi"])
def test_a_trained_model_folder_is_looked_into(tmp_path, network, task):
    record = dataclasses.replace(RECORD, task=task, thresholds=(0.5, 0.25, 0.75) if task == "multi" else None)
    classifier = load_model_folder(write_model_folder(tmp_path, network, record), "cpu")
    x = ((pictures() - 0.4) / 0.2).requires_grad_()
    slopes = torch.autograd.grad(network(x)[:, 2].sum(), x)[0].numpy() / 2.5
    found = attribute(classifier, pictures(), "stain", method="saliency")
    np.testing.assert_allclose(found.values, np.abs(slopes), rtol=1e-2, atol=1e-3 * np.abs(slopes).max())
    for method in ("integrated_gradients", "smooth_grad", "grad_cam", "occlusion"):
        found = attribute(classifier, pictures(), method=method, options=QUICK)
        assert found.values.shape == (2, 1, 64, 48)
        assert np.isfinite(found.values).all()
        assert (found.layer is not None) == (method == "grad_cam")
    curves = deletion_insertion(classifier, pictures(), found, options=CurveOptions(steps=2, random_orders=1))
    assert curves.deletion.shape == (2, 3)
    before = classifier.outputs(pictures())
    cascading_randomisation(classifier, pictures(), methods=["grad_cam"], layers=["classifier", "blocks"])
    assert torch.equal(classifier.outputs(pictures()), before)


def test_an_onnx_file_has_curves_but_no_attribution(tmp_path):
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 1, 4, 4])
    values = helper.make_tensor_value_info("values", TensorProto.FLOAT, ["n", 16])
    graph = helper.make_graph([helper.make_node("Flatten", ["pixels"], ["values"])], "flat", [pixels], [values])
    path = tmp_path / "flat.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    classifier = load_model({"kind": "onnx", "path": path, "output_kind": "logits"})
    images = pictures(2, classifier.input_shape)
    for look in (attribute, cascading_randomisation):
        with pytest.raises(ModelError, match="gives no gradients"):
            look(classifier, images, 0)
    curves = deletion_insertion(classifier, images, images.mean(dim=1), targets=3, options=CurveOptions(steps=2))
    assert curves.insertion.shape == (2, 3)
