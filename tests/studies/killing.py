"""Run as a script: audits in forked children, kills them with SIGKILL while chunks are at work, resumes, compares.

Usage: python killing.py FOLDER KILLS [N_BASE]

The design has 64 blocks, or grows to as many from N_BASE.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch

from shiftgauge.evaluate.evaluator import Evaluator
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.studies.audit import audit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from fakes import MeanClassifier

PAUSE = 0.02
FULL = 64
START = int(sys.argv[3]) if len(sys.argv) > 3 else FULL
ROWS_PER_BLOCK = 12
CHUNK = 24


class SlowClassifier(MeanClassifier):
    """Takes a while for every batch, so that a kill finds it at work."""

    def outputs(self, images_nchw, execution=None):
        time.sleep(PAUSE)
        return super().outputs(images_nchw, execution)


def count_chunks(log: Path) -> None:
    """Writes a line whenever a chunk of the design is begun."""
    values = Evaluator.values

    def counted(self, points, execution, on_batch=None):
        if len(points) == CHUNK:
            with log.open("a") as file:
                file.write("chunk\n")
        return values(self, points, execution, on_batch)

    Evaluator.values = counted


def run(out: Path) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(3)
    images = rng.random((6, 1, 12, 12)).astype(np.float32)
    count_chunks(out.with_suffix(".log"))
    audit(
        SlowClassifier(size=12),
        (images, np.array([0, 1, 0, 1, 0, 1])),
        {"rotation": (-30, 30), "brightness": (0.2, 1.5), "gaussian_noise": (0, 0.2)},
        n_base=START,
        budget=FULL * ROWS_PER_BLOCK if START < FULL else None,
        resamples=50,
        out=out,
        execution=ExecutionOptions(batch_size=8, chunk_rows=CHUNK, precision="float32", channels_last=False),
        progress=False,
    )


def child(out: Path) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            run(out)
            code = 0
        finally:
            os._exit(code)
    return pid


def begun(log: Path) -> int:
    return log.read_text().count("\n") if log.exists() else 0


def main() -> None:
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    assert os.waitpid(child(folder / "whole"), 0)[1] == 0
    rng, killed, log = random.Random(0), 0, folder / "cut.log"
    for _ in range(kills):
        wanted = begun(log) + rng.randint(0, 4)
        pid = child(folder / "cut")
        while begun(log) < wanted and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, PAUSE))
        os.kill(pid, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    assert os.waitpid(child(folder / "cut"), 0)[1] == 0
    print(json.dumps({"killed": killed, "whole": begun(folder / "whole.log"), "cut": begun(log)}))


if __name__ == "__main__":
    main()
