"""An audit against a plain script in the manner of the weld study, and what an evaluation costs beyond the network.

Prints, both sides measured in one run:

1. seconds per evaluation of a ResNet-18 at 224×224 under the weld preset, plain script / audit, and the largest
   difference of any first or total index between the two;
2. the overhead of an evaluation (shifts, store, bookkeeping) over a bare forward pass at the same batch, layout and
   precision;
3. peak memory at a small and at a large number of evaluations, same batch.

    python benchmarks/bench_audit.py            full size, minutes
    python benchmarks/bench_audit.py --smoke    tiny, seconds
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from shiftgauge.data.arrays import from_arrays
from shiftgauge.estimate.analysis import analyse
from shiftgauge.evaluate.options import ExecutionOptions, ShiftOptions
from shiftgauge.evaluate.run import make_plan
from shiftgauge.evaluate.store import Store
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.models.load import load_model
from shiftgauge.shifts.catalog import get_preset
from shiftgauge.shifts.pipeline import ShiftPipeline
from shiftgauge.studies.setup import Setup, prepare
from shiftgauge.studies.shift_space import shift_space
from shiftgauge.types import Execution

SIZE = 224
FIELD_OF_VIEW = math.radians(53.0)


@dataclass
class Case:
    network: torch.nn.Module
    setup: Setup
    image: np.ndarray
    label: int


def photographs() -> torch.Tensor:
    """Five real photographs of installed packages, (5, 3, 224, 224) in [0, 1]."""
    from skimage.data import astronaut, cat, coffee, rocket
    from sklearn.datasets import load_sample_image

    pictures = [coffee(), cat(), rocket(), astronaut(), load_sample_image("china.jpg")]
    tensors = [torch.from_numpy(np.array(p)).permute(2, 0, 1)[None].float() / 255 for p in pictures]
    return torch.cat([functional.interpolate(t, size=(SIZE, SIZE), mode="bilinear", antialias=True) for t in tensors])


def trained_network(pictures: torch.Tensor, steps: int) -> torch.nn.Module:
    """A ResNet-18 taught to tell five photographs apart under mild shifts, so that it answers like a trained one."""
    prepare_torchvision()
    import timm

    torch.manual_seed(0)
    network = timm.create_model("resnet18", pretrained=False, num_classes=len(pictures)).train()
    network = network.to(memory_format=torch.channels_last)
    pipeline = ShiftPipeline(["brightness", "rotation", "tilt", "scale"])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    for step in range(steps):
        labels = torch.from_numpy(rng.integers(0, len(pictures), 16))
        theta = rng.uniform([0.4, -60, -15, 0.8], [1.6, 60, 15, 1.2], (16, 4))
        images = pipeline(pictures[labels], torch.from_numpy(theta), torch.zeros(16, dtype=torch.int64))
        if step < 0.8 * steps:
            images = functional.interpolate(images, scale_factor=0.5, mode="bilinear", antialias=True)
        logits = network((images - 0.5) / 0.5)
        loss = functional.cross_entropy(logits, labels, label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval().to(memory_format=torch.contiguous_format)


def make_case(n_base: int, steps: int) -> Case:
    """The network on one photograph under the weld preset."""
    pictures = photographs()
    network = trained_network(pictures, steps)
    spec = {
        "kind": "module",
        "target": network,
        "output_kind": "logits",
        "preprocessing": {"channels": 3, "height": SIZE, "width": SIZE, "mean": [0.5] * 3, "std": [0.5] * 3},
    }
    classifier = load_model(spec)
    image = (pictures[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    source = from_arrays(image[None], np.array([0]), class_names=classifier.class_names)
    setup = prepare(
        classifier,
        source,
        shift_space(preset="weld"),
        options=ShiftOptions(order=get_preset("weld").order),
        estimator="assisted",
        n_base=n_base,
        second_order=True,
        images="population",
        classes=(),
        quantity_of_interest="probability",
        seed=0,
    )
    return Case(network=network, setup=setup, image=image, label=0)


def corners_after_tilt(angle_deg: float) -> list[list[float]]:
    """Where the corners of the picture land when its plane is turned about the horizontal axis through its centre."""
    half, turn = SIZE / 2, math.radians(angle_deg)
    distance = half / math.tan(FIELD_OF_VIEW / 2)
    found = []
    for x, y in ((-half, -half), (half, -half), (half, half), (-half, half)):
        depth = distance / (distance + y * math.sin(turn))
        found.append([half + x * depth, half + y * math.cos(turn) * depth])
    return found


def tilt_sign(case: Case) -> int:
    """Which way the pipeline turns the plane for a positive angle, read off a picture with a bright upper edge."""
    probe = torch.zeros(1, 3, SIZE, SIZE)
    probe[..., : SIZE // 8, :] = 1
    theta = np.array([[{"brightness": 1.0, "rotation": 0.0, "tilt": 20.0}[n] for n in case.setup.space.names]])
    moved = case.setup.evaluator.perturb(probe, theta, np.zeros(1, np.int64))
    return -1 if moved[0, 0].mean() < probe[0, 0].mean() else 1


def plain_script(case: Case, theta: np.ndarray, sign: int) -> np.ndarray:
    """One PIL image at a time through torchvision's functions, batch 64, float32, nothing tuned."""
    prepare_torchvision()
    from PIL import Image
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as transforms

    picture = Image.fromarray(case.image)
    column = {name: i for i, name in enumerate(case.setup.space.names)}
    flat = [[0, 0], [SIZE, 0], [SIZE, SIZE], [0, SIZE]]
    probability = np.empty(len(theta))
    for start in range(0, len(theta), 64):
        batch = []
        for row in theta[start : start + 64]:
            image = transforms.adjust_brightness(picture, row[column["brightness"]])
            image = transforms.rotate(image, row[column["rotation"]], InterpolationMode.BILINEAR)
            corners = corners_after_tilt(sign * row[column["tilt"]])
            image = transforms.perspective(image, flat, corners, InterpolationMode.BILINEAR)
            image = transforms.resize(image, [SIZE, SIZE])
            batch.append(transforms.normalize(transforms.to_tensor(image), [0.5] * 3, [0.5] * 3))
        with torch.no_grad():
            probability[start : start + 64] = torch.softmax(case.network(torch.stack(batch)), 1)[:, case.label].numpy()
    return probability


