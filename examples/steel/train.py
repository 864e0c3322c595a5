"""Fine-tunes EfficientNet-Lite0 on steel surfaces (X-SDD) and writes what an audit needs.

    python examples/steel/train.py DATA OUT [--epochs 4]

DATA is a folder with one folder of images for each class, or an NPZ file with images and labels. OUT receives
`weights.safetensors`, `classes.txt`, the test images as `test/CLASS/NAME`, and `audit.yaml`, ready for
`shiftgauge audit OUT/audit.yaml`. Exact duplicates stay on one side of the split. About five minutes on two cores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from shiftgauge.data.load import load_data
from shiftgauge.models.backbones import efficientnet_lite0_network

SIZE = 128
CONFIG = """\
title: Steel surfaces under the weld study's shifts
model:
  timm: tf_efficientnet_lite0
  num_classes: {classes}
  weights: weights.safetensors
  classes: classes.txt
  preprocessing: {{size: {size}, channels: 3, resize: squash, mean: [0.498, 0.498, 0.498], std: [0.502, 0.502, 0.502]}}
data:
  folder: test
shifts:
  preset: weld
estimate:
  n_base: 256
gates:
  min_clean_accuracy: 0.9
out: run
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    options = parser.parse_args()
    torch.manual_seed(0)
    source = load_data(options.data)
    train, test = split(source, np.random.default_rng(0))
    images = torch.stack([prepare(source.load(i)) for i in range(len(source))])
    labels = torch.from_numpy(source.labels.copy())
    network = efficientnet_lite0_network()
    network.reset_classifier(len(source.class_names))
    fit(network, images, labels, train, test, options.epochs)
    write(options.out, network, source, test)


def split(source, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A quarter of the different pictures of each class for the test."""
    test = []
    for label in range(len(source.class_names)):
        hashes = sorted({h for h, k in zip(source.hashes, source.labels, strict=True) if k == label})
        chosen = set(rng.permutation(hashes)[: len(hashes) // 4].tolist())
        test += [i for i, h in enumerate(source.hashes) if source.labels[i] == label and h in chosen]
    return np.setdiff1d(np.arange(len(source)), test), np.array(test)


def prepare(image: np.ndarray) -> torch.Tensor:
    picture = torch.from_numpy(np.array(image))[None]
    picture = nn.functional.interpolate(picture, size=(SIZE, SIZE), mode="bilinear", antialias=True)[0]
    return (picture.expand(3, -1, -1) - 0.498) / 0.502


def fit(
    network: nn.Module, images: torch.Tensor, labels: torch.Tensor, train: np.ndarray, test: np.ndarray, epochs: int
) -> None:
    images = images.contiguous(memory_format=torch.channels_last)
    network = network.to(memory_format=torch.channels_last)
    batch = max(1, min(32, len(train) // 4))
    steps = epochs * (len(train) // batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-3, total_steps=steps)
    for epoch in range(epochs):
        network.train()
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(train))
        for k in range(len(train) // batch):
            rows = order[k * batch : (k + 1) * batch]
            flipped = images[rows].flip(-1) if k % 2 else images[rows]
            loss = nn.functional.cross_entropy(network(flipped), labels[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        network.eval()
        with torch.inference_mode():
            right = [network(images[part]).argmax(1) == labels[part] for part in torch.from_numpy(test).split(64)]
        print(f"epoch {epoch + 1}: test accuracy {torch.cat(right).float().mean():.4f}", flush=True)


def write(out: Path, network: nn.Module, source, test: np.ndarray) -> None:
    out.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, out / "weights.safetensors")
    (out / "classes.txt").write_text("\n".join(source.class_names) + "\n", encoding="utf-8")
    for index in test:
        label = source.class_names[source.labels[index]]
        target = out / "test" / label / f"{index:05d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = (source.load(index).transpose(1, 2, 0) * 255).round().astype(np.uint8)
        Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(target)
    (out / "audit.yaml").write_text(CONFIG.format(classes=len(source.class_names), size=SIZE), encoding="utf-8")
    print(f"next: shiftgauge audit {out / 'audit.yaml'}")


if __name__ == "__main__":
    main()
