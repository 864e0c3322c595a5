"""The driver: what every attack must keep to, whatever its mathematics."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attack_cases import SHAPE, conv, images_of, labelled, usual
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.kinds import (
    APGD,
    BIM,
    FGSM,
    PGD,
    GaussianNoise,
    MomentumFGSM,
    Square,
    UniformNoise,
)
from shiftgauge.attack.snr import set_snr_db, snr_db
from shiftgauge.errors import ConfigError, ModelError, NumericalError
from shiftgauge.types import Execution
from small_networks import ConvNet, Several, held, in_place, left_as_it_was, wrap

EACH = (
    FGSM(),
    BIM(steps=3),
    PGD(steps=3),
    MomentumFGSM(steps=3),
    APGD(steps=4),
    APGD(steps=3, loss="dlr", target_classes=2),
    Square(queries=4),
    UniformNoise(),
    GaussianNoise(),
)
BY_GRADIENT = tuple(attack for attack in EACH if attack.needs_gradient)


def _fits(attack, norm):
    return norm == "l2" or not isinstance(attack, GaussianNoise)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(EACH),
    st.sampled_from(["linf", "l2"]),
    st.floats(1e-4, 2),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_no_attack_leaves_its_ball_or_its_range(attack, norm, epsilon, bounded, success_only, seed):
    if not _fits(attack, norm):
        return
    rng = torch.Generator().manual_seed(seed)
    images = torch.rand(3, *SHAPE, generator=rng)
    images[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    budget = Budget(epsilon=epsilon, norm=norm, bounds=(0, 1) if bounded else None)
    found = attack_images(conv(), images, None, attack, budget, success_only=success_only, seed=seed)
    away = (found.images.double() - images.double()).flatten(1).numpy()
    length = np.abs(away).max(axis=1) if norm == "linf" else np.sqrt((away**2).sum(axis=1))
    assert (length <= epsilon).all()
    np.testing.assert_allclose(found.distance, length, rtol=1e-12)
    assert not bounded or (float(found.images.min()) >= 0 and float(found.images.max()) <= 1)


@pytest.mark.parametrize("attack", EACH, ids=lambda a: a.name)
def test_network_comes_back_as_it_was(attack):
    net = held()
    classifier = wrap(net, mean=0.5, std=0.25)
    assert classifier.module is net
    images = images_of(3)
    with left_as_it_was(net):
        attack_images(classifier, images, [0, 1, 2], attack, usual("l2"))
    assert torch.equal(images, images_of(3))


def test_flags_of_parameters_are_restored_when_an_attack_fails():
    class Breaks(ConvNet):
        def forward(self, x):
            z = super().forward(x)
            return z / 0 if x.requires_grad else z

    net = Breaks().train()
    net.lock = __import__("threading").Lock()
    classifier = wrap(net)
    with left_as_it_was(net), pytest.raises(NumericalError, match="NaN or infinite logits"):
        attack_images(classifier, images_of(2), [0, 1], PGD(steps=2), usual("linf"))


@pytest.mark.parametrize("attack", EACH, ids=lambda a: a.name)
def test_same_seed_gives_the_same_images_whatever_the_batch(attack):
    classifier = conv()
    images, labels = labelled(classifier, 9)
    runs = [
        attack_images(classifier, images, labels, attack, usual("l2"), seed=3, execution=execution)
        for execution in (None, Execution(batch_size=4), Execution(batch_size=4, channels_last=True))
    ]
    for other in runs[1:]:
        assert torch.allclose(runs[0].images, other.images, atol=2e-5)
    assert torch.equal(runs[0].images, attack_images(classifier, images, labels, attack, usual("l2"), seed=3).images)


def test_what_is_told_is_measured_on_the_images_given():
    classifier = conv(mean=0.5, std=0.25)
    images, labels = labelled(classifier, 20)
    found = attack_images(classifier, images, labels, PGD(steps=3), Budget(epsilon=0.2, unit="input", bounds=(0, 1)))
    outputs = classifier.outputs(found.images)
    seen = [(x.double() - 0.5) / 0.25 for x in (images, found.images)]
    assert found.predicted.tolist() == outputs.argmax(dim=1).tolist()
    assert found.success.tolist() == (found.predicted != labels.numpy()).tolist()
    assert found.accuracy == 1 - found.success_rate
    np.testing.assert_allclose(found.snr_db, snr_db(*seen))
    assert found.set_snr_db == pytest.approx(set_snr_db(*seen))
    np.testing.assert_allclose(found.distance, (seen[1] - seen[0]).abs().flatten(1).amax(dim=1))
    assert (found.unit, found.norm, found.budget["bounds"]) == ("input", "linf", [0.0, 1.0])
    assert found.fingerprint == classifier.fingerprint
    assert found.gradients == 20 * 3
    frame = found.to_dataframe()
    assert list(frame) == ["label", "predicted", "success", "epsilon", "distance", "snr_db", "zero_gradient"]
    assert "pgd, 20 images" in repr(found)


def test_labels_are_names_or_numbers_or_what_the_network_says():
    classifier = wrap(ConvNet(n_classes=3), classes=("good", "dent", "stain"))
    images = images_of(4)
    named = attack_images(classifier, images, ["good", "dent", "dent", "stain"], FGSM(), usual("linf"))
    numbered = attack_images(classifier, images, [0, 1, 1, 2], FGSM(), usual("linf"))
    assert torch.equal(named.images, numbered.images)
    said = attack_images(classifier, images, None, FGSM(), usual("linf"))
    assert said.labels.tolist() == classifier.outputs(images).argmax(dim=1).tolist()
    with pytest.raises(ConfigError, match="did you mean `dent`"):
        attack_images(classifier, images, ["good", "dent", "dant", "stain"], FGSM(), usual("linf"))


def test_attack_asked_for_in_decibels_is_never_louder():
    classifier = conv()
    images, labels = labelled(classifier, 10)
    for attack in (FGSM(), PGD(steps=12), APGD(steps=4), Square(queries=4)):
        for norm in ("linf", "l2"):
            found = attack_images(classifier, images, labels, attack, Budget.from_snr(25, norm=norm))
            assert (found.snr_db >= 25 - 1e-9).all()
            assert found.snr_db.min() < 26.5


def test_no_change_is_allowed_and_quiet():
    classifier = conv()
    images, labels = labelled(classifier, 4)
    for attack in EACH:
        found = attack_images(classifier, images, labels, attack, Budget(epsilon=0, norm="l2"))
        assert torch.equal(found.images, images)
        assert (found.snr_db == np.inf).all()
        assert found.accuracy == 1
        assert found.messages == ()


@pytest.mark.parametrize("attack", BY_GRADIENT, ids=lambda a: a.name)
def test_saturated_softmax_is_attacked_all_the_same(attack):
    """Logits so far apart that the gradient of the cross-entropy in float32 is 0."""
    net = ConvNet(n_classes=5)
    with torch.no_grad():
        net.head.weight.mul_(20_000)
        net.head.bias.zero_()
    classifier = wrap(net)
    images = images_of(20)
    largest = classifier.outputs(images).topk(2, dim=1)
    images = images[largest.values[:, 0] - largest.values[:, 1] > 110]
    assert len(images) > 12
    labels = classifier.outputs(images).argmax(dim=1)
    found = attack_images(classifier, images, labels, attack, Budget(epsilon=0.4))
    assert found.success.mean() > 0.5
    assert not found.zero_gradient.any()


class _Dead(nn.Module):
    def forward(self, x):
        return torch.stack([x.mean(dim=(1, 2, 3)).round(), torch.full((len(x),), 0.25)], dim=1)


def test_network_without_slope_is_told():
    classifier = wrap(_Dead())
    found = attack_images(classifier, images_of(5), [0] * 5, PGD(steps=2), usual("linf"))
    assert found.zero_gradient.all()
    assert [m.code for m in found.messages] == ["zero_gradient"]
    assert "The gradient is 0 for 5 of 5 images" in found.messages[0].text


def test_epsilon_beyond_the_range_is_carried_out_and_told():
    classifier = conv()
    images, labels = labelled(classifier, 3)
    free = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=3.0))
    assert [m.code for m in free.messages] == ["epsilon_beyond_range"]
    assert "set `bounds` to (0, 1)" in free.messages[0].text
    assert float(free.images.max()) > 3
    kept = attack_images(classifier, images, labels, FGSM(), Budget(epsilon=3.0, bounds=(0, 1)))
    assert set(kept.images.unique().tolist()) == {0.0, 1.0}
    assert "any image is within reach" in kept.messages[0].text


def test_independent_labels_have_no_wrong_class():
    with pytest.raises(ModelError, match="independent labels"):
        attack_images(Several(), torch.rand(1, 1, 2, 2), [0], UniformNoise(), Budget(epsilon=0.1))


def test_networks_of_every_manner_are_attacked():
    class Views(ConvNet):
        def forward(self, x):
            return super().forward(x.view(len(x), -1).view(len(x), 3, 8, 8))

    images = images_of(3)
    flat = attack_images(wrap(Views(), mean=0.5, std=0.25), images, None, PGD(steps=2), usual("linf"))
    plain = attack_images(wrap(ConvNet(), mean=0.5, std=0.25), images, None, PGD(steps=2), usual("linf"))
    assert torch.allclose(flat.images, plain.images, atol=1e-6)
    writes, reference = in_place()
    first, second = (attack_images(c, images, None, PGD(steps=2), usual("linf")) for c in (writes, reference))
    assert torch.allclose(first.images, second.images, atol=1e-6)
    classifier = conv()
    with torch.inference_mode():
        inside = attack_images(classifier, images_of(3), None, PGD(steps=2), usual("linf"))
    assert inside.gradients == 6


def test_bad_options_are_refused_before_any_work():
    classifier = conv()
    with pytest.raises(ConfigError, match="gradients are taken in float32"):
        attack_images(classifier, images_of(2), None, FGSM(), usual("linf"), execution=Execution(precision="bfloat16"))
    with pytest.raises(ConfigError, match="`streams` must hold one whole number"):
        attack_images(classifier, images_of(2), None, FGSM(), usual("linf"), streams=[1])
    with pytest.raises(ConfigError, match="`seed`"):
        attack_images(classifier, images_of(2), None, FGSM(), usual("linf"), seed=-1)


def test_progress_comes_to_its_end():
    classifier = conv()
    images, labels = labelled(classifier, 70)
    for attack in (FGSM(), PGD(steps=2, restarts=2), Square(queries=3)):
        for success_only in (False, True):
            told = []
            attack_images(
                classifier, images, labels, attack, usual("linf"), success_only=success_only,
                progress=lambda done, whole, told=told: told.append((done, whole)),
            )  # fmt: skip
            assert told[-1][0] == told[-1][1]
            assert told == sorted(told)
