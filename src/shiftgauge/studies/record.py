"""What every kind of run writes about itself: where it came from, and its folder with figures and page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import StoreError
from shiftgauge.evaluate.origins import library_versions
from shiftgauge.results.result import RunResult

R = TypeVar("R", bound=RunResult)


def provenance(hashes: Mapping[str, str], seed: int, started: datetime, *, device: str = "cpu") -> dict[str, Any]:
    """What a run was made from, and when.

    Args:
        hashes: Name of a part, such as `model` → its content hash.
        seed: The one seed of the run.
        started: When it began; it ends now.
        device: Kind of device that the model ran on.

    Returns:
        hashes, versions, device, seed, started and finished, plain values.

    Example:
        >>> made_from = provenance({"data": "a1"}, 0, datetime(2025, 1, 1, tzinfo=UTC))
        >>> made_from["hashes"], made_from["device"], made_from["started"]
        ({'data': 'a1'}, 'cpu', '2025-01-01T00:00:00+00:00')
    """
    return {
        "hashes": dict(hashes),
        "versions": library_versions(),
        "device": device,
        "seed": seed,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def told_of(dataset: ImageDataset) -> dict[str, Any]:
    """What reading the images gave beside them: files left out with the reason, and notes; plain values.

    Args:
        dataset: The images.
    """
    return {"skipped": [list(pair) for pair in dataset.skipped], "notes": list(dataset.notes)}


def write_with_page(
    result: R,
    folder: Path,
    write_figures: Callable[[R, Path], object],
    write_page: Callable[[R, Path], object],
) -> Path:
    """Writes figures, page and arrays; run.json, which makes it a finished run, comes last.

    Args:
        result: What was found.
        folder: Run folder; made when absent.
        write_figures: Writes the figures of this kind of result into a folder.
        write_page: Writes its page as one HTML file.

    Returns:
        The folder.

    Raises:
        StoreError: The folder cannot be written to.
    """
    try:
        write_figures(result, folder / "figures")
        write_page(result, folder / "report.html")
    except OSError as error:
        raise StoreError(f"cannot write in {folder}: {error.strerror or error}") from error
    return result.to_disk(folder)
