"""Executors: any order of finished chunks gives the same values; Ray gives the bits of one process."""

import os
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from grids import Grid, make
from shiftgauge.errors import ConfigError, MissingExtraError
from shiftgauge.evaluate.executors.local import LocalExecutor
from shiftgauge.evaluate.executors.ray import RayExecutor
from shiftgauge.evaluate.run import Plan, evaluate
from shiftgauge.evaluate.store import Store
from shiftgauge.types import Execution

PLAN = Plan(execution=Execution(batch_size=4), chunk_rows=8)


class Shuffled:
    """Hands chunks back out of order, as several workers do."""

    def run(self, evaluator, points, execution, tasks, on_batch):
        mixed = list(tasks)
        random.Random(0).shuffle(mixed)
        yield from LocalExecutor().run(evaluator, points, execution, mixed, on_batch)


def values(tmp_path, executor) -> tuple[np.ndarray, list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    with Store(tmp_path, {}) as store:
        found = evaluate(
            make(), Grid(50, 3), PLAN, store, executor=executor, advance=lambda done, total: seen.append((done, total))
        )
    return found, seen


def test_chunks_out_of_order_change_nothing(tmp_path):
    plain, seen = values(tmp_path / "a", LocalExecutor())
    mixed, _ = values(tmp_path / "b", Shuffled())
    assert plain.tobytes() == mixed.tobytes()
    assert seen[0] == (0, 50)
    assert seen[-1] == (50, 50)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_ray_workers_give_the_bits_of_one_process(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="needs the extra `ray`")
    path = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    plain, _ = values(tmp_path / "a", LocalExecutor())
    spread, seen = values(tmp_path / "b", RayExecutor(workers=2))
    assert plain.tobytes() == spread.tobytes()
    assert seen[-1] == (50, 50)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"shiftgauge\[ray\]"):
        RayExecutor(workers=2)
    with pytest.raises(ConfigError, match="workers"):
        RayExecutor(workers=0)