def compare(case: Case, rounds: int = 8) -> None:
    """Both sides in turn, piece by piece, so that a machine that changes its speed hits both."""
    setup = case.setup
    points = setup.rows.points(0, setup.rows.n_rows)
    n, sign = len(points), tilt_sign(case)
    plain, ours, seconds = np.empty(n), np.empty(n), np.empty((rounds, 2))
    with tempfile.TemporaryDirectory() as folder, Store(folder, {}) as store:
        start = time.perf_counter()
        plan = make_plan(setup.evaluator, setup.rows, ExecutionOptions(), store)
        trial_seconds = time.perf_counter() - start
        plain_script(case, points.theta_np[:64], sign)
        for number, rows in enumerate(np.array_split(np.arange(n), rounds)):
            first, last = int(rows[0]), int(rows[-1]) + 1
            start = time.perf_counter()
            plain[first:last] = plain_script(case, points.theta_np[first:last], sign)
            middle = time.perf_counter()
            values = setup.evaluator.values(points.part(first, last), plan.execution)
            store.put("design", number, values)
            seconds[number] = (middle - start) / len(rows), (time.perf_counter() - middle) / len(rows)
            ours[first:last] = values[:, 0]
    both = np.column_stack([plain, ours])
    found = analyse(setup.rows.design, both, outputs=["plain", "audit"], estimator="assisted", resamples=100)
    gap = max(float(np.abs(t[0] - t[1]).max()) for t in (found.first_order, found.total_order))
    median = np.median(seconds, axis=0)
    ratios = seconds[:, 0] / seconds[:, 1]
    long = median[0] / (median[1] + trial_seconds / 20_000)
    print(f"plain script   {1e3 * median[0]:8.2f} ms per evaluation ({n} evaluations in {rounds} rounds)")
    print(f"audit          {1e3 * median[1]:8.2f} ms per evaluation, {plan.execution}")
    print(f"ratio          {np.median(ratios):8.2f}   ({ratios.min():.2f} to {ratios.max():.2f}; goal: at least 4)")
    print(f"               the trial that chose the setting took {trial_seconds:.1f} s, once; with it the ratio")
    print(f"               of a run of 20,000 evaluations is {long:.2f}")
    print(f"largest difference of an index   {gap:.4f}   (goal: at most 0.02)")
    for kind in ("first_order", "total_order"):
        print(kind, dict(zip(found.names, np.round(getattr(found, kind), 3).T.tolist(), strict=True)))


