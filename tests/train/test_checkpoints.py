import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, InterruptedRunError, StoreError
from shiftgauge.train.checkpoints import claim, differences, ensure_best, read_best, read_checkpoint
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions
from train.toy import network, options, run, same

KILLED = """
import os, signal, sys
from train.toy import PREPROCESSING, network, options, stripes
from shiftgauge.train.fit import fit

calls = 0

def kill(logits, images, targets, epoch, step):
    if (epoch, step) == (2, 3):
        os.kill(os.getpid(), signal.SIGKILL)
    return images

fit(network(), stripes(90), stripes(40, 1), options(ema_decay=EMA), preprocessing=PREPROCESSING, n_classes=3,
    folder=sys.argv[1], device="cpu", perturb=kill)
"""


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_killed_training_ends_with_the_weights_of_an_uninterrupted_one(tmp_path, ema_decay):
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(tests), "OMP_NUM_THREADS": "1"}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        code, chosen = KILLED.replace("EMA", repr(ema_decay)), options(ema_decay=ema_decay)
        killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], env=environment, check=False)
        assert killed.returncode == -signal.SIGKILL
        resumed, found = run(tmp_path / "a", chosen=chosen)
        whole, expected = run(tmp_path / "b", chosen=chosen)
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


@pytest.mark.parametrize("content", [b"", b"no checkpoint", "truncated"])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    run(tmp_path, chosen=options(epochs=1))
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[:-200] if content == "truncated" else content)
    with pytest.raises(StoreError, match=r"checkpoint .*checkpoint.pt cannot be read.*remove it"):
        run(tmp_path, chosen=options(epochs=1))


def test_another_attempt_may_be_made_while_no_epoch_is_finished(tmp_path):
    def stop(logits, images, targets, epoch, step):
        raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError):
        run(tmp_path, perturb=stop)
    _, found = run(tmp_path, chosen=options(epochs=1))
    assert len(found.history) == 1


def test_options_that_were_wrong_may_be_corrected_in_the_same_folder(tmp_path):
    with pytest.raises(ConfigError, match="2 numbers for 3 classes"):
        run(tmp_path, chosen=options(epochs=1, loss=LossOptions(class_weights=(1, 2))))
    assert not list(tmp_path.iterdir())
    run(tmp_path, chosen=options(epochs=1, loss=LossOptions(class_weights=(1, 2, 1))))


def _cut(folder, best, **more):
    """A training of four epochs that was stopped in the third, whose best epoch is the given one."""

    def stop(logits, images, targets, epoch, step):
        if epoch == 2:
            raise KeyboardInterrupt
        return images

    rates = {0: 1e-30, 1: 1e-3}
    chosen = options(
        optimizer=OptimizerOptions(kind="sgd", learning_rate=rates[best], momentum=0.0, weight_decay=0.0), **more
    )
    net = nn.Sequential(nn.Flatten(), nn.Linear(144, 3))
    torch.manual_seed(0)
    net[1].reset_parameters()
    start = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(InterruptedRunError):
        run(folder, net, chosen, perturb=stop)
    net.load_state_dict(start)
    return net, chosen


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_bytes(b"no weights")])
def test_lost_weights_of_the_best_epoch_are_made_again_from_the_checkpoint_or_said_at_once(tmp_path, damage):
    trained = []
    net, chosen = _cut(tmp_path / "last", 1)
    damage(tmp_path / "last" / "best-2.pt")
    _, found = run(tmp_path / "last", net, chosen)
    assert len(found.history) == 4
    net, chosen = _cut(tmp_path / "first", 0)
    damage(tmp_path / "first" / "best-1.pt")
    with pytest.raises(StoreError, match=r"best epoch so far, 1, are lost .*best-1.pt.*holds those of epoch 2"):
        run(tmp_path / "first", net, chosen, perturb=lambda *a: trained.append(a))
    assert not trained


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_what_is_made_again_is_what_was_lost(tmp_path, ema_decay):
    _cut(tmp_path, 1, ema_decay=ema_decay)
    before = read_best(tmp_path, 1)
    (tmp_path / "best-2.pt").unlink()
    ensure_best(tmp_path, read_checkpoint(tmp_path / "checkpoint.pt"), 1)
    again = read_best(tmp_path, 1)
    assert list(again) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in again.items())


def test_a_flipped_byte_of_either_file_is_noticed(tmp_path):
    run(tmp_path, nn.Sequential(nn.Flatten(), nn.Linear(144, 3)), options(epochs=1))
    for file, read in (
        (tmp_path / "best-1.pt", lambda: read_best(tmp_path, 0)),
        (tmp_path / "checkpoint.pt", lambda: read_checkpoint(tmp_path / "checkpoint.pt")),
    ):
        read()
        whole = file.read_bytes()
        for place in range(0, len(whole), 7):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(StoreError, match="cannot be read"):
                read()
        file.write_bytes(whole)


def test_a_checkpoint_of_nobody_knows_what_is_refused(tmp_path):
    run(tmp_path, chosen=options(epochs=1))
    (tmp_path / "training.json").unlink()
    with pytest.raises(StoreError, match=r"training.json cannot be read.*what the checkpoint beside it is of"):
        run(tmp_path, chosen=options(epochs=1))


def test_a_folder_of_another_training_is_refused(tmp_path):
    run(tmp_path, chosen=options(epochs=1))
    with pytest.raises(ConfigError, match=r"another training: `options.epochs` is 1 there and 2 here, .*; take"):
        run(tmp_path, chosen=options(epochs=2))
    with pytest.raises(ConfigError, match="holds another training: the initial weights differ; take another folder"):
        run(tmp_path, network(seed=1), options(epochs=1))
    with pytest.raises(ConfigError, match=r"`options.clip` is 1.0 there and not set here, `options.patience` is not"):
        run(tmp_path, chosen=options(epochs=1, clip=None, patience=3))


def test_what_differs_is_said_in_words_and_shortened(tmp_path):
    hashes = {"images": {"train": "a", "validation": "b"}, "data": "c", "initial weights": "d"}
    there = {**hashes, "options": {"epochs": 6, "seed": 0}, "network": {"arguments": {"x": "y" * 80}}}
    here = {"images": {"train": "e", "validation": "b"}, "data": "f", "initial weights": "g", "precision": "bfloat16"}
    here |= {"options": {"epochs": 8, "seed": 0}, "network": {"arguments": {}}}
    (tmp_path / "training.json").write_text(json.dumps(there))
    (tmp_path / "checkpoint.pt").touch()
    assert differences(there, here) == [
        f'`network.arguments.x` is "{"y" * 56}… there and not set here',
        "`options.epochs` is 6 there and 8 here",
        "the data differ",
        '`precision` is not set there and "bfloat16" here',
        "the training images or their classes differ",
        "the initial weights differ",
    ]
    with pytest.raises(ConfigError, match=r"the data differ and 3 more; take another folder, or remove that one$"):
        claim(tmp_path, here)
    assert claim(tmp_path, there)


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
