"""Adversarial training as it is wired: the published half batches, balls and ranges, and what it is worth."""

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.attack.budget import Budget
from shiftgauge.attack.perturb import perturb
from shiftgauge.attack.pgd import PGD
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.input_scale import InputScale
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.random import stream_key
from shiftgauge.studies.adversarial_options import DEFAULTS, AdversarialOptions
from shiftgauge.studies.adversarial_training import adversarial_arguments, as_two_logits
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.images import HeldPixels, Part
from shiftgauge.train.objectives import Free, Trades, divergence
from shiftgauge.train.options import OptimizerOptions
from train.toy import PREPROCESSING, network, options, run, same

WIDE = Preprocessing(height=6, width=6, channels=2, mean=(0.5, 0.4), std=(0.25, 0.5))
SCALE = InputScale(mean=WIDE.mean, std=WIDE.std)


def wired(task="single", seed=0, **values):
    return adversarial_arguments(AdversarialOptions(**values), preprocessing=WIDE, task=task, seed=seed)


def net(n_classes=3, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(72, 16), nn.Tanh(), nn.Linear(16, n_classes))


def batch(n=64, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return 0.2 + 0.6 * torch.rand(n, 2, 6, 6, generator=rng), torch.randint(0, 3, (n,), generator=rng)


def seen(model):
    return lambda x: model(SCALE.of_pixels(x))


def test_the_published_half_batch_is_32_clean_images_and_32_pushed_by_i_thousandths_of_the_input_scale():
    images, labels = batch()
    change = wired(method="fgsm", epsilon=0.032, unit="input", clip=False)["perturb"]
    found = change(seen(net()), images, labels, 3, 5)
    at = images[32:].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(seen(net())(at), labels[32:], reduction="sum"), at)
    steps = torch.tensor([(i + 1) / 1000 for i in range(32)]).view(-1, 1, 1, 1)
    width = torch.tensor(WIDE.std).view(1, 2, 1, 1)
    assert torch.equal(found[:32], images[:32])
    assert torch.allclose(found[32:], images[32:] + steps * width * gradient.sign(), atol=1e-7)
    in_scale = (SCALE.of_pixels(found) - SCALE.of_pixels(images))[32:].abs()
    assert torch.allclose(in_scale, steps.expand_as(in_scale), atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("unit", ["pixel", "input"])
@pytest.mark.parametrize("method", ["fgsm", "pgd", "fast"])
def test_replaced_images_stay_in_their_ball_and_range(method, unit, norm):
    images, labels = batch(12)
    images[0] = 1.0
    more = {} if method == "fgsm" else {"share": 1.0}
    change = wired(method=method, epsilon=0.3, unit=unit, norm=norm, **more)["perturb"]
    found = change(seen(net()), images, labels, 0, 0)
    away = (found - images) / (torch.tensor(WIDE.std).view(1, 2, 1, 1) if unit == "input" else 1)
    size = away.flatten(1).abs().amax(dim=1) if norm == "linf" else away.flatten(1).norm(dim=1)
    assert (size <= 0.3 * (1 + 1e-6)).all()
    assert (size[-6:] > 0).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_random_starts_are_a_function_of_seed_epoch_and_batch():
    images, labels = batch(8)
    model = seen(net())
    change = wired(method="fast", epsilon=0.1)["perturb"]
    first = change(model, images, labels, 1, 2)
    assert torch.equal(first, change(model, images, labels, 1, 2))
    others = [change(model, images, labels, *place) for place in ((1, 3), (2, 2))]
    others.append(wired(method="fast", epsilon=0.1, seed=1)["perturb"](model, images, labels, 1, 2))
    assert not any(torch.equal(first, other) for other in others)


@pytest.mark.parametrize(("method", "attack"), [("fast", PGD(steps=1, relative_step=1.25)), ("pgd", PGD())])
def test_the_search_is_the_attack_of_that_name(method, attack):
    images, labels = batch(8)
    change = wired(method=method, epsilon=0.1, clip=False)["perturb"]
    key = stream_key(0, "train", "adversarial", 4, 2)
    expected = perturb(seen(net()), images, labels, attack, Budget(epsilon=0.1), seed=key)
    assert torch.equal(change(seen(net()), images, labels, 4, 2), expected)


def test_trades_looks_for_the_largest_divergence():
    """Two classes, a linear network: the divergence is largest in a corner of the ball that moves the logit most."""
    weight = torch.randn(72, generator=torch.Generator().manual_seed(1))
    images, _ = batch(6)
    logits = lambda x: torch.stack([x.flatten(1) @ weight, -(x.flatten(1) @ weight)], dim=1)  # noqa: E731
    objective = wired(method="trades", epsilon=0.05, steps=20, beta=2.0)["objective"]
    assert isinstance(objective, Trades)
    assert objective.beta == 2.0
    clean = logits(images)
    found = objective.search(logits, lambda z: divergence(clean, z, "single"), images, 0, 0)
    move = (found - images).flatten(1)
    assert torch.allclose(move.abs(), torch.full_like(move, 0.05), atol=1e-6)
    assert all(torch.equal(m.sign(), weight.sign()) or torch.equal(m.sign(), -weight.sign()) for m in move)


def test_of_several_labels_the_binary_cross_entropy_is_raised():
    weight = torch.randn(72, 3, generator=torch.Generator().manual_seed(1))
    images, _ = batch(6)
    targets = torch.randint(0, 2, (6, 3), generator=torch.Generator().manual_seed(2)).float()
    change = wired(task="multi", method="fgsm", epsilon=0.05, share=1.0, ramp=False, clip=False)["perturb"]
    found = change(lambda x: x.flatten(1) @ weight, images, targets, 0, 0)
    slope = (torch.sigmoid(images.flatten(1) @ weight) - targets) @ weight.T
    assert torch.allclose((found - images).flatten(1), 0.05 * slope.sign(), atol=1e-6)


@pytest.mark.parametrize("clip", [True, False])
def test_the_perturbation_of_free_training_goes_a_step_and_stays_in_its_ball(clip):
    images, _ = batch(4)
    images[0] = 0.98
    objective = wired(method="free", epsilon=0.04, relative_step=0.5, clip=clip)["objective"]
    assert isinstance(objective, Free)
    delta, gradient = (
        0.03 * torch.ones_like(images),
        torch.randn(images.shape, generator=torch.Generator().manual_seed(0)),
    )
    expected = (delta + 0.02 * gradient.sign()).clamp(-0.04, 0.04)
    if clip:
        expected = (images + expected).clamp(0, 1) - images
    assert torch.allclose(objective.advance(images, delta, gradient), expected, atol=1e-6)
    round_ = wired(method="free", epsilon=0.4, norm="l2", clip=False)["objective"]
    far = round_.advance(images, delta, gradient).flatten(1).norm(dim=1)
    assert torch.allclose(far, torch.full((4,), 0.4), atol=1e-5)


def test_any_loss_is_what_an_attack_on_two_logits_raises():
    model, images = seen(net()), batch(5)[0]
    loss_of = lambda z: z.square().sum(dim=1)  # noqa: E731
    at = images.clone().requires_grad_()
    two = as_two_logits(model, loss_of)(at)
    assert torch.allclose(two[:, 1] - two[:, 0], loss_of(model(images)))
    (gradient,) = torch.autograd.grad((two[:, 1] - two[:, 0]).sum(), at)
    (expected,) = torch.autograd.grad(loss_of(model(at)).sum(), at)
    assert torch.allclose(gradient, expected)


def tempting(n, seed=0):
    """Stripes that name the class for nine images of ten, under a faint pattern that names it for every one."""
    rng, pattern = np.random.default_rng(seed), np.random.default_rng(99).choice([-1, 1], (3, 12, 12))
    classes = rng.integers(0, 3, n)
    shown = np.where(rng.random(n) < 0.1, (classes + 1) % 3, classes)
    pixels = 0.5 + 0.1 * rng.standard_normal((n, 12, 12)) + 0.04 * pattern[classes]
    for image, height in zip(pixels, shown, strict=True):
        image[4 * height : 4 * height + 4] += 0.25
    held = HeldPixels(torch.from_numpy((pixels.clip(0, 1) * 255).round().astype(np.uint8)[:, None]))
    return Part(pixels=held, targets=torch.from_numpy(classes), names=tuple(f"i{k}" for k in range(n)))


def trained(folder, epochs, **arguments):
    """A linear network trained on the tempting images."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fresh = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))
    chosen = options(
        epochs=epochs, monitor="last", optimizer=OptimizerOptions(learning_rate=5e-3), augment=AugmentOptions()
    )
    parts = {"train": tempting(256), "validation": tempting(60, 1)}
    return run(folder, fresh, chosen, progress=False, **parts, **arguments)[0]


def survived(model, epsilon):
    """Share of new images that are right after white-box PGD."""
    part, scale = tempting(200, 5), InputScale(mean=(0.5,), std=(0.5,))
    logits = lambda x: model(scale.of_pixels(x))  # noqa: E731
    attack, budget = PGD(steps=20, relative_step=0.1), Budget(epsilon=epsilon, bounds=(0, 1))
    found = perturb(logits, part.pixels.batch(range(200)), part.targets, attack, budget, seed=1)
    return (logits(found).argmax(dim=1) == part.targets).float().mean().item()


@pytest.mark.parametrize("method", list(DEFAULTS))
def test_every_method_trains_a_network_that_withstands_more(tmp_path, method):
    chosen = AdversarialOptions(method=method, epsilon=0.08)
    arguments = adversarial_arguments(chosen, preprocessing=PREPROCESSING, task="single", seed=0)
    epochs = 2 if method == "free" else 6
    plain, hard = trained(tmp_path / "a", 6), trained(tmp_path / "b", epochs, **arguments)
    assert survived(plain, 0.08) < 0.25
    assert survived(hard, 0.08) > 0.6
    assert same(hard, trained(tmp_path / "c", epochs, **arguments))


def test_the_modes_differ_and_running_averages_move_once_a_step(tmp_path):
    nets = []
    for mode in ("eval", "train"):
        chosen = AdversarialOptions(epsilon=0.1, steps=3, inner_mode=mode)
        arguments = adversarial_arguments(chosen, preprocessing=PREPROCESSING, task="single", seed=0)
        nets.append(run(tmp_path / mode, network(), options(epochs=1, monitor="last"), progress=False, **arguments)[0])
    assert [int(n[1].num_batches_tracked) for n in nets] == [6, 6]
    assert not same(*nets)


def test_images_outside_the_range_are_said_where_they_are_to_stay_in_it():
    images, labels = batch(4)
    with pytest.raises(DataError, match="outside `bounds`"):
        wired(epsilon=0.1)["perturb"](seen(net()), images + 0.5, labels, 0, 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "fgms"}, "unknown method of adversarial training `fgms`; did you mean `fgsm`"),
        ({"epsilon": 0}, "`epsilon` must be above 0, got 0; leave `adversarial` out"),
        ({"epsilon": float("inf")}, "`epsilon` must be ≥ 0"),
        ({"method": "fgsm", "steps": 3}, "`steps` counts with `method` pgd or trades alone, got it with fgsm"),
        ({"method": "free", "inner_mode": "eval"}, "`inner_mode` counts with `method` fgsm, pgd, trades or fast alone"),
        ({"method": "pgd", "beta": 3}, "`beta` counts with `method` trades alone, got it with pgd; leave it out"),
        ({"method": "trades", "beta": -1}, "`beta` must be ≥ 0"),
        ({"steps": 0}, "`steps` must be a whole number ≥ 1"),
        ({"share": 0.0}, "`share` must be above 0"),
        ({"relative_step": 0}, "`relative_step` must be above 0"),
        ({"inner_mode": "evil"}, "did you mean `eval`"),
        ({"norm": "l1"}, "unknown norm `l1`"),
        ({"unit": "pixels"}, "did you mean `pixel`"),
        ({"clip": 1}, "`clip` must be true or false"),
        ({"ramp": 1}, "`ramp` must be true or false"),
    ],
)
def test_wrong_options_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        AdversarialOptions(**{"epsilon": 0.1, **values})


@pytest.mark.parametrize("method", list(DEFAULTS))
def test_a_record_holds_what_counts_and_a_sentence_says_it(method):
    chosen = AdversarialOptions(method=method, epsilon=0.031)
    assert set(chosen.to_dict()) == {"method", "epsilon", "unit", "norm", "clip", *DEFAULTS[method]}
    assert chosen.text.startswith("Adversarial training: ")
    assert "ε 0.031 of the pixel range" in chosen.text
    assert "  " not in chosen.text
    assert np.isfinite(chosen.epsilon)
