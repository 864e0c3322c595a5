"""Maps equal a slow loop and, on a linear block, their closed form."""

import numpy as np
import pytest
import torch
from torch import nn

from pushed_networks import slow_maps, two_layers, wrapped
from shiftgauge.errors import ConfigError, DataError, ModelError
from shiftgauge.explain import batching, windows
from shiftgauge.explain.derivative_maps import derivative_maps
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps, pixelised, push_fields
from shiftgauge.models import device
from shiftgauge.models.capture import block_outputs
from shiftgauge.models.compat import prepare_torchvision
from small_networks import ConvNet, held, in_place, left_as_it_was, wrap

IMAGES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def normalised(images: torch.Tensor) -> torch.Tensor:
    return (images - 0.5) / 0.25


@pytest.mark.parametrize("channels", ["each", "together"])
@pytest.mark.parametrize("batch_size", [1, 7, 48, None])
def test_two_convolutions_equal_a_slow_loop(channels, batch_size):
    net, names = two_layers(), ["0", "2", "4"]
    chosen = PerturbationOptions(epsilon=0.3, channels=channels)
    found = perturbation_maps(wrapped(net), IMAGES, blocks=names, options=chosen, batch_size=batch_size)
    for i, image in enumerate(IMAGES):
        slow = slow_maps(two_layers(), names, normalised(image), torch.full((3, 8, 8), 0.3), channels == "together")
        np.testing.assert_allclose(found.norm_of_difference[i], slow[0], atol=1e-5)
        np.testing.assert_allclose(found.difference_of_norms[i], slow[1], atol=1e-5)


def test_a_linear_block_has_a_closed_form():
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 6))
    found = perturbation_maps(wrapped(net), IMAGES[:1], blocks=["1"], options=PerturbationOptions(epsilon=0.2))
    weight = net[1].weight.detach().double()
    before = net(normalised(IMAGES[:1])).detach().double()
    np.testing.assert_allclose(found.norm_of_difference.ravel(), 0.2 * weight.norm(dim=0), rtol=1e-5)
    after = (before.T + 0.2 * weight).norm(dim=0) - before.norm()
    np.testing.assert_allclose(found.difference_of_norms.ravel(), after, atol=1e-6)
    assert found.block_norm.item() == pytest.approx(float(before.norm()), rel=1e-6)


def test_two_sides_give_the_mean_of_both_absolute_answers():
    net = two_layers()
    plus, minus = (slow_maps(two_layers(), ["2"], normalised(IMAGES[0]), torch.full((3, 8, 8), e)) for e in (0.5, -0.5))
    found = perturbation_maps(wrapped(net), IMAGES[:1], blocks=["2"], options=PerturbationOptions(epsilon=0.5, sides=2))
    np.testing.assert_allclose(found.norm_of_difference[0], (plus[0] + minus[0]) / 2, atol=1e-5)
    np.testing.assert_allclose(found.difference_of_norms[0], (abs(plus[1]) + abs(minus[1])) / 2, atol=1e-5)


def test_the_published_random_push():
    chosen = PerturbationOptions(law="normal", epsilon=0.1, offset=-0.05, seed=3)
    fields = push_fields(torch.rand(3, 100, 100), torch.ones(3, 1, 1), chosen)
    assert float(fields[0].mean()) == pytest.approx(-0.05, abs=2e-3)
    assert float(fields[0].std()) == pytest.approx(0.1, rel=0.02)
    assert float(fields[0].abs().mean()) == pytest.approx(0.0896, rel=0.02)
    images = torch.cat([IMAGES, IMAGES[:1]])
    found = perturbation_maps(wrapped(two_layers()), images, blocks=["2"], options=chosen, batch_size=48)
    alone = perturbation_maps(wrapped(two_layers()), images[1:2], blocks=["2"], options=chosen, batch_size=12)
    np.testing.assert_allclose(found.norm_of_difference[1:2], alone.norm_of_difference, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.norm_of_difference[0], found.norm_of_difference[2])
    amounts = push_fields(IMAGES[0], torch.full((3, 1, 1), 4.0), chosen)[0]
    slow = slow_maps(two_layers(), ["2"], normalised(IMAGES[0]), amounts)
    np.testing.assert_allclose(found.norm_of_difference[0], slow[0], atol=1e-5)


