"""Climbs that were stopped anywhere end where uninterrupted ones do."""

import contextlib
import dataclasses

import numpy as np
import pytest
import torch

from shiftgauge.errors import DataError
from shiftgauge.explain import maximize as module
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.climb_state import ClimbState
from shiftgauge.explain.image_walk import image_walk
from shiftgauge.explain.maximize import maximize
from shiftgauge.explain.operators import GaussianBlur, Jitter, Scale
from small_networks import ConvNet, wrap

CLIMB = ActivationMaximization(
    steps=6, step_size=0.5, views=(Jitter(pixels=1), Scale()), operators=(GaussianBlur(sigma_px=0.5),), seed=3
)


class Memory:
    """Keeps every state as arrays, and raises after so many."""

    def __init__(self, most=None):
        self.kept, self.most = [], most

    def load(self):
        return ClimbState.from_dataset(self.kept[-1]) if self.kept else None

    def save(self, state):
        self.kept.append(state.dataset().copy(deep=True))
        if len(self.kept) == self.most:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def every_step(monkeypatch):
    monkeypatch.setattr(module, "KEEP_EVERY", 1)


@pytest.mark.parametrize("batch_size", [2, 3])
@pytest.mark.parametrize("most", [1, 6, 7, 9, 13])
def test_a_climb_that_was_stopped_ends_where_an_uninterrupted_one_does(most, batch_size):
    classifier, memory, told = wrap(ConvNet()), Memory(most), []
    whole = maximize(classifier, [0, 1, 2], options=CLIMB, batch_size=batch_size)
    with contextlib.suppress(KeyboardInterrupt):
        maximize(classifier, [0, 1, 2], options=CLIMB, batch_size=batch_size, keep=memory)
    assert len(memory.kept) == min(most, 7 * -(-3 // batch_size))
    memory.most, before = None, len(memory.kept)
    again = maximize(classifier, [0, 1, 2], options=CLIMB, batch_size=batch_size, keep=memory,
                     progress=lambda done, of: told.append((done, of)))  # fmt: skip
    assert len(memory.kept) == 7 * -(-3 // batch_size)
    assert len(told) == len(memory.kept) - before
    assert told in ([], sorted(told))
    for name in ("images", "activation", "penalty", "predicted", "slope", "distance_l2", "distance_max"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name), err_msg=name)
    assert again.evaluations == whole.evaluations


def test_a_walk_goes_on_in_the_same_way():
    classifier, image, memory = wrap(ConvNet()), torch.full((3, 8, 8), 0.4), Memory(4)
    whole = image_walk(classifier, image, options=CLIMB)
    with pytest.raises(KeyboardInterrupt):
        image_walk(classifier, image, options=CLIMB, keep=memory)
    memory.most = None
    again = image_walk(classifier, image, options=CLIMB, keep=memory)
    assert len(memory.kept) == 7
    assert again.dataset().drop_attrs().equals(whole.dataset().drop_attrs())


def test_rows_that_stand_at_different_steps_are_not_mixed():
    state = ClimbState.start(np.zeros((5, 1, 2, 2), np.float32), 4)
    state.readings[:] = [5, 2, 0, 2, 0]
    assert [rows.tolist() for rows in state.batches(1)] == [[1], [3], [2], [4]]
    assert [rows.tolist() for rows in state.batches(8)] == [[1, 3], [2, 4]]
    assert state.taken == 4 + 2 + 2


def test_climbs_of_others_are_refused():
    classifier, memory = wrap(ConvNet()), Memory()
    maximize(classifier, [0, 1], options=CLIMB, keep=memory)
    with pytest.raises(DataError, match="6 steps"):
        maximize(classifier, [0], options=CLIMB, keep=memory)
    with pytest.raises(DataError, match="`slope` is missing"):
        ClimbState.from_dataset(memory.kept[0].drop_vars("slope"))


def test_images_are_copied_only_where_a_state_is_kept_and_at_the_end(monkeypatch):
    monkeypatch.setattr(module, "KEEP_EVERY", 3)
    copied, memory, add = [], Memory(), ClimbState.add

    def watched(self, rows, images_nchw, measured):
        copied.append(images_nchw is not None)
        add(self, rows, images_nchw, measured)

    monkeypatch.setattr(ClimbState, "add", watched)
    kept = maximize(wrap(ConvNet()), [0, 1], options=CLIMB, keep=memory)
    assert copied == [False, False, True, False, False, True, True]
    copied.clear()
    bare = maximize(wrap(ConvNet()), [0, 1], options=CLIMB)
    assert copied == [False] * 6 + [True]
    np.testing.assert_array_equal(bare.images, kept.images)
    again = ClimbState.from_dataset(memory.kept[0])
    assert again.readings.tolist() == [3, 3]
    short = maximize(wrap(ConvNet()), [0, 1], options=dataclasses.replace(CLIMB, steps=3))
    np.testing.assert_array_equal(again.images, short.images)
