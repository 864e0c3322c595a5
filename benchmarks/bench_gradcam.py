"""Time of Grad-CAM against a plain one in PyTorch, and pytorch-grad-cam where it is installed.

    python benchmarks/bench_gradcam.py [--network resnet18_small] [--size 32] [--images 64] [--cpu] [--smoke]

All sides map the same images and classes at the same layer, 32 images at a time, in one process and by turns; the best
round counts. Ours includes the choice of the layer and the checks. The weights are random: nothing here depends on
what they are. The target of shiftgauge is at most 1.2 times the plain one. `--smoke` runs everything once, small.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from shiftgauge.explain.attribution import attribute
from shiftgauge.models.architectures import build_network
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier

BATCH = 32
PLACE = 3


def plain(network: nn.Module, layer: nn.Module, x_nchw: torch.Tensor) -> np.ndarray:
    """Grad-CAM as one writes it by hand: a hook, one pass forward, one back to the layer."""
    kept: list[torch.Tensor] = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    rows = []
    for part in x_nchw.split(BATCH):
        kept.clear()
        score = network(part.clone().requires_grad_())[:, PLACE].sum()
        (slopes,) = torch.autograd.grad(score, kept[0])
        cam = (slopes.mean(dim=(2, 3), keepdim=True) * kept[0]).sum(dim=1, keepdim=True).relu()
        rows.append(functional.interpolate(cam, x_nchw.shape[2:], mode="bilinear").detach().numpy())
    handle.remove()
    return np.concatenate(rows)


def packaged(network: nn.Module, layer: nn.Module, x_nchw: torch.Tensor) -> np.ndarray | None:
    """The same by pytorch-grad-cam, or None where it is not installed."""
    prepare_torchvision()
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError:
        return None
    with GradCAM(model=network, target_layers=[layer]) as cam:
        parts = x_nchw.split(BATCH)
        return np.concatenate(
            [cam(p.clone().requires_grad_(), [ClassifierOutputTarget(PLACE)] * len(p)) for p in parts]
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="resnet18_small")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time, for a busy machine")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    count, rounds = (2, 1) if options.smoke else (options.images, options.rounds)
    network = build_network(options.network, n_classes=10).eval().requires_grad_(False)
    preprocessing = Preprocessing(height=options.size, width=options.size, mean=(0.5,) * 3, std=(0.5,) * 3)
    classifier = TorchClassifier(network, preprocessing=preprocessing, device=torch.device("cpu"))
    images = torch.rand(count, 3, options.size, options.size)
    found = attribute(classifier, images, PLACE, method="grad_cam", batch_size=BATCH)
    layer, x = network.get_submodule(str(found.layer)), preprocessing.normalise(images)
    print(f"{count} images of {options.size} x {options.size}, {options.network}, layer `{found.layer}`")
    difference = float(np.abs(plain(network, layer, x) - found.values).max() / max(np.abs(found.values).max(), 1e-12))
    print(f"  largest difference from the plain one, relative: {difference:.1e}")
    sides = {
        "plain": lambda: plain(network, layer, x),
        "ours": lambda: attribute(classifier, images, PLACE, method="grad_cam", batch_size=BATCH),
    }
    if packaged(network, layer, x[:1]) is None:
        print("  pytorch-grad-cam is not installed; left out")
    else:
        sides["pytorch-grad-cam"] = lambda: packaged(network, layer, x)
    clock, times = time.process_time if options.cpu else time.perf_counter, dict.fromkeys(sides, float("inf"))
    for _ in range(rounds):
        for name, side in sides.items():
            start = clock()
            side()
            times[name] = min(times[name], clock() - start)
    for name, seconds in times.items():
        print(f"  {name}: {1000 * seconds:.1f} ms, {seconds / times['plain']:.2f} times the plain one")


if __name__ == "__main__":
    main()
