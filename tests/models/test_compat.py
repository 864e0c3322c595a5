import subprocess
import sys

import torch

from shiftgauge.models.compat import prepare_torchvision


def test_timm_imports_after_it_without_warnings():
    code = (
        "from shiftgauge.models.compat import prepare_torchvision as p; first = p(); assert p() == first; "
        "import torchvision, timm; print(timm.create_model('resnet18', num_classes=3).num_classes)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "3"


def test_declared_operators_have_torchvision_s_schema():
    prepare_torchvision()
    schema = str(torch.ops.torchvision.nms.default._schema)
    assert schema == "torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
