"""Training in two processes of a CPU, each started as a script is."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.train.devices import check_devices, is_first, together
from train.two_processes import pair, train

SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def read(folder, name="found-0.json"):
    return json.loads((folder / name).read_text())


def test_the_command_is_started_for_every_process_and_only_the_first_goes_on_after_training(tmp_path):
    unset = ("LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"PYTHONPATH": str(SCRIPT.parents[1]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPT), str(tmp_path), "2"]
    outcome = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=300)
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / "started-1").exists()
    assert [path.name for path in tmp_path.glob("found-*")] == ["found-0.json"]
    assert outcome.stderr.count("epoch 3/3") == 1


@pytest.mark.parametrize("what", ["plain", "drawn"])
def test_two_processes_come_to_the_weights_of_one(tmp_path, port, what):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    before = torch.get_num_threads()
    train(tmp_path / "one", 1, what)
    torch.set_num_threads(before)
    assert pair(port, tmp_path / "two", what) == [0, 0]
    found, expected = read(tmp_path / "two"), read(tmp_path / "one")
    for values, others in zip(found["history"], expected["history"], strict=True):
        assert values == pytest.approx(others, rel=1e-4)
    for weights, others in zip(found["weights"], expected["weights"], strict=True):
        np.testing.assert_allclose(weights, others, rtol=1e-4, atol=1e-6)
    names = sorted(path.name for path in (tmp_path / "two" / "training").iterdir())
    assert names == [f"best-{found['best'] + 1}.pt", "checkpoint.pt", "training.json"]


def test_both_stop_together_when_patience_ends(tmp_path, port):
    assert pair(port, tmp_path, "patience") == [0, 0]
    assert (read(tmp_path)["stopped"], len(read(tmp_path)["history"])) == ("patience", 3)


@pytest.mark.parametrize(
    ("what", "message"),
    [("broken", "NumericalError: the training loss is nan in epoch 1"), ("full", "StoreError: the disk is full")],
)
def test_what_befalls_one_process_ends_both_with_one_message(tmp_path, port, what, message):
    assert pair(port, tmp_path, what) == [2, 0]
    assert (tmp_path / "error-0").read_text().startswith(message)
    assert not (tmp_path / "error-1").exists()


def test_every_process_gets_the_images_that_batch_normalisation_needs(tmp_path, port):
    """17 images in batches of 16: the one left over joins them."""
    assert pair(port, tmp_path, "norm") == [0, 0]


def test_devices_that_cannot_train_together_are_refused(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(ConfigError, match="mps is one device"):
        check_devices(2, torch.device("mps"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match="there are 0 CUDA devices"):
        check_devices(2, torch.device("cuda"))
    monkeypatch.setattr(sys, "argv", ["-c"])
    with pytest.raises(ConfigError, match="from a script in a file"):
        check_devices(2, torch.device("cpu"))
    check_devices(1, torch.device("cpu"))


def test_only_a_process_of_several_is_not_the_first(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert is_first(1)
    assert not is_first(2)


def test_a_group_is_forgotten_when_its_training_is_over(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("MASTER_PORT", "1234")
    with together(2):
        os.environ.update(LOCAL_RANK="0", MASTER_PORT="99")
    assert "LOCAL_RANK" not in os.environ
    assert os.environ["MASTER_PORT"] == "1234"
