"""Calls side by side: really at the same time, each with one thread, errors told, torch's threads left alone."""

import threading

import pytest
import torch

from shiftgauge.engine.workers import side_by_side


def test_calls_run_at_the_same_time_each_on_one_thread():
    before, meeting, seen = torch.get_num_threads(), threading.Barrier(3, timeout=20), {}

    def meet(k):
        meeting.wait()
        seen[k] = torch.get_num_threads()

    side_by_side(meet, 3)
    assert seen == {0: 1, 1: 1, 2: 1}
    assert torch.get_num_threads() == before


def test_threads_are_kept_for_the_next_call():
    def names():
        found = set()
        together = threading.Barrier(2, timeout=20)

        def note(_):
            together.wait()
            found.add(threading.current_thread().name)

        side_by_side(note, 2)
        return found

    assert names() == names()


def test_a_single_call_runs_here():
    found = []
    side_by_side(lambda k: found.append((k, threading.current_thread())), 1)
    assert found == [(0, threading.current_thread())]


def test_new_threads_of_others_still_start_with_all_threads():
    side_by_side(lambda _: None, 2)
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert found == [torch.get_num_threads()]


def test_an_error_comes_after_all_have_ended():
    ended = []

    def work(k):
        if k == 0:
            raise ValueError("the first")
        ended.append(k)

    with pytest.raises(ValueError, match="the first"):
        side_by_side(work, 2)
    assert ended == [1]
