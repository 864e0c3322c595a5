import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.load import load_model
from shiftgauge.models.output_kind import sample_images
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.specification import ModelSpec
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.types import Classifier, DifferentiableClassifier, Execution
from small_networks import in_place

CPU = torch.device("cpu")


def wrap(net, preprocessing, **options):
    return TorchClassifier(net, preprocessing=preprocessing, device=CPU, **options)


def test_outputs_are_those_of_the_network_in_evaluation_mode(tiny, small, images):
    c = wrap(tiny.train(), small)
    mean, std = torch.tensor(small.mean).view(3, 1, 1), torch.tensor(small.std).view(3, 1, 1)
    with torch.no_grad():
        expected = tiny.eval()((images - mean) / std)
    assert torch.allclose(c.outputs(images), expected, atol=1e-6)
    assert c.outputs(images).dtype == torch.float32
    assert not c.outputs(images).requires_grad


def test_protocols_are_satisfied(tiny, small):
    c = wrap(tiny, small)
    assert isinstance(c, Classifier)
    assert isinstance(c, DifferentiableClassifier)
    assert load_model(c) is c


def test_caller_s_network_is_left_as_it_was(tiny, small, images):
    tiny.train()
    tiny.norm.eval()
    tiny.stem.weight.requires_grad_(False)
    calls = []
    tiny.head.register_forward_hook(lambda *_: calls.append(1))
    state = {k: v.clone() for k, v in tiny.state_dict().items()}
    modes = [m.training for m in tiny.modules()]
    flags = [p.requires_grad for p in tiny.parameters()]
    c = wrap(tiny, small)
    for execution in c.executions([2]):
        c.outputs(images, execution)
    c.logits_with_grad(images.clone().requires_grad_()).sum().backward()
    assert [m.training for m in tiny.modules()] == modes
    assert [p.requires_grad for p in tiny.parameters()] == flags
    assert all(torch.equal(v, state[k]) for k, v in tiny.state_dict().items())
    assert all(p.grad is None and p.device == CPU and p.dtype == torch.float32 for p in tiny.parameters())
    assert len(tiny.head._forward_hooks) == 1


def test_network_that_cannot_be_copied_is_used_itself_and_restored(tiny, small, images):
    expected = wrap(tiny, small).outputs(images)
    tiny.lock = threading.Lock()
    tiny.train()
    flags = [p.requires_grad for p in tiny.parameters()]
    c = wrap(tiny, small)
    assert c.executions([4]) == [Execution(batch_size=4)]
    assert torch.equal(c.outputs(images), expected)
    c.logits_with_grad(images.clone().requires_grad_()).sum().backward()
    assert all(m.training for m in tiny.modules())
    assert [p.requires_grad for p in tiny.parameters()] == flags
    assert all(p.grad is None for p in tiny.parameters())


def test_snapshot_does_not_follow_later_training(tiny, small, images):
    c = wrap(tiny, small)
    before, fingerprint = c.outputs(images), c.fingerprint
    with torch.no_grad():
        tiny.head.weight += 1
    assert torch.equal(c.outputs(images), before)
    assert c.fingerprint == fingerprint
    assert wrap(tiny, small).fingerprint != fingerprint


def test_executions_start_with_plain_and_agree_within_their_precision(tiny, small, images):
    c = wrap(tiny, small)
    listed = c.executions([2, 3])
    assert listed[0] == Execution(batch_size=2)
    assert listed[1] == Execution(batch_size=3)
    assert {(e.channels_last, e.precision) for e in listed} == {
        (False, "float32"),
        (True, "float32"),
        (True, "bfloat16"),
    }
    plain = c.outputs(images, listed[0])
    for execution in listed:
        got = c.outputs(images, execution)
        tolerance = 1e-5 if execution.precision == "float32" else 0.03
        assert got.dtype == torch.float32
        assert float((got - plain).abs().max()) <= tolerance * float(plain.abs().max())
        assert torch.equal(got, c.outputs(images, execution))


def test_executions_that_fail_are_not_offered(small):
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Linear(3, 2)

        def forward(self, x):
            return self.table(x.float().mean(dim=(2, 3)))  # float32 features, bfloat16 weights

    assert {e.precision for e in wrap(Fixed(), small).executions([1])} == {"float32"}


def test_images_are_run_at_most_batch_size_at_a_time(tiny, small, images):
    sizes = []
    tiny.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    c = wrap(tiny, small)
    sizes.clear()
    c.outputs(images, Execution(batch_size=2))
    assert sizes == [2, 2, 1]


def test_no_images_give_no_rows(tiny, small):
    assert wrap(tiny, small).outputs(torch.empty(0, 3, 16, 16)).shape == (0, 4)


def test_gradient_agrees_with_finite_differences(small):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        smooth = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(784, 3))
    c = wrap(smooth, small)
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(3)).requires_grad_()
    c.logits_with_grad(x)[0, 1].backward()
    direction = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    step = 1e-3
    with torch.no_grad():
        numeric = (c.outputs(x + step * direction) - c.outputs(x - step * direction))[0, 1] / (2 * step)
    assert float((x.grad * direction).sum()) == pytest.approx(float(numeric), rel=0.02)


def test_gradient_outputs_equal_plain_outputs(tiny, small, images):
    c = wrap(tiny, small)
    assert torch.allclose(c.logits_with_grad(images), c.outputs(images), atol=1e-6)


