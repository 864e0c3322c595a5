"""What the study's recipe asks of batches and of the learning rate, on the engine's optimiser."""

import numpy as np
import torch

from shiftgauge.engine.optimizers import SGD
from shiftgauge.train.monitor import epochs_without_gain
from shiftgauge.train.sampling import SamplingOptions, epoch_batches
from shiftgauge.train.schedules import ScheduleOptions, multiplier


def test_balanced_batches_hold_exactly_16_of_each():
    targets = np.array([0] * 300 + [1] * 30)
    options = SamplingOptions(kind="balanced", batch_size=32, drop_last=True)
    batches = epoch_batches(options, targets, seed=0, epoch=3)
    assert len(batches) == 330 // 32
    assert all(np.bincount(targets[batch]).tolist() == [16, 16] for batch in batches)


def test_the_rate_halves_after_exactly_3_epochs_without_improvement_and_8_mean_stop():
    schedule = ScheduleOptions(kind="plateau", factor=0.5, patience=3)
    history = [0.5, 0.6, 0.6, 0.5, 0.6, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.65, 0.7]
    rates = [multiplier(schedule, epoch, 50, history) for epoch in range(len(history) + 1)]
    assert rates == [1.0] * 5 + [0.5] * 4 + [0.25] * 3 + [0.125] * 3
    waited = [epochs_without_gain([{"f1": value} for value in history[:k]], "f1") for k in range(1, len(history) + 1)]
    assert waited[-1] == 8
    assert max(waited[:-1]) == 7


def test_a_step_follows_the_schedule():
    schedule, history, optimizer = ScheduleOptions(kind="plateau"), [0.7, 0.6, 0.6, 0.6], SGD(learning_rate=0.1)
    weights = torch.zeros(1)
    state, steps = optimizer.init(weights), []
    for epoch in range(5):
        before = weights.clone()
        optimizer.step(weights, torch.ones(1), state, rate=multiplier(schedule, epoch, 5, history[:epoch]))
        steps.append(round(float(before - weights), 6))
    assert steps == [0.1, 0.1, 0.1, 0.1, 0.05]
