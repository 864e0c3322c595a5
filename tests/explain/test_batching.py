"""The trial takes what is fastest and what fits."""

import pytest
import torch

from shiftgauge.errors import ConfigError
from shiftgauge.explain import batching
from shiftgauge.explain.batching import batch_for, tuned_batch


class Clock:
    """Time that passes as the work says."""

    def __init__(self, seconds_of):
        self.now, self.seconds_of, self.tried = 0.0, seconds_of, []

    def perf_counter(self) -> float:
        return self.now

    def run(self, size: int) -> None:
        self.tried.append(size)
        self.now += self.seconds_of(size)


@pytest.fixture
def trial(monkeypatch):
    def make(seconds_of, candidates=(8, 16, 32, 64, 128, 256), **settings):
        clock = Clock(seconds_of)
        monkeypatch.setattr(batching, "time", clock)
        return tuned_batch(clock.run, candidates, **settings), sorted(set(clock.tried))

    return make


def test_fixed_costs_ask_for_large_batches(trial):
    assert trial(lambda n: 0.1 + 0.001 * n)[0] == 256


def test_noise_does_not_buy_memory(trial):
    assert trial(lambda n: 0.001 * n * (0.99 if n > 8 else 1)) == (8, [8, 16, 32])


def test_one_run_each_must_show_more(trial):
    assert trial(lambda n: 0.001 * n * (0.95 if n > 8 else 1), rounds=1)[0] == 8
    assert trial(lambda n: 0.001 * n * (0.85 if n > 8 else 1), rounds=1)[0] == 16


def test_fewer_items_than_asked_for_are_counted_as_they_are(monkeypatch):
    clock = Clock(lambda n: 1.0)
    monkeypatch.setattr(batching, "time", clock)
    assert tuned_batch(lambda n: clock.run(n) or 8, (8, 16, 32)) == 8


def test_time_is_bounded(trial):
    assert trial(lambda n: 1.0, seconds=4.5)[1] == [8, 16]


def test_what_does_not_fit_is_not_taken(trial):
    def seconds_of(n):
        if n > 32:
            raise RuntimeError("CUDA out of memory. Tried to allocate")
        return 0.1

    assert trial(seconds_of)[0] == 32


def test_other_errors_are_not_hidden(trial):
    def fail(n):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes"):
        trial(fail)
    with pytest.raises(ConfigError, match="at least one"):
        trial(lambda n: 0.1, ())
    assert trial(fail, (4,))[0] == 4


def test_a_gpu_is_waited_for_before_the_clock_is_read(monkeypatch):
    """Work that is only queued takes no time until somebody waits."""
    clock, queued = Clock(lambda n: 0.0), []

    def wait(device):
        clock.now += sum(queued)
        queued.clear()

    monkeypatch.setattr(batching, "time", clock)
    monkeypatch.setattr(torch.cuda, "synchronize", wait)
    device = torch.device("cuda", 1)
    # large batches are slower: without waiting all would seem equal but for the number of items
    assert tuned_batch(lambda n: queued.append(0.001 * n * n), (8, 16, 32), device=device) == 8
    assert tuned_batch(lambda n: queued.append(0.001), (8, 16, 32), device=device) == 32


def test_a_trial_costs_at_most_a_tenth_of_the_work(monkeypatch):
    tried = []

    def largest(run, sizes, rounds, device):
        tried.append((list(sizes), rounds))
        return sizes[-1]

    monkeypatch.setattr(batching, "tuned_batch", largest)
    for passes, size in ((100, 32), (1279, 32), (1280, 64), (2480, 64), (10160, 256)):
        assert batch_for(passes, print) == size
    assert tried == [([8, 16, 32, 64], 1), ([8, 16, 32, 64], 2), ([8, 16, 32, 64, 128, 256], 2)]
    for (sizes, rounds), passes in zip(tried, (1280, 2480, 10160), strict=True):
        assert sizes[0] + rounds * sum(sizes) <= 0.1 * passes
    assert batch_for(1280, print, candidates=(8, 16, 32)) == 32  # smaller ones may be faster than the usual
    assert tried[-1] == ([8, 16, 32], 2)
    assert batch_for(10**6, print, 5) == 5
    with pytest.raises(ConfigError, match="batch_size"):
        batch_for(10**6, print, 0)