def test_pixel_scale_and_clamping():
    image = torch.tensor([[[0.0, 0.95, 0.5]]])
    scale = torch.full((1, 1, 1), 4.0)
    chosen = PerturbationOptions(epsilon=0.1, scale="pixel", clamp=True, sides=2)
    up, down = push_fields(image, scale, chosen)
    torch.testing.assert_close(up, torch.tensor([[[0.4, 0.2, 0.4]]]))
    torch.testing.assert_close(down, torch.tensor([[[0.0, -0.4, -0.4]]]))


def test_uniform_pushes_stay_within_epsilon():
    field = push_fields(torch.rand(1, 64, 64), torch.ones(1, 1, 1), PerturbationOptions(law="uniform", epsilon=0.2))[0]
    assert float(field.abs().max()) <= 0.2
    assert float(field.std()) == pytest.approx(0.2 / 3**0.5, rel=0.05)


def test_cells_are_painted_with_their_mean():
    maps = np.random.default_rng(0).random((2, 7, 10))
    found = pixelised(maps, 4)
    for rows in (slice(0, 4), slice(4, 7)):
        for columns in (slice(0, 4), slice(4, 8), slice(8, 10)):
            mean = maps[:, rows, columns].mean(axis=(1, 2), keepdims=True)
            np.testing.assert_allclose(found[:, rows, columns], np.broadcast_to(mean, found[:, rows, columns].shape))
    np.testing.assert_allclose(pixelised(maps, 100), np.broadcast_to(maps.mean(axis=(1, 2), keepdims=True), maps.shape))


def test_maps_are_pixelised_on_demand():
    plain = perturbation_maps(wrapped(two_layers()), IMAGES[:1], blocks=["2"], batch_size=48)
    cells = perturbation_maps(
        wrapped(two_layers()), IMAGES[:1], blocks=["2"], batch_size=48, options=PerturbationOptions(pixelise=3)
    )
    np.testing.assert_array_equal(cells.norm_of_difference, pixelised(plain.norm_of_difference, 3))


def test_one_channel_and_default_blocks():
    found = perturbation_maps(wrapped(two_layers(1), channels=1), torch.rand(1, 1, 8, 8))
    assert found.blocks == ("0", "2", "4")
    assert found.norm_of_difference.shape == (1, 3, 1, 8, 8)
    arrays = found.dataset()
    assert arrays["norm_of_difference"].dims == ("image", "block", "channel", "y", "x")
    assert arrays.attrs["evaluations"] == 64


@pytest.mark.parametrize(
    ("name", "channels", "arguments"),
    [
        ("mobilenetv3_small_050", 1, {}),
        ("resnet10t", 3, {}),
        ("vit_tiny_patch16_224", 3, {"img_size": 32, "patch_size": 8, "depth": 3}),
    ],
)
def test_a_timm_model_is_mapped(name, channels, arguments):
    prepare_torchvision()
    import timm

    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=3, in_chans=channels, **arguments).eval()
    image = torch.rand(1, channels, 32, 32)
    found = perturbation_maps(
        wrapped(net, 32, channels), image, options=PerturbationOptions(channels="together", epsilon=0.5), batch_size=256
    )
    assert len(found.blocks) > 2
    net, x = net.double(), ((image - 0.5) / 0.25).double()
    with torch.no_grad():
        rest = block_outputs(net, x, found.blocks)
        for i, j in ((0, 0), (13, 17), (31, 30)):
            pushed = x.clone()
            pushed[..., i, j] += 0.5
            for b, (block, values) in enumerate(block_outputs(net, pushed, found.blocks).items()):
                norm = float((values - rest[block]).norm())
                atol = 1e-6 * float(rest[block].norm())
                assert norm > 100 * atol
                assert found.norm_of_difference[0, b, 0, i, j] == pytest.approx(norm, rel=1e-3, abs=atol)
                signed = float(values.norm() - rest[block].norm())
                assert found.difference_of_norms[0, b, 0, i, j] == pytest.approx(signed, rel=1e-3, abs=atol)


