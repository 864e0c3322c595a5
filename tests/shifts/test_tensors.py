import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.shifts.tensors import exact_mean, power


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 40))
def test_the_exact_mean_is_the_mean_and_does_not_depend_on_order(seed, height, width):
    torch.manual_seed(seed)
    values = torch.rand(1, 1, height, width)
    mean = exact_mean(values).item()
    assert math.isclose(mean, math.fsum(values.flatten().tolist()) / values.numel(), rel_tol=1e-7, abs_tol=1e-9)
    shuffled = values.flatten()[torch.randperm(values.numel())].reshape(1, 1, height, width)
    assert exact_mean(shuffled).item() == mean


@given(st.floats(0, 1), st.floats(0.05, 20))
def test_power_is_the_power(base, exponent):
    raised = power(torch.tensor(base, dtype=torch.float64), torch.tensor(exponent, dtype=torch.float64)).item()
    assert math.isclose(raised, base**exponent, rel_tol=1e-9, abs_tol=1e-300)


def test_power_is_the_same_wherever_a_value_stands():
    values = torch.rand(5000)
    exponent = torch.tensor(0.7)
    assert torch.equal(power(values, exponent), torch.cat([power(v, exponent) for v in values.split(3)]))
