"""The steel example: the script trains, and what it writes is audited by the command line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]


def test_the_script_writes_an_audit_that_runs(tmp_path):
    rng = np.random.default_rng(0)
    for label, level in (("dark", 60), ("bright", 190)):
        folder = tmp_path / "images" / label
        folder.mkdir(parents=True)
        for i in range(20):
            pixels = np.clip(rng.normal(level, 20, (24, 24)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    script = [sys.executable, str(ROOT / "examples/steel/train.py"), str(tmp_path / "images"), str(tmp_path / "out")]
    trained = subprocess.run([*script, "--epochs", "1"], capture_output=True, text=True, check=False)
    assert trained.returncode == 0, trained.stderr[-2000:]
    audit = [
        sys.executable,
        "-c",
        "from shiftgauge.cli.main import run; run()",
        "audit",
        str(tmp_path / "out/audit.yaml"),
    ]
    settings = ["--set", "estimate.n_base=32", "--set", "gates.min_clean_accuracy=0.0", "--quiet"]
    audited = subprocess.run([*audit, *settings], capture_output=True, text=True, check=False)
    assert audited.returncode == 0, audited.stderr[-2000:]
    record = json.loads((tmp_path / "out" / "run" / "run.json").read_text())
    assert record["cost"]["evaluations"] == 32 * 10
