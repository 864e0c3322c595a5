"""Optimisers against those of PyTorch, after many steps on a changing gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.engine.optimizers import SGD, Adam, AdamW, clip
from shiftgauge.errors import ConfigError, DataError


def _gradients(steps, size=50, dtype=torch.float64):
    """Gradients of all sizes, some of them exactly 0."""
    rng = torch.Generator().manual_seed(1)
    scale = 10.0 ** torch.randint(-8, 3, (size,), generator=rng)
    grads = torch.randn(steps, size, generator=rng, dtype=torch.float64) * scale
    grads[::7, ::5] = 0.0
    return grads.to(dtype)


def _ours(optimizer, grads, rates=None):
    weights = torch.linspace(-1, 1, grads.shape[1], dtype=grads.dtype)
    state = optimizer.init(weights)
    for k, grad in enumerate(grads):
        optimizer.step(weights, grad, state, rate=rates[k] if rates else 1.0)
    return weights


def _theirs(build, grads, rates=None):
    weights = torch.linspace(-1, 1, grads.shape[1], dtype=grads.dtype).requires_grad_()
    optimizer = build([weights])
    base = optimizer.param_groups[0]["lr"]
    for k, grad in enumerate(grads):
        optimizer.param_groups[0]["lr"] = base * (rates[k] if rates else 1.0)
        weights.grad = grad.clone()
        optimizer.step()
    return weights.detach()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_adam_is_that_of_pytorch_to_1e_6_after_100_steps(dtype):
    grads = _gradients(100, dtype=dtype)
    mine, other = _ours(Adam(), grads), _theirs(lambda p: torch.optim.Adam(p, lr=1e-3, eps=1e-8), grads)
    assert float((mine - other).abs().max()) < (1e-6 if dtype == torch.float32 else 1e-14)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-4, 1.0), st.floats(0, 0.99), st.floats(0.5, 0.9999), st.sampled_from([0.0, 1e-2, 0.3]))
def test_adam_and_adamw_are_those_of_pytorch_with_any_options(rate, first, second, decay):
    grads, options = _gradients(20), {"betas": (first, second), "weight_decay": decay}
    for mine, other in ((Adam, torch.optim.Adam), (AdamW, torch.optim.AdamW)):
        found = _ours(mine(learning_rate=rate, **options), grads)
        expected = _theirs(lambda p, other=other: other(p, lr=rate, **options), grads)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-4, 1.0), st.floats(0, 0.99), st.sampled_from([0.0, 1e-2, 0.3]))
def test_sgd_is_that_of_pytorch(rate, momentum, decay):
    grads = _gradients(20)
    found = _ours(SGD(learning_rate=rate, momentum=momentum, weight_decay=decay), grads)
    expected = _theirs(lambda p: torch.optim.SGD(p, lr=rate, momentum=momentum, weight_decay=decay), grads)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_the_rate_multiplies_the_learning_rate_from_step_to_step(kind):
    grads, rates = _gradients(12), [1.0] * 4 + [0.5] * 4 + [0.0] * 4
    build = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}[kind.__name__]
    found = _ours(kind(learning_rate=0.1), grads, rates)
    torch.testing.assert_close(found, _theirs(lambda p: build(p, lr=0.1), grads, rates), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_only_the_weights_named_decay(kind):
    weights, still = torch.ones(4), torch.zeros(4)
    optimizer = kind(learning_rate=0.1, weight_decay=0.5)
    optimizer.step(weights, still, optimizer.init(weights), decayed=torch.tensor([1.0, 0.0, 1.0, 0.0]))
    assert weights[1::2].tolist() == [1.0, 1.0]
    assert bool((weights[::2] < 1).all())


@pytest.mark.parametrize("most", [0.1, 1.0, 100.0])
def test_clipping_is_that_of_pytorch(most):
    mine = torch.linspace(-3, 3, 20, dtype=torch.float64)
    other = torch.zeros(20, dtype=torch.float64, requires_grad=True)
    other.grad = mine.clone()
    norm = torch.nn.utils.clip_grad_norm_([other], most)
    assert clip(mine, most) == pytest.approx(float(norm))
    torch.testing.assert_close(mine, other.grad, rtol=1e-5, atol=1e-7)  # PyTorch adds 10⁻⁶ to the norm


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: Adam(learning_rate=0), ConfigError, "`learning_rate` must be above 0"),
        (lambda: Adam(betas=(0.9, 1.0)), ConfigError, r"`betas` must be in \[0, 1\), got 1"),
        (lambda: AdamW(betas=(0.9,)), ConfigError, "`betas` must be two numbers"),
        (lambda: Adam(epsilon=0), ConfigError, "`epsilon` must be above 0"),
        (lambda: SGD(momentum=1), ConfigError, r"`momentum` must be in \[0, 1\), got 1"),
        (lambda: SGD(weight_decay=-1), ConfigError, "`weight_decay` must be ≥ 0"),
        (lambda: clip(torch.ones(2), 0), ConfigError, "`most` must be above 0"),
        (
            lambda: Adam().step(torch.ones(3), torch.ones(2), Adam().init(torch.ones(3))),
            DataError,
            r"as long as the weights, \(3,\)",
        ),
    ],
)
def test_wrong_numbers_are_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()
