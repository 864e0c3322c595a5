import subprocess
import sys

CODE = """
import importlib, pkgutil, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name == "torch" or name.startswith("torch."):
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Refuse())
import shiftgauge.estimate
for module in pkgutil.walk_packages(shiftgauge.estimate.__path__, "shiftgauge.estimate."):
    importlib.import_module(module.name)
assert "torch" not in sys.modules

import numpy as np
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ISHIGAMI

inputs = Inputs(space=ISHIGAMI.space)
for estimator in ("pick_freeze", "assisted", "gpc"):
    design = PlainDesign(inputs=inputs, n=512) if estimator == "gpc" else PickFreezeDesign(inputs=inputs, n_base=256)
    y = ISHIGAMI.function(design.rows(0, design.n_rows).theta)
    found = analyse(design, y[:, None], outputs=["y"], estimator=estimator, resamples=20)
    assert np.abs(found.total_order[0] - ISHIGAMI.total_order).max() < 0.1
    print(estimator)
"""


def test_every_estimator_works_where_torch_is_not_installed():
    done = subprocess.run([sys.executable, "-W", "error", "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["pick_freeze", "assisted", "gpc"]


def test_estimates_need_no_pandas_until_a_frame_is_asked_for():
    code = "import sys, shiftgauge.estimate.analysis; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
