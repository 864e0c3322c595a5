"""Activation maximisation: bounds, fixed points, closed forms on linear networks, batches, what is left behind."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, DataError, ModelError, NumericalError
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.maximize import maximize
from shiftgauge.explain.objectives import ChannelMean, Direction, Neuron
from shiftgauge.explain.operators import GaussianBlur, Jitter, Scale
from shiftgauge.explain.regularizers import SquaredNorm, TotalVariation
from shiftgauge.models.callable_model import CallableClassifier
from shiftgauge.models.model_folder import load_model_folder, write_model_folder
from shiftgauge.models.model_record import ModelRecord, NetworkOptions
from shiftgauge.models.preprocessing import Preprocessing
from small_networks import ConvNet, held, in_place, left_as_it_was, linear, wrap

COLOURS = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}


def climb(**options):
    return ActivationMaximization(**{"steps": 20, **options})


def bare(**options):
    """Without regularisers or bounds."""
    return climb(**{"regularizers": (), "bounds": "none", **options})


def picture(shape=(3, 8, 8), seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("views", [(), (Jitter(), Scale())])
@pytest.mark.parametrize("scale", ["input", "pixel"])
@pytest.mark.parametrize("gradient", ["plain", "normalised"])
def test_with_both_sizes_zero_an_image_stays_bit_for_bit(views, scale, gradient):
    start = 3 * picture() - 1  # parts of it beyond black and white
    options = climb(step_size=0, penalty_size=0, views=views, scale=scale, gradient=gradient)
    found = maximize(wrap(ConvNet(), **COLOURS), [0, 1], start=start, options=options)
    assert found.images.tobytes() == torch.stack([start, start]).numpy().tobytes()
    assert found.start.tobytes() == found.images.tobytes()
    assert not found.distance_l2.any()
    assert not found.distance_max.any()
    assert (found.activation == found.activation[:, :1]).all()


def test_whole_range_of_the_input_scale_can_be_reached_and_no_more():
    found = maximize(wrap(linear()), [0, 1, 2], options=climb(steps=300, step_size=1.0))
    assert (found.inputs.min(), found.inputs.max()) == (-1.0, 1.0)
    assert (found.images.min(), found.images.max()) == (0.0, 1.0)
    coloured = maximize(wrap(linear(), **COLOURS), [0], options=climb(steps=300, step_size=10.0, penalty_size=0))
    low, high = ([(b - m) / s for m, s in zip(COLOURS["mean"], COLOURS["std"], strict=True)] for b in (0, 1))
    assert np.allclose(coloured.inputs[0].min(axis=(1, 2)), low, atol=1e-6)
    assert np.allclose(coloured.inputs[0].max(axis=(1, 2)), high, atol=1e-6)


def test_dark_start_does_not_jump_and_can_be_changed_both_ways():
    start = torch.full((3, 8, 8), 0.25)  # −0.5 in the input scale, which a clamp to [0, 1] would lift to 0
    net = linear()
    found = maximize(wrap(net), [0], start=start, options=climb(steps=1, step_size=0.01, penalty_size=0))
    weight = net[1].weight[0].detach().view(3, 8, 8).numpy()
    assert np.allclose(found.inputs[0], -0.5 + 0.01 * weight, atol=1e-6)
    assert found.inputs.min() < -0.5 < found.inputs.max() < 0


def test_start_beyond_the_bounds_goes_no_further_out_and_may_come_back():
    start = torch.full((3, 8, 8), 1.2)
    start[:, 4:] = -0.3
    found = maximize(wrap(linear()), [0], start=start, options=climb(steps=3, step_size=1e6, penalty_size=0))
    image, weight = found.images[0], linear()[1].weight[0].detach().view(3, 8, 8).numpy()
    assert np.array_equal(image[:, :4], np.where(weight[:, :4] > 0, start[:, :4], 0))
    assert np.array_equal(image[:, 4:], np.where(weight[:, 4:] > 0, 1, start[:, 4:]))


@pytest.mark.parametrize("scale", ["input", "pixel"])
def test_linear_network_has_its_closed_form(scale):
    net, start = linear(), picture()
    found = maximize(wrap(net, **COLOURS), [2, 0], start=start, options=bare(step_size=0.3, scale=scale))
    mean, std = (torch.tensor(COLOURS[k]).view(3, 1, 1).double() for k in ("mean", "std"))
    for k, row in zip((2, 0), range(2), strict=True):
        weight = net[1].weight[k].detach().view(3, 8, 8).double()
        slope, width = (weight, std) if scale == "input" else (weight / std, torch.ones_like(std))
        assert np.allclose(found.images[row], start.double() + width * 20 * 0.3 * slope, atol=1e-5)
        rise = 0.3 * float((slope**2).sum())
        first = float((((start - mean) / std) * weight).sum() + net[1].bias[k].detach())
        assert np.allclose(found.activation[row], first + rise * np.arange(21), rtol=1e-5, atol=1e-4)
        assert np.allclose(found.slope[row, :-1], float((slope**2).sum()) ** 0.5, rtol=1e-5)
        assert np.isnan(found.slope[row, -1])


@pytest.mark.parametrize("options", [climb(), climb(gradient="normalised"), climb(views=(Jitter(), Scale()), steps=60)])
def test_logit_of_a_linear_network_rises(options):
    found = maximize(wrap(linear()), [0, 1, 2], options=options)
    assert (found.activation[:, -1] > found.activation[:, 0]).all()
    if not options.views:
        assert (np.diff(found.activation, axis=1) > 0).all()
        assert found.predicted[:, -1].tolist() == [0, 1, 2]


def test_normalised_steps_have_the_stated_length():
    options = bare(step_size=0.25, gradient="normalised", scale="pixel")
    found = maximize(wrap(linear()), [1], start=picture(), options=options)
    assert np.allclose(found.distance_l2[0], 0.25 * np.arange(21), atol=1e-5)
    assert np.allclose(found.distance_rms, found.distance_l2 / np.sqrt(3 * 8 * 8))


def test_where_nothing_has_a_slope_nothing_moves():
    class Flat(nn.Module):
        def forward(self, x):
            return torch.stack([x.mean(dim=(1, 2, 3)), torch.zeros(len(x))], dim=1)

    found = maximize(wrap(Flat()), [1, 0], start=picture(), options=bare(gradient="normalised"))
    assert np.array_equal(found.images[0], picture().numpy())
    assert found.without_slope == (found.targets[0],)


def test_unit_that_is_off_is_told():
    net, dead = ConvNet(), ChannelMean(block="block", channel=1)
    with torch.no_grad():
        net.block[0].bias[1] = -100
    found = maximize(wrap(net), [0, dead], start=picture(), options=climb(steps=3))
    assert found.without_slope == ("block, channel 1",)
    assert maximize(wrap(ConvNet()), [0], options=climb(steps=3, step_size=0)).without_slope == ()


def test_squared_length_alone_shrinks_by_its_closed_form():
    options = bare(step_size=0, penalty_size=0.05, regularizers=(SquaredNorm(weight=2),))
    found = maximize(wrap(linear(), **COLOURS), [0], start=picture(), options=options)
    inputs = (picture() - torch.tensor(COLOURS["mean"]).view(3, 1, 1)) / torch.tensor(COLOURS["std"]).view(3, 1, 1)
    assert np.allclose(found.inputs[0], inputs * (1 - 2 * 2 * 0.05) ** 20, atol=1e-5)
    assert np.allclose(found.penalty[0], 2 * float((inputs**2).sum()) * (1 - 0.2) ** (2 * np.arange(21)), rtol=1e-4)


def test_total_variation_alone_smooths():
    options = climb(step_size=0, penalty_size=0.005, regularizers=(TotalVariation(reduce="sum"),))
    found = maximize(wrap(linear()), [0], start=picture(), options=options)
    assert found.penalty[0, -1] < 0.8 * found.penalty[0, 0]
    assert found.images.std() < picture().std()


def test_blur_is_the_operator_of_a_step():
    start, blur = picture(), GaussianBlur(sigma_px=0.8)
    found = maximize(
        wrap(linear(), **COLOURS), [0], start=start, options=bare(steps=1, step_size=0.3, operators=(blur,))
    )
    weight = linear()[1].weight[0].detach().view(3, 8, 8)
    expected = blur.apply(start[None], 0)[0] + torch.tensor(COLOURS["std"]).view(3, 1, 1) * 0.3 * weight
    assert np.allclose(found.images[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        climb(),
        climb(gradient="normalised", views=(Jitter(pixels=1), Scale())),
        climb(operators=(GaussianBlur(every=4),), regularizers=(TotalVariation(reduce="sum", weight=0.01),)),
    ],
)
def test_batch_of_targets_equals_single_runs(options):
    classifier = wrap(ConvNet(), **COLOURS)
    targets = [
        0,
        3,
        Neuron(block="norm", index=(2, 3, 4)),
        ChannelMean(block="block", channel=0),
        Direction(block="norm", vector=np.arange(6) - 2.0),
    ]
    together = maximize(classifier, targets, options=options)
    pairs = maximize(classifier, targets, options=options, batch_size=2)
    for row, target in enumerate(targets):
        alone = maximize(classifier, [target], options=options)
        for found in (together, pairs):
            assert np.allclose(found.images[row], alone.images[0], atol=1e-4)
            assert np.allclose(found.activation[row], alone.activation[0], atol=1e-3)
            assert found.targets[row] == alone.targets[0]
    assert (together.activation[:, -1] > together.activation[:, 0]).all()


def test_every_target_begins_at_the_same_seeded_noise():
    classifier = wrap(ConvNet(), **COLOURS)
    one, two = (maximize(classifier, [0, 1], options=climb(steps=1, seed=s)).start for s in (0, 1))
    assert np.array_equal(one[0], one[1])
    assert np.array_equal(one, maximize(classifier, [0, 1], options=climb(steps=1)).start)
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("make", [ConvNet, held])
def test_network_is_left_as_it_was(make):
    net = make()
    classifier = wrap(net)
    assert (classifier.module is net) == (make is held)
    targets, options = [0, ChannelMean(block="block", channel=0)], climb(views=(Jitter(),))
    with left_as_it_was(net), left_as_it_was(classifier.module):
        found = maximize(classifier, targets, options=options)
    assert np.array_equal(found.images, maximize(classifier, targets, options=options).images)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_caller_s_gradient_mode_changes_nothing(mode):
    classifier = wrap(ConvNet())
    expected = maximize(classifier, [0], start=picture(), options=climb()).images
    with mode():
        start = picture()
        assert np.array_equal(maximize(classifier, [0], start=start, options=climb()).images, expected)


def test_a_network_that_writes_into_its_input_is_climbed_like_one_that_does_not():
    found, plain = in_place()
    ours, truth = (maximize(c, [0, 2], start=picture(), options=climb(scale="pixel")) for c in (found, plain))
    np.testing.assert_allclose(ours.images, truth.images, atol=1e-4)
    np.testing.assert_allclose(ours.start, truth.start)


def test_start_is_not_written_to_and_may_be_read_only():
    start = picture().numpy()
    start.flags.writeable = False
    before = start.copy()
    maximize(wrap(linear()), [0], start=start, options=climb())
    assert np.array_equal(start, before)


def test_each_target_may_have_its_own_start():
    starts = torch.stack([picture(seed=1), picture(seed=2)])
    classifier = wrap(ConvNet())
    found = maximize(classifier, [0, 0], start=starts, options=climb())
    assert np.array_equal(found.start, starts.numpy())
    assert not np.array_equal(found.images[0], found.images[1])


@pytest.mark.parametrize("channels", [1, 3])
def test_model_folder_of_either_number_of_channels(channels, tmp_path):
    options = NetworkOptions(name="mobilenetv3_small_050", n_classes=3, channels=channels)
    record = ModelRecord(
        architecture=options,
        task="single",
        classes=("good", "scratch", "stain"),
        preprocessing=Preprocessing(height=32, width=40, channels=channels, mean=(0.4,), std=(0.2,)),
        temperature=2.5,
    )
    folder = write_model_folder(tmp_path / "model", options.build().network.eval(), record)
    classifier = load_model_folder(folder, device="cpu")
    block = classifier.main_blocks[0]
    found = maximize(classifier, ["stain", ChannelMean(block=block, channel=0)], options=climb(steps=3, step_size=50.0))
    assert found.images.shape == (2, channels, 32, 40)
    assert found.targets == ("stain", f"{block}, channel 0")
    assert (found.activation[:, -1] > found.activation[:, 0]).all()
    logits = classifier.outputs(torch.from_numpy(found.images[:1]))
    assert found.activation[0, -1] == pytest.approx(float(logits[0, 2]), abs=1e-5)
    assert found.fingerprint == classifier.fingerprint


def test_one_channel_by_closed_form():
    net = linear(shape=(1, 4, 6))
    start = picture((1, 4, 6))
    found = maximize(wrap(net, (1, 4, 6), mean=0.3, std=0.2), [1], start=start, options=bare(step_size=0.1))
    weight = net[1].weight[1].detach().view(1, 4, 6)
    assert np.allclose(found.images[0], start + 0.2 * 20 * 0.1 * weight, atol=1e-5)


def test_trace_is_of_the_images_and_views_do_not_touch_it():
    classifier = wrap(ConvNet())
    for views in ((), (Jitter(pixels=3), Scale(low=0.5, high=2))):
        found = maximize(classifier, [1], start=picture(), options=climb(views=views))
        for step, image in ((0, found.start), (20, found.images)):
            logits = classifier.outputs(torch.from_numpy(image))
            assert found.activation[0, step] == pytest.approx(float(logits[0, 1]), abs=1e-5)
            assert found.predicted[0, step] == int(logits.argmax())
        gone = found.images - found.start
        assert found.distance_l2[0, -1] == pytest.approx(float(np.linalg.norm(gone)), rel=1e-5)
        assert found.distance_max[0, -1] == pytest.approx(float(np.abs(gone).max()))
        assert found.evaluations == 20 * (2 if views else 1) + 1
        assert found.gradients == 20


def test_dataset_names_the_axes_and_records_what_was_asked():
    found = maximize(wrap(ConvNet()), [0, Neuron(block="head", index=1)], options=climb(views=(Jitter(),)))
    data = found.dataset()
    assert data["image"].dims == ("target", "channel", "y", "x")
    assert data["activation"].dims == ("target", "step")
    assert data["step"].values.tolist() == list(range(21))
    assert data["target"].values.tolist() == [*found.targets] == [found.class_names[0], "head[1]"]
    assert json.loads(data.attrs["options"])["views"] == [{"name": "jitter", "pixels": 2}]
    assert json.loads(data.attrs["asked"])[1] == {"kind": "neuron", "block": "head", "index": [1]}
    assert data.attrs["seconds"] > 0


def test_progress_counts_images_and_steps():
    told = []
    maximize(
        wrap(linear()),
        [0, 1, 2],
        options=climb(steps=4),
        batch_size=2,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[0] == (2, 12)
    assert told[-1] == (12, 12)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"step_size": -0.1},
        {"penalty_size": float("nan")},
        {"gradient": "signed"},
        {"bounds": "clamp"},
        {"scale": "pixels"},
        {"noise": -1},
        {"seed": -1},
    ],
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ConfigError):
        ActivationMaximization(**wrong)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (np.zeros((3, 8, 9)), r"\(N, 3, 8, 8\)"),
        (np.zeros((8, 8)), r"\(N, 3, 8, 8\)"),
        (np.zeros((0, 3, 8, 8)), "empty"),
        (np.zeros((3, 3, 8, 8)), "one image for all 2 targets"),
        (np.full((3, 8, 8), np.nan), "NaN"),
        (np.zeros((3, 8, 8), np.uint8), "divide grey levels by 255"),
        (np.full((3, 8, 8), 200.0), "divide grey levels by 255"),
    ],
)
def test_start_that_does_not_fit_is_refused(start, message):
    with pytest.raises(DataError, match=message):
        maximize(wrap(linear()), [0, 1], start=start, options=climb())


def test_activation_that_is_not_finite_is_named():
    class Blows(nn.Module):
        def forward(self, x):
            value = x.mean(dim=(1, 2, 3)).exp().exp().exp()
            return torch.stack([value, -value], dim=1)

    with pytest.raises(NumericalError, match="not finite after"):
        maximize(wrap(Blows()), [0], start=picture(), options=bare(step_size=1e3))


def test_model_without_gradients_is_refused():
    plain = CallableClassifier(
        lambda x: torch.stack([x.mean(dim=(1, 2, 3)), x.amax(dim=(1, 2, 3))], 1),
        preprocessing=Preprocessing(height=4, width=4),
        output_kind="logits",
        fingerprint="plain",
    )
    with pytest.raises(ModelError, match="gives no gradients"):
        maximize(plain, [0])


def test_batch_size_is_at_least_one():
    with pytest.raises(ConfigError, match="batch_size"):
        maximize(wrap(linear()), [0], batch_size=0)
