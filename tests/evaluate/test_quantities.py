"""Quantities against PyTorch's own formulas."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError
from shiftgauge.evaluate.quantities import measure, quantity_names


def draw(n: int, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 4, (n, k)), rng.integers(0, k, n)


def test_every_quantity_equals_the_one_of_pytorch():
    logits, labels = draw(50, 6)
    z, t = torch.from_numpy(logits), torch.from_numpy(labels)
    p = torch.softmax(z, 1)
    top2 = torch.topk(z, 2, dim=1).values
    true = z[torch.arange(50), t]
    margin = torch.where(z.argmax(1) == t, true - top2[:, 1], true - top2[:, 0])
    loss = torch.nn.functional.cross_entropy(z, t, reduction="none")
    got = measure(logits, labels, "logits", [2])
    expected = torch.stack(
        [p[torch.arange(50), t], margin, loss, (z.argmax(1) == t).double(), p[:, 2], z.argmax(1).double()], 1
    )
    np.testing.assert_allclose(got, expected.numpy(), rtol=1e-12, atol=1e-14)


@given(st.integers(0, 10_000))
def test_probabilities_and_logits_of_one_network_agree(seed):
    logits, labels = draw(5, 4, seed)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    np.testing.assert_allclose(measure(p, labels, "probabilities"), measure(logits, labels, "logits"), rtol=1e-8)


def test_a_probability_of_zero_stays_finite():
    values = measure(np.array([[0.0, 1.0]]), np.array([0]), "probabilities")
    assert np.isfinite(values).all()
    assert values[0, 3] == 0


def test_extreme_logits_do_not_overflow():
    assert np.isfinite(measure(np.array([[1e4, -1e4, 0.0]]), np.array([1]), "logits")).all()


def test_an_unknown_class_is_refused_with_the_nearest():
    assert quantity_names(["cat"], ["cat", "dog"]) == (
        "probability", "margin", "cross_entropy", "correct", "probability[cat]",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="did you mean `cat`"):
        quantity_names(["cta"], ["cat", "dog"])
