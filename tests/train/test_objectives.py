"""Objectives beyond the plain loss, each beside its published algorithm written out as a loop."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, rel_entr, softmax
from torch.nn import functional

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.inner_mode import inner_mode
from shiftgauge.train.objectives import Changed, Free, Step, Trades, divergence
from shiftgauge.train.options import OptimizerOptions
from shiftgauge.train.sampling import epoch_batches
from shiftgauge.train.schedules import ScheduleOptions
from train.toy import network, options, run, same, stripes

LOGITS = arrays(np.float64, (3, 4), elements=st.floats(-30, 30))
EPSILON = 0.05


def climb(images, delta, gradient):
    """One step of sign ascent within the ball, as the free training takes it."""
    return (delta + EPSILON * gradient.sign()).clamp(-EPSILON, EPSILON)


def search(logits, loss, images, epoch, step):
    """Two steps of sign ascent from a start in a corner of the ball."""
    found = images + EPSILON / 2
    for _ in range(2):
        found = found.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(logits(found)).sum(), found)
        found = (images + (found + EPSILON / 2 * gradient.sign() - images).clamp(-EPSILON, EPSILON)).clamp(0, 1)
    return found.detach()


def plain(**more):
    """Two epochs of gradient descent without decay, clipping, changes or averages."""
    return options(
        epochs=2,
        optimizer=OptimizerOptions(kind="sgd", learning_rate=0.05, momentum=0.0, weight_decay=0.0),
        schedule=ScheduleOptions(kind="constant"),
        augment=AugmentOptions(),
        clip=None,
        monitor="last",
        **more,
    )


def without_dropout():
    net = network()
    net[5].p = 0.0
    return net


def by_hand(loss_of, replays=1):
    """The same training as a loop; `loss_of(net, images, targets, start)` gives loss and δ, δ moves by `climb`."""
    net, part, chosen = without_dropout(), stripes(90), plain()
    optimizer = torch.optim.SGD(net.parameters(), 0.05)
    for epoch in range(2):
        carried = torch.zeros(16, 1, 12, 12)
        for rows in epoch_batches(chosen.sampling, part.targets.numpy(), seed=0, epoch=epoch):
            images, targets = part.pixels.batch(rows), part.targets[torch.from_numpy(rows)]
            for _ in range(replays):
                net.train()
                delta = carried[: len(rows)].clone().requires_grad_()
                optimizer.zero_grad()
                loss_of(net, images, targets, delta).backward()
                if delta.grad is not None:
                    carried[: len(rows)] = climb(images, delta.detach(), delta.grad)
                optimizer.step()
    return net.eval()


def alike(a, b):
    return all(
        torch.allclose(x, y, rtol=1e-4, atol=1e-6)
        for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
        if x.is_floating_point()
    )


def normal(images):
    return (images - 0.5) / 0.5


def test_free_training_is_the_published_loop(tmp_path):
    def loss(net, images, targets, delta):
        return functional.cross_entropy(net(normal((images + delta).clamp(0, 1))), targets)

    found, _ = run(tmp_path, without_dropout(), plain(), objective=Free(advance=climb, replays=3))
    assert alike(found, by_hand(loss, replays=3))
    assert found[1].num_batches_tracked == 2 * 6 * 3


def test_free_training_that_never_moves_is_the_plain_one(tmp_path):
    still = Free(advance=lambda images, delta, gradient: torch.zeros_like(delta), replays=1)
    nets = [run(tmp_path / str(k), objective=objective)[0] for k, objective in enumerate((None, still))]
    assert same(*nets)


def test_an_image_without_a_finite_gradient_keeps_its_perturbation():
    objective = Free(advance=climb, replays=2)
    state, images = objective.init(), torch.full((3, 1, 1, 2), 0.5)

    def logits(x):
        scale = torch.tensor([1.0, torch.nan, torch.inf]).view(3, 1)
        return x.flatten(1) * torch.tensor([[1.0, -1.0]]) * torch.where(scale.isfinite(), scale, 0 * scale + torch.nan)

    step = Step(logits=logits, inner=logits, criterion=functional.cross_entropy, task="single", epoch=0, number=0)
    objective.loss(state, step, images, torch.tensor([0, 0, 0])).backward()
    assert state.delta.isfinite().all()
    assert (state.delta[1:] == 0).all()


def test_a_perturbation_goes_on_to_a_longer_batch_and_a_shorter_one():
    objective, seen = Free(advance=climb, replays=1, clip=False), []
    state = objective.init()

    def logits(x):
        seen.append(x.detach().flatten().tolist())
        return x.flatten(1) * torch.tensor([[1.0, -1.0]])

    step = Step(logits=logits, inner=logits, criterion=functional.cross_entropy, task="single", epoch=0, number=0)
    for size in (1, 3, 2):
        objective.loss(state, step, torch.full((size, 1, 1, 2), 0.5), torch.zeros(size, dtype=torch.int64)).backward()
    down = 0.5 - EPSILON
    assert seen[0] == [0.5, 0.5]
    assert seen[1] == pytest.approx([down] * 2 + [0.5] * 4)
    assert seen[2] == pytest.approx([down] * 4)


def test_trades_is_the_published_objective_trained_by_hand(tmp_path):
    def loss(net, images, targets, delta):
        net.eval()
        with torch.no_grad():
            said = functional.softmax(net(normal(images)), dim=1)
        far = images + EPSILON / 2
        for _ in range(2):
            far = far.detach().requires_grad_()
            with torch.enable_grad():
                kl = functional.kl_div(functional.log_softmax(net(normal(far)), dim=1), said, reduction="sum")
            far = far.detach() + EPSILON / 2 * torch.autograd.grad(kl, far)[0].sign()
            far = torch.min(torch.max(far, images - EPSILON), images + EPSILON).clamp(0, 1)
        net.train()
        clean = net(normal(images))
        robust = functional.kl_div(
            functional.log_softmax(net(normal(far)), dim=1), functional.softmax(clean, dim=1), reduction="batchmean"
        )
        return functional.cross_entropy(clean, targets) + 6.0 * robust

    found, _ = run(tmp_path, without_dropout(), plain(), objective=Trades(search=search))
    assert alike(found, by_hand(loss))


def test_madry_training_is_the_loss_of_the_images_found(tmp_path):
    def perturb(logits, images, targets, epoch, step):
        worst = lambda z: functional.cross_entropy(z, targets, reduction="none")  # noqa: E731
        return search(logits, worst, images, epoch, step)

    def loss(net, images, targets, delta):
        with inner_mode(net, "eval"):
            far = search(
                lambda x: net(normal(x)), lambda z: functional.cross_entropy(z, targets, reduction="none"), images, 0, 0
            )
        return functional.cross_entropy(net(normal(far)), targets)

    found, _ = run(tmp_path / "a", without_dropout(), plain(), perturb=perturb)
    assert alike(found, by_hand(loss))
    other, _ = run(tmp_path / "b", without_dropout(), plain(), perturb=perturb, inner="train")
    assert not same(found, other)
    assert other[1].num_batches_tracked == found[1].num_batches_tracked == 12


def test_without_weight_on_robustness_trades_minimises_the_plain_loss(tmp_path):
    nets = []
    for k, objective in enumerate((None, Trades(search=search, beta=0))):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(144, 3))
        nets.append(run(tmp_path / str(k), net, plain(), objective=objective)[0])
    assert same(*nets)


@given(LOGITS, LOGITS)
def test_the_divergence_is_that_of_scipy_and_never_negative(p, q):
    a, b = torch.from_numpy(p), torch.from_numpy(q)
    single = divergence(a, b, "single")
    assert np.allclose(single, rel_entr(softmax(p, axis=1), softmax(q, axis=1)).sum(axis=1), atol=1e-9)
    yes, no = rel_entr(expit(p), expit(q)), rel_entr(expit(-p), expit(-q))
    several = divergence(a, b, "multi")
    assert np.allclose(several, (yes + no).mean(axis=1), atol=1e-9)
    assert min(single.min(), several.min()) > -1e-9


def test_a_saturated_softmax_has_a_finite_divergence_and_gradient():
    far = torch.tensor([[-2000.0, 2000.0]], requires_grad=True)
    for task in ("single", "multi"):
        found = divergence(torch.tensor([[2000.0, -2000.0]]), far, task)
        (gradient,) = torch.autograd.grad(found.sum(), far)
        assert found.isfinite().all()
        assert gradient.isfinite().all()


def test_logits_of_two_shapes_have_no_divergence():
    with pytest.raises(DataError, match=r"got \(2, 3\) and \(2, 4\)"):
        divergence(torch.zeros(2, 3), torch.zeros(2, 4), "single")


def test_wrong_options_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="`beta` must be ≥ 0, got -1; 6 is the published value"):
        Trades(search=search, beta=-1)
    with pytest.raises(ConfigError, match="`replays` must be a whole number ≥ 1, got 0"):
        Free(advance=climb, replays=0)
    with pytest.raises(ConfigError, match="cannot go together"):
        run(tmp_path, perturb=lambda f, x, y, e, s: x, objective=Changed())
    with pytest.raises(ConfigError, match="unknown mode of the inner maximisation"):
        run(tmp_path, inner="evil")


def test_another_objective_or_mode_is_refused_in_the_folder_of_a_training(tmp_path):
    def go(beta=6.0, inner="eval"):
        run(tmp_path, chosen=options(epochs=1), objective=Trades(search=search, beta=beta), inner=inner)

    go()
    with pytest.raises(ConfigError, match=r"`objective\.beta` is 6.0 there and 3.0 here"):
        go(beta=3.0)
    with pytest.raises(ConfigError, match='`inner mode` is "eval" there and "train" here'):
        go(inner="train")
    with pytest.raises(ConfigError, match=r"`objective` is .* there and not set here"):
        run(tmp_path, chosen=options(epochs=1))