def test_networks_that_cannot_be_traced_give_the_same_maps():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = two_layers()

        def forward(self, x):
            return self.inner(x) if float(x.mean()) > -1e9 else self.inner(-x)

    local = perturbation_maps(wrapped(two_layers()), IMAGES, blocks=["0", "2"], batch_size=48)
    whole = perturbation_maps(wrapped(Branching()), IMAGES, blocks=["inner.0", "inner.2"], batch_size=48)
    assert local.cost["local"] is True
    assert whole.cost["local"] is False
    np.testing.assert_allclose(local.norm_of_difference, whole.norm_of_difference, atol=1e-5)
    np.testing.assert_allclose(local.difference_of_norms, whole.difference_of_norms, atol=1e-5)


@pytest.mark.parametrize("traceable", [True, False])
def test_networks_that_write_into_their_input_give_the_maps_of_those_that_do_not(traceable):
    found, plain = in_place(traceable)
    images = IMAGES.clone()
    chosen = PerturbationOptions(epsilon=0.1, scale="pixel")
    ours = perturbation_maps(found, images, blocks=["net.norm", "net.block"], options=chosen, batch_size=12)
    truth = perturbation_maps(plain, IMAGES, blocks=["norm", "block"], options=chosen, batch_size=12)
    assert torch.equal(images, IMAGES)
    assert ours.cost["local"] is traceable
    np.testing.assert_allclose(ours.block_norm, truth.block_norm, rtol=1e-5)
    np.testing.assert_allclose(ours.norm_of_difference, truth.norm_of_difference, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(ours.difference_of_norms, truth.difference_of_norms, rtol=1e-3, atol=1e-5)


@pytest.fixture
def pushed_shapes(monkeypatch):
    """Shapes of all pushes that a network is asked for, after those by which it is checked."""
    shapes, respond = [], windows.LocalNetwork.respond

    def told(self, rest, push, way, sink):
        shapes.append(tuple(push.values.shape))
        respond(self, rest, push, way, sink)

    monkeypatch.setattr(windows, "_agree", lambda *a: True)
    monkeypatch.setattr(windows.LocalNetwork, "respond", told)
    return shapes


def clock(monkeypatch, shapes, seconds_of):
    """Time that passes as the pushes say."""

    class Clock:
        @staticmethod
        def perf_counter():
            return sum(seconds_of(n) for n, *_ in shapes)

    monkeypatch.setattr(batching, "time", Clock)


@pytest.mark.parametrize(("seconds_of", "size"), [(lambda n: 1 + n / 100, 192), (lambda n: n / 1000, 12)])
def test_one_small_image_is_worth_a_trial_of_the_shapes_that_are_run(monkeypatch, pushed_shapes, seconds_of, size):
    clock(monkeypatch, pushed_shapes, seconds_of)
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    classifier = wrapped(net, 32)
    found = perturbation_maps(classifier, torch.rand(1, 3, 32, 32), blocks=["0", "2"])
    assert found.cost["batch_size"] == size
    run = 3072 // size
    trial, run = pushed_shapes[:-run], pushed_shapes[-run:]
    side = int((size // 3) ** 0.5)
    assert set(run) == {(size, 3, side, side)}
    assert [shape[0] for shape in trial] == [12, 12, 48, 192]
    assert set(trial) == {(n, 3, s, s) for n, s in ((12, 2), (48, 4), (192, 8))}
    assert sum(n for n, *_ in trial) <= 0.1 * 3072


def test_no_trial_of_little_work_and_one_in_a_band_of_rows(monkeypatch, pushed_shapes):
    clock(monkeypatch, pushed_shapes, lambda n: 1 + n / 100)
    classifier = wrapped(two_layers())
    assert perturbation_maps(classifier, IMAGES, blocks=["2"]).cost["batch_size"] == 48
    assert {n for n, *_ in pushed_shapes} == {48}
    pushed_shapes.clear()
    band = perturbation_maps(classifier, IMAGES[:1].expand(96, -1, -1, -1), blocks=["0"], rows=(5, 7))
    assert band.cost["batch_size"] == 192
    assert set(pushed_shapes) == {(12, 3, 2, 2), (24, 3, 2, 4), (48, 3, 2, 8)}


def test_blocks_stand_in_the_order_of_the_network():
    class HeadFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.unused, self.second = nn.Linear(256, 4), nn.Linear(2, 2), nn.Conv2d(4, 4, 3, padding=1)
            self.first = nn.Conv2d(3, 4, 3, padding=1)

        def forward(self, x):
            return self.head(self.second(self.first(x).relu()).relu().flatten(1))

    classifier = wrapped(HeadFirst())
    assert classifier.main_blocks == ("first", "second", "head")
    found = perturbation_maps(classifier, IMAGES, batch_size=48)
    mixed = perturbation_maps(classifier, IMAGES, blocks=["head", "first"], batch_size=48)
    assert found.blocks == ("first", "second", "head")
    assert found.cost["local"] is mixed.cost["local"] is True
    assert mixed.blocks == ("first", "head")
    np.testing.assert_array_equal(mixed.norm_of_difference, found.norm_of_difference[:, ::2])
    with pytest.raises(ModelError, match="`unused` is not run"):
        perturbation_maps(classifier, IMAGES, blocks=["unused", "first"])


@pytest.mark.parametrize("maps", [perturbation_maps, derivative_maps])
def test_nothing_is_rounded_to_tf32(maps, monkeypatch):
    monkeypatch.setattr(device, "tf32_switches", lambda: (torch.backends.cudnn, torch.backends.cuda.matmul))
    seen = set()

    class Watched(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3)
            self.conv.register_forward_hook(lambda *a: seen.add(torch.backends.cudnn.allow_tf32))

        def forward(self, x):
            return self.conv(x).mean(dim=(2, 3)) if float(x.sum()) else x

    classifier, before = wrapped(Watched()), torch.backends.cudnn.allow_tf32
    seen.clear()
    found = maps(classifier, IMAGES[:1], blocks=["conv"], rows=(0, 1), batch_size=48)
    assert found.cost["precision"] == "float32"
    assert seen == {False}
    assert torch.backends.cudnn.allow_tf32 == before


def test_progress():
    seen = []
    perturbation_maps(wrapped(two_layers()), IMAGES, blocks=["2"], batch_size=48, progress=lambda *a: seen.append(a))
    assert seen[-1] == (384, 384)
    assert len(seen) == 8


@pytest.mark.parametrize("make", [ConvNet, held])
@pytest.mark.parametrize("maps", [perturbation_maps, derivative_maps])
def test_the_network_is_left_as_it_was(make, maps):
    net = make()
    classifier = wrap(net)
    assert (classifier.module is net) == (make is held)
    with left_as_it_was(net), left_as_it_was(classifier.module):
        found = maps(classifier, IMAGES[:1], blocks=["norm", "block"], batch_size=48)
    assert found.cost["local"] is (make is ConvNet)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"epsilon": 0}, "epsilon"),
        ({"epsilon": -1.0}, "epsilon"),
        ({"law": "gauss"}, "law"),
        ({"offset": 0.1}, "offset"),
        ({"sides": 3}, "sides"),
        ({"pixelise": 0}, "pixelise"),
        ({"clamp": "no"}, "`clamp` must be true or false, got 'no'"),
        ({"scale": "pixels"}, "pixel"),
    ],
)
def test_options_outside_their_range(changes, text):
    with pytest.raises(ConfigError, match=text):
        PerturbationOptions(**changes)


def test_clear_errors():
    class Other:
        class_names, input_shape = ("a", "b"), (3, 8, 8)

    classifier = wrapped(two_layers())
    with pytest.raises(ModelError, match="unknown block `conv0`"):
        perturbation_maps(classifier, IMAGES, blocks=["conv0"])
    with pytest.raises(DataError, match=r"\(N, 3, 8, 8\), got \(2, 3, 9, 8\)"):
        perturbation_maps(classifier, torch.rand(2, 3, 9, 8))
    with pytest.raises(DataError, match="no image"):
        perturbation_maps(classifier, IMAGES[:0])
    with pytest.raises(DataError, match="NaN"):
        perturbation_maps(classifier, IMAGES * torch.nan)
    with pytest.raises(ModelError, match="torch network"):
        perturbation_maps(Other(), IMAGES)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="batch_size"):
        perturbation_maps(classifier, IMAGES, batch_size=0)
