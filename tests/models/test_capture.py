"""What named parts of a network give, taken while it runs."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.capture import Recorder, block_outputs


class Twice(nn.Module):
    """Runs one layer twice, another never, and gives a pair from a third."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(3, 3)
        self.unused = nn.Linear(3, 3)
        self.pair = nn.LSTM(3, 3, batch_first=True)
        self.table = nn.Embedding(4, 3)

    def forward(self, x):
        whole, _ = self.pair(x[:, None])
        return self.shared(self.shared(x)) + whole[:, 0] + self.table(torch.zeros(2, dtype=torch.long)).sum()


def test_blocks_are_those_of_the_network_run_by_hand(tiny, images):
    tiny.eval()
    found = block_outputs(tiny, images, ["block", "stem"])
    stem = tiny.stem(images)
    before = torch.relu(tiny.norm(stem))
    assert list(found) == ["block", "stem"]
    assert torch.equal(found["stem"], stem)
    assert torch.equal(found["block"], tiny.block(before))


def test_value_is_that_before_an_activation_in_place(images):
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(inplace=True))
    found = block_outputs(net, images, ["0", "1"])
    assert float(found["0"].detach().min()) < 0
    assert torch.equal(found["1"], torch.relu(found["0"]))


def test_mode_gradients_and_hooks_are_as_before(tiny, images):
    tiny.train()
    tiny.norm.eval()
    tiny.head.weight.requires_grad_(False)
    modes = [m.training for m in tiny.modules()]
    flags = [p.requires_grad for p in tiny.parameters()]
    found = block_outputs(tiny, images, ["block"])
    found["block"].sum().backward()
    assert tiny.stem.weight.grad is not None
    assert [m.training for m in tiny.modules()] == modes
    assert [p.requires_grad for p in tiny.parameters()] == flags
    assert not any(m._forward_hooks for m in tiny.modules())


def test_hooks_go_when_the_network_or_the_reader_fails(tiny, images):
    recorder = Recorder(tiny, ["block"])

    def fail(name, value):
        raise ModelError("no")

    with pytest.raises(ModelError, match="no"), recorder.into(fail):
        tiny(images)
    with pytest.raises(RuntimeError), recorder.into(lambda name, value: None):
        tiny(images[:, :2])
    assert not any(m._forward_hooks for m in tiny.modules())


def test_each_thread_hears_its_own_batches_only(tiny, images):
    tiny.eval()
    recorder = Recorder(tiny, ["block", "stem"])

    def one(k):
        found = {}
        with torch.inference_mode(), recorder.into(lambda name, value: found.setdefault(name, []).append(value)):
            tiny(images[k : k + 1])
        assert all(len(v) == 1 for v in found.values())
        return found["block"][0]

    with torch.inference_mode():
        expected = [block_outputs(tiny, images[k : k + 1], ["block"])["block"] for k in range(5)]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(one, [k % 5 for k in range(60)]))
    assert all(torch.equal(got[k], expected[k % 5]) for k in range(60))
    assert not any(m._forward_hooks for m in tiny.modules())


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["blok"], "unknown block `blok`; did you mean `block`"),
        ([""], "unknown block ``"),
        (["block", "block"], "`block` is named twice"),
    ],
)
def test_names_that_do_not_fit_are_refused_before_the_run(tiny, names, text):
    with pytest.raises(ModelError, match=text):
        Recorder(tiny, names)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("shared", "several times"),
        ("unused", "is not run"),
        ("pair", "gives a tuple"),
        ("table", r"gives \(2, 3\) for 5 image"),
    ],
)
def test_blocks_without_one_map_for_each_image_are_refused(name, text):
    with pytest.raises(ModelError, match=text):
        block_outputs(Twice(), torch.zeros(5, 3), [name])


def test_one_part_under_two_names_is_told_under_both(images):
    class Alias(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = self.second = nn.Conv2d(3, 2, 3)

        def forward(self, x):
            return self.first(x)

    found = block_outputs(Alias(), images, ["first", "second"])
    assert torch.equal(found["first"], found["second"])


def test_images_are_as_before_where_the_network_writes_into_them():
    net, images = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4, 3)), -torch.ones(2, 1, 2, 2)
    found = block_outputs(net, images, ["0"])
    assert float(found["0"].abs().max()) == 0
    assert torch.equal(images, -torch.ones(2, 1, 2, 2))
