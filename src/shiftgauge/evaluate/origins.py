"""What an evaluation was made from, as content hashes: the identity of a run."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from shiftgauge import __version__
from shiftgauge.evaluate.store import Origin, origin
from shiftgauge.files import hash_bytes, hash_file

_CODE: Final = ("data", "models", "shifts", "evaluate")
_FILES: Final = (
    "space.py",
    "parameter.py",
    "distributions.py",
    "random.py",
    "estimate/designs.py",
    "estimate/groups.py",
    "estimate/inputs.py",
    "estimate/points.py",
    "studies/rows.py",
    "studies/setup.py",
)
_LIBRARIES: Final = ("numpy", "scipy", "torch", "timm", "onnxruntime", "pillow", "scikit-learn")
_SHAPING: Final = ("numpy", "scipy", "torch", "timm", "onnxruntime", "pillow", "scikit-learn")


@cache
def code_origin() -> Origin:
    """Returns version and hash of the source files that decide an evaluation's values."""
    root = Path(__file__).resolve().parents[1]
    paths = sorted({*(p for part in _CODE for p in (root / part).rglob("*.py")), *(root / name for name in _FILES)})
    parts = [part for p in paths for part in (str(p.relative_to(root)).encode(), hash_file(p).encode())]
    return Origin(hash=hash_bytes(__version__.encode(), *parts), summary=f"shiftgauge {__version__}")


def library_versions() -> dict[str, str]:
    """Returns the versions of Python, shiftgauge and the libraries that are installed."""
    found = {"python": platform.python_version(), "shiftgauge": __version__}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def library_origin() -> Origin:
    """Returns the identity of the libraries whose version can change values in the last digits."""
    versions = {name: v for name, v in library_versions().items() if name in _SHAPING}
    return origin(versions, ", ".join(f"{name} {v}" for name, v in versions.items()))
