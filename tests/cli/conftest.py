"""The command line as a user drives it: arguments in, exit code and two streams out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from shiftgauge.cli.main import app


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on standard error of bad input."""
        lines = self.err.strip().splitlines()
        assert self.code == 2, (self.code, self.out, self.err)
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        assert "Traceback" not in self.out + self.err
        return lines[0]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Runs `shiftgauge` with the given arguments, on a terminal 100 columns wide without colour."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: object) -> Outcome:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


def grey_image(level: float, size: tuple[int, int] = (16, 16), seed: int = 0) -> Image.Image:
    """A noisy grey image of a mean level."""
    noise = np.random.default_rng(seed).normal(0, 0.05, size)
    return Image.fromarray((np.clip(level + noise, 0, 1) * 255).astype(np.uint8))


FACTORY = '''
import torch


class Brightness(torch.nn.Module):
    """Logits of "dark" and "bright" from the mean grey value, with some dependence on the left half."""

    def __init__(self, classes=2):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor(8.0))
        self.classes = classes

    def forward(self, images):
        mean = images.mean(dim=(1, 2, 3)) + 0.2 * images[..., : images.shape[-1] // 2].mean(dim=(1, 2, 3))
        logits = [self.gain * (0.6 - mean), self.gain * (mean - 0.6)]
        return torch.stack(logits + [torch.zeros_like(mean)] * (self.classes - 2), dim=1)


def build(classes=2):
    return Brightness(classes)


def broken():
    class NaN(torch.nn.Module):
        def forward(self, images):
            return torch.full((len(images), 2), float("nan"))

    return NaN()


def constant():
    class Constant(torch.nn.Module):
        def forward(self, images):
            return torch.tensor([[1.0, 0.0]]).repeat(len(images), 1)

    return Constant()


def raising(name):
    raise {"zero": ZeroDivisionError, "attribute": AttributeError, "import": ImportError, "assertion": AssertionError,
           "name": NameError, "stop": StopIteration}[name]("of the factory")


def leaving():
    raise SystemExit(5)


def failing(name):
    class Failing(torch.nn.Module):
        def forward(self, images):
            raising(name) if name in ("zero", "assertion", "import") else leaving()

    return Failing()
'''


@dataclass(frozen=True)
class Project:
    """A folder with images, a model factory and a configuration, as a user would have it."""

    folder: Path
    values: dict[str, Any]

    @property
    def path(self) -> Path:
        """The configuration file."""
        return self.folder / "audit.yaml"

    def write(self, text: str | None = None) -> Path:
        """Writes the configuration: the given text, or the values."""
        self.path.write_text(yaml.safe_dump(self.values) if text is None else text)
        return self.path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A small working audit: six grey images of two classes, and a factory beside the configuration."""
    for name, level in (("dark", 0.25), ("bright", 0.75)):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for k in range(3):
            grey_image(level + 0.05 * k, seed=k).save(folder / f"{name}{k}.png")
    module = f"factory_{abs(hash(str(tmp_path)))}"  # imported modules are kept: each test has its own
    (tmp_path / f"{module}.py").write_text(FACTORY)
    values: dict[str, Any] = {
        "model": {
            "factory": f"{module}:build",
            "classes": ["dark", "bright"],
            "output": "logits",
            "preprocessing": {"size": 16, "channels": 1},
        },
        "data": {"folder": "images"},
        "shifts": {"parameters": {"brightness": [0.5, 1.5], "rotation": [-30, 30]}},
        "estimate": {"n_base": 32, "resamples": 100},
        "execution": {"device": "cpu", "batch_size": 32, "precision": "float32"},
        "out": "run",
    }
    project = Project(tmp_path, values)
    project.write()
    return project
