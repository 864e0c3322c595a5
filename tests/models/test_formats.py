"""The same network as a module, weights, a .pt2 file, an ONNX file and a callable gives the same outputs."""

import subprocess
import sys
import warnings

import numpy as np
import onnx
import pytest
import safetensors.torch
import torch
from onnx import TensorProto, helper

from shiftgauge.errors import ConfigError, MissingExtraError, ModelError
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.models.load import load_model

SIZE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A ResNet-10 of timm, saved in every form."""
    prepare_torchvision()
    import timm

    place = tmp_path_factory.mktemp("formats")
    torch.manual_seed(0)
    net = timm.create_model("resnet10t", num_classes=5).eval()
    torch.nn.init.normal_(net.fc.weight, std=0.3)
    safetensors.torch.save_file(net.state_dict(), place / "w.safetensors")
    example = (torch.rand(2, 3, SIZE, SIZE),)
    batch = ({0: torch.export.Dim("n", min=1, max=4096)},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters' own deprecations
        for name, shapes in (("any", batch), ("two", None)):
            torch.export.save(torch.export.export(net, example, dynamic_shapes=shapes), place / f"{name}.pt2")
            torch.onnx.export(net, example, place / f"{name}.onnx", dynamo=True, dynamic_shapes=shapes, verbose=False)
    return place


PREPROCESSING = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def load(folder, kind, **spec):
    return load_model({"kind": kind, "preprocessing": PREPROCESSING, **spec}, device="cpu")


@pytest.fixture(scope="module")
def reference(folder):
    return load_model(
        {
            "kind": "timm",
            "name": "resnet10t",
            "num_classes": 5,
            "weights": folder / "w.safetensors",
            "preprocessing": {"height": SIZE, "width": SIZE},
        },
        device="cpu",
    )


@pytest.mark.parametrize("file", ["any.pt2", "two.pt2", "any.onnx", "two.onnx"])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_exported_files_give_the_outputs_of_the_network(folder, reference, file, n):
    c = load(folder, file.rpartition(".")[2], path=folder / file)
    x = torch.rand(n, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(n))
    assert c.input_shape == (3, SIZE, SIZE)
    assert c.description["fixed_batch"] == (2 if file.startswith("two") else None)
    assert float((c.outputs(x) - reference.outputs(x)).abs().max()) <= 1e-5


def test_callable_gives_the_outputs_of_the_network(reference):
    x = torch.rand(3, 3, SIZE, SIZE)
    c = load_model({"kind": "callable", "target": reference.module, "preprocessing": reference.preprocessing})
    assert torch.equal(c.outputs(x), reference.outputs(x))


def test_timm_preprocessing_is_read_and_completed_by_what_is_stated(reference):
    p = reference.preprocessing
    assert (p.height, p.interpolation, p.mean) == (SIZE, "bicubic", (0.485, 0.456, 0.406))


@pytest.mark.parametrize("kind", ["pt2", "onnx"])
def test_damaged_and_missing_files_are_one_line(tmp_path, kind):
    (tmp_path / "x").write_bytes(b"nothing of the kind")
    for name in ("x", "no"):
        with pytest.raises(ModelError, match=f"{tmp_path / name}") as caught:
            load_model({"kind": kind, "path": tmp_path / name})
        assert "\n" not in str(caught.value)


def test_truncated_files_are_one_line(folder, tmp_path):
    for name, kind in (("any.pt2", "pt2"), ("any.onnx", "onnx")):
        content = (folder / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(ModelError, match="not a readable") as caught:
            load(tmp_path, kind, path=tmp_path / name)
        assert "\n" not in str(caught.value)


def test_weights_beside_an_onnx_file_are_part_of_its_fingerprint(folder, tmp_path):
    data = folder / "any.onnx.data"
    for name in ("any.onnx", "any.onnx.data"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "unrelated.txt").write_text("x")
    same = load(tmp_path, "onnx", path=tmp_path / "any.onnx").fingerprint
    assert same == load(folder, "onnx", path=folder / "any.onnx").fingerprint
    changed = bytearray(data.read_bytes())
    changed[:4] = np.float32(0.5).tobytes()
    (tmp_path / "any.onnx.data").write_bytes(changed)
    assert load(tmp_path, "onnx", path=tmp_path / "any.onnx").fingerprint != same


def onnx_file(path, inputs, element=TensorProto.FLOAT, outputs=1):
    values = [helper.make_tensor_value_info(f"x{i}", element, shape) for i, shape in enumerate(inputs)]
    nodes = [helper.make_node("Flatten", ["x0"], [f"y{k}"]) for k in range(outputs)]
    results = [helper.make_tensor_value_info(f"y{k}", element, None) for k in range(outputs)]
    graph = helper.make_graph(nodes, "g", values, results)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_half_and_double_precision_inputs_are_fed_as_they_need(tmp_path):
    x = torch.rand(2, 1, 2, 2)
    for element in (TensorProto.FLOAT16, TensorProto.DOUBLE):
        path = onnx_file(tmp_path / "h.onnx", [["n", 1, 2, 2]], element)
        c = load_model({"kind": "onnx", "path": path, "output_kind": "logits"})
        assert torch.allclose(c.outputs(x), x.flatten(1), atol=1e-3)


def test_output_to_read_can_be_named(tmp_path):
    path = onnx_file(tmp_path / "o.onnx", [["n", 1, 2, 2]], outputs=2)
    spec = {"kind": "onnx", "path": path, "output_kind": "logits"}
    assert load_model(spec).description["output"] == "y0"
    assert load_model({**spec, "arguments": {"output": "y1"}}).description["output"] == "y1"
    with pytest.raises(ModelError, match="unknown output of the ONNX model `z`"):
        load_model({**spec, "arguments": {"output": "z"}})
    with pytest.raises(ConfigError, match="did you mean `output`"):
        load_model({**spec, "arguments": {"outptu": "z"}})


@pytest.mark.parametrize(
    ("inputs", "element", "message"),
    [
        ([["n", 1, 2, 2], ["n", 3]], TensorProto.FLOAT, "takes 2 inputs"),
        ([["n", 4]], TensorProto.FLOAT, "2 axes"),
        ([["n", 1, 2, 2]], TensorProto.INT64, r"tensor\(int64\)"),
    ],
)
def test_onnx_model_of_other_inputs_is_refused(tmp_path, inputs, element, message):
    path = onnx_file(tmp_path / "i.onnx", inputs, element)
    with pytest.raises(ModelError, match=message):
        load_model({"kind": "onnx", "path": path})


def test_missing_onnxruntime_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"shiftgauge\[onnx\]"):
        load_model({"kind": "onnx", "path": tmp_path / "x.onnx"})


def test_exported_program_with_two_inputs_is_refused(tmp_path):
    class Two(torch.nn.Module):
        def forward(self, x, y):
            return x.flatten(1) + y

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(Two(), (torch.rand(2, 1, 2, 2), torch.rand(2, 4)))
        torch.export.save(program, tmp_path / "two.pt2")
    with pytest.raises(ModelError, match=r"it takes: \(2, 1, 2, 2\), \(2, 4\)"):
        load_model({"kind": "pt2", "path": tmp_path / "two.pt2"})


def test_loading_the_front_door_does_not_import_optional_packages():
    code = "import sys, shiftgauge.models.load; print([m for m in ('onnxruntime', 'onnx', 'timm') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