def test_probabilities_become_logits_of_the_same_probabilities(tiny, small, images):
    c = wrap(nn.Sequential(tiny, nn.Softmax(dim=1)), small)
    assert c.output_kind == "probabilities"
    assert torch.allclose(c.logits_with_grad(images).softmax(dim=1), c.outputs(images), atol=1e-6)


def test_blocks_are_the_parts_that_hold_weights(tiny, small):
    c = wrap(tiny, small)
    assert c.block_names == ("stem", "block.0", "head")
    assert all(isinstance(c.module.get_submodule(name), nn.Module) for name in c.block_names)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((2, 1, 16, 16), "takes images of the shape"), ((2, 3, 8, 16), "takes images"), ((3, 16, 16), "takes images")],
)
def test_wrong_image_shape_is_one_line(tiny, small, shape, message):
    c = wrap(tiny, small)
    for call in (c.outputs, c.logits_with_grad):
        with pytest.raises(ModelError, match=message):
            call(torch.rand(shape))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Conv2d(3, 4, 3), r"outputs of the shape \(4, K\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(768, 1)), "one column per class"),
        (nn.Sequential(nn.Flatten(), nn.Linear(5, 2)), r"fails on images of the shape \(4, 3, 16, 16\)"),
        (nn.Sequential(nn.Flatten(0), nn.Linear(4 * 768, 2)), "outputs of the shape"),
    ],
)
def test_network_that_is_no_classifier_is_refused_in_one_line(small, net, message):
    with pytest.raises(ModelError, match=message) as caught:
        wrap(net, small)
    assert "\n" not in str(caught.value)


def test_not_finite_outputs_are_passed_on(tiny, small, images):
    c = wrap(tiny, small)
    broken = images.clone()
    broken[2, 0, 0, 0] = float("nan")
    assert torch.isnan(c.outputs(broken)[2]).all()
    assert torch.isfinite(c.outputs(broken)[[0, 1, 3, 4]]).all()


def test_fingerprint_depends_on_weights_preprocessing_and_classes(tiny, small):
    base = wrap(tiny, small).fingerprint
    assert wrap(tiny, small).fingerprint == base
    assert wrap(tiny, Preprocessing(height=16, width=16)).fingerprint != base
    assert wrap(tiny, small, classes=list("abcd")).fingerprint != base
    with torch.no_grad():
        tiny.norm.running_mean[0] += 1e-3
    assert wrap(tiny, small).fingerprint != base


def test_fingerprint_depends_on_the_code_of_the_network(small):
    class A(nn.Sequential):
        def forward(self, x):
            return super().forward(x)

    one = A(nn.Flatten(), nn.Linear(768, 3))

    class A(nn.Sequential):
        def forward(self, x):
            return super().forward(x * 2)

    two = A(nn.Flatten(), nn.Linear(768, 3))
    two.load_state_dict(one.state_dict())
    assert wrap(one, small).fingerprint != wrap(two, small).fingerprint


def test_description_is_json_able_and_complete(tiny, small):
    import json

    facts = wrap(tiny, small, source={"kind": "module"}).description
    json.dumps(facts)
    assert {"kind", "architecture", "n_parameters", "preprocessing", "output_kind", "output_kind_found"} <= set(facts)


@given(n=st.integers(1, 9), size=st.integers(1, 9))
@settings(max_examples=15, deadline=None)
def test_rows_do_not_depend_on_the_batch_size(n, size):
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    with torch.no_grad():
        net[1].weight.copy_(torch.linspace(-2, 2, 36).view(3, 12))
    c = wrap(net, Preprocessing(height=2, width=2))
    x = torch.rand(n, 3, 2, 2, generator=torch.Generator().manual_seed(n))
    assert torch.allclose(c.outputs(x, Execution(batch_size=size)), c.outputs(x, Execution(batch_size=n)), atol=1e-6)


def test_compiled_executions_are_offered_only_when_asked_for(tiny, small):
    assert not any(e.compiled for e in wrap(tiny, small).executions([1]))


def test_module_specification_states_preprocessing(tiny):
    spec = ModelSpec(
        kind="module", target=tiny, preprocessing={"height": 16, "width": 16}, classes=["a", "b", "c", "d"]
    )
    c = load_model(spec, device="cpu")
    assert c.class_names == ("a", "b", "c", "d")
    assert c.outputs(sample_images(c.input_shape)).shape == (4, 4)


def test_network_that_writes_into_its_images_leaves_the_caller_s(images):
    found, plain = in_place()
    shown = images[:, :, :8, :8].clone()
    before = shown.clone()
    for execution in [None, *found.executions([4])]:
        reduced = execution is not None and execution.precision == "bfloat16"
        torch.testing.assert_close(
            found.outputs(shown, execution), plain.outputs(before), rtol=0, atol=0.2 if reduced else 1e-4
        )
        assert torch.equal(shown, before)
    leaf = shown.requires_grad_()
    (slope,) = torch.autograd.grad(found.logits_with_grad(leaf).sum(), leaf)
    other = before.clone().requires_grad_()
    (expected,) = torch.autograd.grad(plain.logits_with_grad(other).sum(), other)
    torch.testing.assert_close(slope, expected, rtol=1e-4, atol=1e-6)
    assert torch.equal(leaf.detach(), before)
