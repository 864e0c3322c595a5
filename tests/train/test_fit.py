import re

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import ConfigError
from shiftgauge.train.images import read_part
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions
from train.toy import PREPROCESSING, network, options, run, same, stripes


def test_a_training_learns_and_keeps_its_best_epoch(tmp_path):
    net, found = run(tmp_path)
    assert len(found.history) == 4
    assert found.history[found.best_epoch]["macro_f1"] == max(v["macro_f1"] for v in found.history) > 0.95
    assert not net.training
    validation = stripes(40, 1)
    with torch.no_grad():
        logits = net((validation.pixels.batch(range(40)) - 0.5) / 0.5)
    accuracy = (logits.argmax(1) == validation.targets).float().mean()
    assert accuracy == pytest.approx(found.history[found.best_epoch]["accuracy"])


def test_the_last_epoch_is_kept_where_nothing_is_watched(tmp_path):
    falling = options(
        optimizer=OptimizerOptions(kind="sgd", learning_rate=0.05, momentum=0.0),
        schedule=ScheduleOptions(kind="constant"),
        monitor="last",
    )
    spoil = lambda logits, images, targets, epoch, step: 1 - images if epoch == 3 else images  # noqa: E731
    net, found = run(tmp_path, chosen=falling, perturb=spoil)
    assert found.best_epoch == 3
    losses = [values["loss"] for values in found.history]
    assert losses[3] > min(losses)
    validation = stripes(40, 1)
    with torch.no_grad():
        logits = net((validation.pixels.batch(range(40)) - 0.5) / 0.5)
    assert torch.nn.functional.cross_entropy(logits, validation.targets).item() == pytest.approx(losses[3], rel=1e-4)


@pytest.mark.parametrize(
    ("more", "name"), [({"patience": 3}, "`patience`"), ({"schedule": ScheduleOptions(kind="plateau")}, "`plateau`")]
)
def test_what_waits_for_an_improvement_is_refused_where_nothing_is_watched(more, name):
    with pytest.raises(ConfigError, match=f"{name} waits for `monitor` to improve, but `last` watches nothing"):
        options(monitor="last", **more)


def test_images_that_are_read_for_every_batch_give_the_weights_of_images_in_memory(tmp_path):
    held, names = stripes(90), [f"class {k}" for k in range(3)]
    data = from_arrays(held.pixels.bytes_nchw[:, 0].numpy(), [names[k] for k in held.targets.tolist()])
    read = read_part(data, PREPROCESSING, memory_gb=0)
    nets = [run(tmp_path / str(k), chosen=options(epochs=2), train=part)[0] for k, part in enumerate((held, read))]
    assert same(*nets)


def test_another_seed_gives_other_weights_and_seed_0_is_a_seed(tmp_path):
    nets = [run(tmp_path / str(k), chosen=options(seed=seed))[0] for k, seed in enumerate((0, 0, 1))]
    assert same(nets[0], nets[1])
    assert not same(nets[0], nets[2])


def test_training_leaves_the_callers_random_numbers_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(tmp_path, chosen=options(epochs=1))
    assert torch.equal(torch.rand(3), expected)


def test_a_rate_halves_after_three_epochs_without_gain_and_training_stops_after_eight(tmp_path):
    """A network that cannot change: the first epoch stays the best."""
    chosen = options(
        epochs=30,
        optimizer=OptimizerOptions(kind="sgd", learning_rate=1e-30, momentum=0.0, weight_decay=0.0),
        schedule=ScheduleOptions(kind="plateau", patience=3),
        patience=8,
    )
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))
    _, found = run(tmp_path, net, chosen)
    assert found.stopped == "patience"
    assert len(found.history) == 9
    factor = [values["learning_rate"] / 1e-30 for values in found.history]
    assert factor == pytest.approx([1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25])


def test_validation_sees_every_image_once_at_its_own_prevalence(tmp_path):
    seen = []

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network()

        def forward(self, x):
            if not self.training:
                seen.append(x)
            return self.inner(x)

    validation = stripes(41, 1)
    run(
        tmp_path,
        Counting(),
        options(epochs=2, validation_batch=16, sampling=SamplingOptions(kind="balanced", batch_size=12)),
        validation=validation,
    )
    expected = (validation.pixels.batch(range(41)) - 0.5) / 0.5
    assert torch.equal(torch.cat(seen), torch.cat([expected, expected]))


