import collections
import os
import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.weights import load_weights, load_weights_in_order, read_weights


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


def same(a, b):
    return set(a) == set(b) and all(torch.equal(a[k], b[k]) for k in a)


def test_safetensors_and_state_dict_hold_the_same(tmp_path, tiny):
    state = tiny.state_dict()
    safetensors.torch.save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pt")
    assert same(read_weights(tmp_path / "w.safetensors"), state)
    assert same(read_weights(tmp_path / "w.pt"), state)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net"])
def test_checkpoints_are_understood(tmp_path, tiny, key):
    torch.save({"epoch": 3, key: tiny.state_dict(), "loss": 0.1}, tmp_path / "c.pth")
    assert same(read_weights(tmp_path / "c.pth"), tiny.state_dict())


@pytest.mark.parametrize("place", ["zip", "legacy", "plain"])
def test_file_that_would_run_code_is_refused_and_nothing_runs(tmp_path, tiny, place):
    flag, file = tmp_path / "ran", tmp_path / "bad.pth"
    content = {"state_dict": tiny.state_dict(), "extra": Trap(flag)}
    if place == "plain":
        file.write_bytes(pickle.dumps(Trap(flag)))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=place == "zip")
    with pytest.raises(ModelError, match="run code") as caught:
        read_weights(file)
    assert "\n" not in str(caught.value)
    assert "--trust" in str(caught.value)
    assert not flag.exists()


def test_trusted_whole_module_gives_its_weights(tmp_path):
    net = nn.Linear(2, 3)
    torch.save(net, tmp_path / "m.pth")
    with pytest.raises(ModelError, match="run code"):
        read_weights(tmp_path / "m.pth")
    assert same(read_weights(tmp_path / "m.pth", trust=True), net.state_dict())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"hello world, not weights"])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_damaged_file_is_one_line(tmp_path, content, suffix):
    file = tmp_path / f"w{suffix}"
    file.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_weights(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        read_weights(tmp_path / "no.pt")


def test_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 1}, tmp_path / "e.pt")
    with pytest.raises(ModelError, match="no named tensors"):
        read_weights(tmp_path / "e.pt")


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "module.model.", "model.module.", "net."])
def test_wrapper_prefixes_are_removed(tiny, prefix):
    state = {prefix + k: v + 1 for k, v in tiny.state_dict().items()}
    assert load_weights(tiny, state) == prefix
    assert same({prefix + k: v for k, v in tiny.state_dict().items()}, state)


def test_a_prefix_that_belongs_to_the_network_is_kept():
    net = nn.Sequential(collections.OrderedDict(model=nn.Linear(2, 2)))
    assert load_weights(net, dict(net.state_dict())) == ""


def test_missing_and_unknown_names_are_listed_shortly(tiny):
    state = {f"other.{k}": v for k, v in tiny.state_dict().items()}
    with pytest.raises(ModelError, match=r"lacks .* and \d+ more and has unknown .* more") as caught:
        load_weights(tiny, state)
    assert len(str(caught.value)) < 400


def test_wrong_number_of_classes_names_the_tensor(tiny):
    state = {k: (torch.zeros(7, 8) if k == "head.weight" else v) for k, v in tiny.state_dict().items()}
    with pytest.raises(ModelError, match=r"`head.weight` has the shape \(7, 8\), the network needs \(4, 8\)"):
        load_weights(tiny, state)


def test_failed_load_leaves_the_network_as_it_was(tiny):
    before = {k: v.clone() for k, v in tiny.state_dict().items()}
    with pytest.raises(ModelError):
        load_weights(tiny, {"stem.weight": torch.zeros(1)})
    assert same(tiny.state_dict(), before)


def test_counters_of_batch_norm_may_be_missing(tiny):
    state = {k: v for k, v in tiny.state_dict().items() if "num_batches" not in k}
    assert load_weights(tiny, state) == ""


def test_weights_in_order_ignore_names_but_not_shapes(tiny):
    values = [v + 1 for v in tiny.state_dict().values()]
    load_weights_in_order(tiny, {f"x{i}": v for i, v in enumerate(values)})
    assert all(torch.equal(a, b) for a, b in zip(tiny.state_dict().values(), values, strict=True))
    with pytest.raises(ModelError, match="in order"):
        load_weights_in_order(tiny, {f"x{i}": v for i, v in enumerate(reversed(values))})
    with pytest.raises(ModelError, match="3 tensors"):
        load_weights_in_order(tiny, {str(i): values[i] for i in range(3)})
