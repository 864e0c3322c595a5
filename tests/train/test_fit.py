import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, DataError, InterruptedRunError, ModelError, NumericalError, StoreError
from shiftgauge.train.fit import fit
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions
from train.toy import PREPROCESSING, network, options, stripes

KILLED = """
import os, signal, sys
from train.toy import PREPROCESSING, network, options, stripes
from shiftgauge.train.fit import fit

calls = 0

def kill(logits, images, targets, epoch, step):
    if (epoch, step) == (2, 3):
        os.kill(os.getpid(), signal.SIGKILL)
    return images

fit(network(), stripes(90), stripes(40, 1), options(), preprocessing=PREPROCESSING, n_classes=3, folder=sys.argv[1],
    device="cpu", perturb=kill)
"""


def run(folder, net=None, chosen=None, **more):
    net = net or network()
    train, validation = more.pop("train", None) or stripes(90), more.pop("validation", None) or stripes(40, 1)
    found = fit(
        net,
        train,
        validation,
        chosen or options(),
        preprocessing=PREPROCESSING,
        n_classes=3,
        folder=folder,
        device="cpu",
        **more,
    )
    return net, found


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


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


def test_a_killed_training_ends_with_the_weights_of_an_uninterrupted_one(tmp_path):
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(tests), "OMP_NUM_THREADS": "1"}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a")], env=environment, check=False)
        assert killed.returncode == -signal.SIGKILL
        resumed, found = run(tmp_path / "a")
        whole, expected = run(tmp_path / "b")
    finally:
        torch.set_num_threads(threads)
    assert found.history == expected.history
    assert same(resumed, whole)
    assert found.images_per_second > 0


def test_a_finished_training_is_not_done_again(tmp_path):
    first, found = run(tmp_path)
    again, repeated = run(tmp_path)
    assert repeated.history == found.history
    assert np.isnan(repeated.images_per_second)
    assert same(first, again)


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


@pytest.mark.parametrize("content", [b"", b"no checkpoint", "truncated"])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    run(tmp_path, chosen=options(epochs=1))
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[:-200] if content == "truncated" else content)
    with pytest.raises(StoreError, match=r"checkpoint .*checkpoint.pt cannot be read.*remove it"):
        run(tmp_path, chosen=options(epochs=1))


def test_a_folder_of_another_training_is_refused(tmp_path):
    run(tmp_path, chosen=options(epochs=1))
    with pytest.raises(ConfigError, match="holds a training with other options"):
        run(tmp_path, chosen=options(epochs=2))
    with pytest.raises(ConfigError, match="holds a training with other initial weights"):
        run(tmp_path, network(seed=1), options(epochs=1))


def test_divergence_is_said(tmp_path):
    chosen = options(optimizer=OptimizerOptions(kind="sgd", learning_rate=1e30), clip=None)
    with pytest.raises(NumericalError, match="the training diverged"):
        run(tmp_path, chosen=chosen)


def test_an_interruption_can_be_gone_on_from(tmp_path):
    def stop(logits, images, targets, epoch, step):
        if epoch == 1:
            raise KeyboardInterrupt
        return images

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InterruptedRunError, match="the same command goes on"):
        run(tmp_path, perturb=stop)
    assert signal.getsignal(signal.SIGINT) is before
    assert len(run(tmp_path)[1].history) == 4


def test_a_network_that_does_not_fit_is_named(tmp_path):
    with pytest.raises(ModelError, match="cannot be trained on these images"):
        run(tmp_path, nn.Sequential(nn.Flatten(), nn.Linear(7, 3)))


def test_parts_of_another_kind_are_refused(tmp_path):
    with pytest.raises(DataError, match="single targets"):
        run(tmp_path, validation=stripes(10, multi=True))


def test_half_precision_of_16_bits_needs_cuda(tmp_path):
    with pytest.raises(ConfigError, match="needs a CUDA device"):
        run(tmp_path, chosen=options(precision="float16"))


def test_bfloat16_trains(tmp_path):
    _, found = run(tmp_path, chosen=options(epochs=3, precision="bfloat16"))
    assert found.precision == "bfloat16"
    assert found.history[-1]["train_loss"] < found.history[0]["train_loss"]