def test_several_labels_train_too(tmp_path):
    train, validation = stripes(90, multi=True), stripes(40, 1, multi=True)
    chosen = options(loss=LossOptions(kind="focal", positive_weights="balanced"))
    _, found = run(tmp_path, chosen=chosen, train=train, validation=validation)
    assert found.monitor == "average_precision"
    assert found.history[-1]["average_precision"] > 0.9


def test_a_perturbation_sees_the_network_and_changes_what_is_trained_on(tmp_path):
    seen = []

    def darken(logits, images, targets, epoch, step):
        seen.append((logits(images).shape, epoch, step))
        return images * 0.5

    plain, _ = run(tmp_path / "a", chosen=options(epochs=1))
    changed, _ = run(tmp_path / "b", chosen=options(epochs=1), perturb=darken)
    assert [s[1:] for s in seen] == [(0, k) for k in range(6)]
    assert seen[0][0] == (16, 3)
    assert not same(plain, changed)


def test_heads_may_learn_faster_and_biases_do_not_decay():
    net = network()
    optimizer = OptimizerOptions(learning_rate=0.01, weight_decay=0.1, head_multiplier=10).make(net, ("6",))
    found = {id(w): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for w in g["params"]}
    assert found[id(net[6].weight)] == (pytest.approx(0.1), 0.1)
    assert found[id(net[6].bias)] == (pytest.approx(0.1), 0.0)
    assert found[id(net[0].weight)] == (0.01, 0.1)
    assert found[id(net[1].weight)] == (0.01, 0.0)


def test_every_epoch_is_a_line_where_there_is_no_terminal_unless_quiet(tmp_path, capsys):
    run(tmp_path / "a", chosen=options(epochs=2))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert re.fullmatch(r".*macro F1 .*; \d+ images/s, \d+:\d\d:\d\d left", lines[0])
    run(tmp_path / "b", chosen=options(epochs=1), progress=False)
    assert capsys.readouterr().err == ""


def test_bfloat16_trains(tmp_path):
    _, found = run(tmp_path, chosen=options(epochs=3, precision="bfloat16"))
    assert found.precision == "bfloat16"
    assert found.history[-1]["train_loss"] < found.history[0]["train_loss"]


def test_a_cyclic_rate_is_set_before_every_step(tmp_path):
    optimizer = OptimizerOptions(kind="sgd", learning_rate=0.2, momentum=0.0, weight_decay=0.0)
    chosen = options(optimizer=optimizer, schedule=ScheduleOptions(kind="cyclic"), clip=None, monitor="last")
    seen = []

    def look(net):
        seen.append(net.weight.item())

    class Falling(nn.Module):
        """Its one weight has the gradient 1, so that every step goes by the rate."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(()))

        def forward(self, x):
            return self.weight * torch.tensor([[0.0, 0.0, 0.0]]).expand(len(x), 3) + _Slope.apply(self.weight, len(x))

    run(tmp_path, Falling(), chosen, after_step=look)
    rates = -np.diff([0.0, *seen])
    expected = np.interp((np.arange(24) + 0.5) / 6, [0, 2, 4], [0, 0.2, 0])
    assert rates == pytest.approx(expected, rel=1e-4)


class _Slope(torch.autograd.Function):
    """Logits of 0 whose gradient by the weight is 1, whatever the loss."""

    @staticmethod
    def forward(ctx, weight, count):
        return torch.zeros(count, 3)

    @staticmethod
    def backward(ctx, gradient):
        return torch.ones(()), None


def test_a_record_of_a_rate_that_is_not_cyclic_holds_no_peak():
    assert "peak" not in options().to_dict()["schedule"]
    assert options(schedule=ScheduleOptions(kind="cyclic")).to_dict()["schedule"]["peak"] == 0.5


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_statistics_stay_while_scale_and_shift_learn(tmp_path, frozen):
    net = network()
    net[1].running_mean.fill_(0.2)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    run(tmp_path, net, chosen=options(epochs=2, frozen_statistics=frozen))
    kept = {name: bool(torch.equal(value, before[name])) for name, value in net.state_dict().items()}
    assert kept["1.running_mean"] == kept["1.running_var"] == kept["1.num_batches_tracked"] == frozen
    assert not kept["1.weight"]
    assert not kept["1.bias"]