def overhead(case: Case, execution: Execution | None = None) -> None:
    setup = case.setup
    with tempfile.TemporaryDirectory() as folder, Store(folder, {}) as store:
        plan = make_plan(setup.evaluator, setup.rows, ExecutionOptions(), store)
        size = plan.execution.batch_size
        batch = setup.evaluator.shifted(setup.rows.points(0, size))
        classifier = setup.evaluator.classifier
        classifier.outputs(batch, plan.execution)
        bare, whole = [], []
        chunk = 4 * size
        for number in range(max(3, min(12, setup.rows.n_rows // chunk))):
            start = time.perf_counter()
            for _ in range(4):
                classifier.outputs(batch, plan.execution)
            bare.append((time.perf_counter() - start) / chunk)
            start = time.perf_counter()
            first = (number * chunk) % max(1, setup.rows.n_rows - chunk)
            values = setup.evaluator.values(setup.rows.points(first, first + chunk), plan.execution)
            store.put("bench", number, values)
            whole.append((time.perf_counter() - start) / chunk)
    ratio = float(np.median(np.array(whole) / np.array(bare)))
    print(f"bare forward   {1e3 * np.median(bare):8.2f} ms per image, {plan.execution}")
    print(f"evaluation     {1e3 * np.median(whole):8.2f} ms per image")
    print(f"overhead       {ratio:8.2f}   (goal: at most 1.3)")


WHOLE_CALL = """
import json, resource, sys, tempfile, time
import numpy as np, torch
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.studies.audit import audit
prepare_torchvision()
import timm
torch.manual_seed(0)
network = timm.create_model("resnet18", num_classes=6).eval()
images = np.random.default_rng(0).random((12, 3, 224, 224), dtype=np.float32)
spec = {"kind": "module", "target": network, "output_kind": "logits",
        "preprocessing": {"channels": 3, "height": 224, "width": 224}}
execution = ExecutionOptions(batch_size=16, precision="bfloat16", channels_last=True)
start = time.perf_counter()
with tempfile.TemporaryDirectory() as out:
    result = audit(spec, (images, np.arange(12) % 6), "weld", n_base=int(sys.argv[1]), out=out, progress=False,
                   execution=execution)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([result.cost["evaluations"], peak, seconds]))
"""


def memory(small: int, large: int) -> None:
    """The whole public call with the default estimator in a process of its own, at two numbers of evaluations."""
    found = []
    for n_base in (small, large):
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", WHOLE_CALL, str(n_base)], capture_output=True, text=True, check=True
        )
        found.append(json.loads(run.stdout.splitlines()[-1]))
    (few, low, _), (many, high, seconds) = found
    print(f"peak memory    {low:.0f} MiB at N = {few:,}, {high:.0f} MiB at N = {many:,}")
    print(f"ratio          {high / low:8.3f}   (goal: within 15 %)")
    print(f"whole call     {1e3 * seconds / many:8.2f} ms per evaluation at N = {many:,}, from the model to the page")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: does it run?")
    parser.add_argument("--only", choices=("compare", "overhead", "memory"), help="one of the three parts")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    case = make_case(32, 2) if options.smoke else make_case(256, 100)
    if options.only in (None, "compare"):
        compare(case)
    if options.only in (None, "overhead"):
        overhead(case)
    if options.only in (None, "memory"):
        memory(*((32, 64) if options.smoke else (128, 2048)))


if __name__ == "__main__":
    main()
