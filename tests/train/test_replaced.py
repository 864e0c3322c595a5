"""Half-batch replacement: which images, which ε, and that the rest of the batch is left alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError, ModelError, NumericalError
from shiftgauge.train.replaced import Replaced, ReplaceOptions

PUBLISHED = ReplaceOptions(epsilon=0.032, share=0.5, ramp=True)


def fgsm(logits, images, targets, epsilons, epoch, step):
    """x + ε sign ∇ of the cross-entropy."""
    moved = images.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(logits(moved), targets, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, moved)
    return images + epsilons.view(-1, 1, 1, 1) * gradient.sign()


def test_a_batch_of_64_is_32_clean_images_and_32_at_the_published_epsilons():
    torch.manual_seed(0)
    images, targets = torch.rand(64, 1, 6, 6), torch.arange(64) % 4
    weight = torch.randn(36, 4)
    found = Replaced(options=PUBLISHED, push=fgsm)(lambda x: x.flatten(1) @ weight, images, targets, 0, 0)
    change = (found - images).abs().flatten(1)
    assert torch.equal(found[:32], images[:32])
    expected = torch.tensor([(i + 1) / 1000 for i in range(32)]).repeat_interleave(36).view(32, 36)
    assert torch.allclose(change[32:], expected, atol=1e-6)


def test_the_batch_itself_is_left_alone_and_targets_go_with_their_images():
    images, targets, seen = torch.rand(10, 1, 2, 2), torch.arange(10), []
    before = images.clone()

    def push(logits, chosen, of, epsilons, epoch, step):
        seen.append((of.tolist(), len(epsilons), epoch, step))
        return chosen + 1

    Replaced(options=ReplaceOptions(epsilon=0.1, share=0.3), push=push)(None, images, targets, 2, 7)
    assert torch.equal(images, before)
    assert seen == [([7, 8, 9], 3, 2, 7)]


@given(st.integers(1, 200), st.floats(0.01, 1), st.booleans())
def test_epsilons_rise_to_the_largest_and_are_as_many_as_the_share(size, share, ramp):
    options = ReplaceOptions(epsilon=0.1, share=share, ramp=ramp)
    found = options.epsilons(size)
    assert abs(len(found) - share * size) <= 0.5
    assert (found > 0).all()
    assert (found <= 0.1 * (1 + 1e-12)).all()
    if len(found):
        assert found[-1].item() == pytest.approx(0.1)
        assert (found.diff() > 0).all() if ramp else (found == 0.1).all()


def test_a_batch_too_small_for_the_share_is_trained_on_as_it_is():
    images = torch.rand(1, 1, 2, 2)
    assert Replaced(options=PUBLISHED, push=fgsm)(None, images, torch.zeros(1), 0, 0) is images


def test_a_push_that_gives_something_else_is_refused():
    images, targets = torch.rand(4, 1, 2, 2), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ModelError, match=r"pushed images must be \(2, 1, 2, 2\), got \(2, 1, 2\)"):
        Replaced(options=PUBLISHED, push=lambda f, x, *_: x[..., 0])(None, images, targets, 0, 0)
    with pytest.raises(NumericalError, match="NaN or infinity in epoch 3, batch 5"):
        Replaced(options=PUBLISHED, push=lambda f, x, *_: x / 0)(None, images, targets, 2, 4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epsilon": 0}, "`epsilon` must be above 0"),
        ({"epsilon": float("nan")}, "`epsilon` must be ≥ 0"),
        ({"share": 0}, "`share` must be above 0"),
        ({"share": 1.5}, r"`share` must be in \[0, 1\]"),
        ({"ramp": 1}, "`ramp` must be true or false"),
    ],
)
def test_wrong_options_are_refused(changed, message):
    with pytest.raises(ConfigError, match=message):
        ReplaceOptions(**{"epsilon": 0.1, **changed})
