"""What the readers of image files share: limit, check every file, leave out or complain."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.data.dataset import ImageDataset, strata, stratified_order
from shiftgauge.data.source import Checked, FileImages, check_files
from shiftgauge.errors import DataError

_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Files and labels as a reader found them in the folders `searched`, before any file is opened."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    groups: tuple[str, ...] | None = None
    splits: tuple[str, ...] | None = None
    label_matrix: npt.NDArray[np.float64] | None = None
    searched: tuple[Path, ...] = ()

    def rows(self, keep: Sequence[int] | npt.NDArray[np.int64]) -> "Listing":
        """Keeps some of the entries."""
        rows = [int(i) for i in keep]
        return Listing(
            paths=tuple(self.paths[i] for i in rows),
            names=tuple(self.names[i] for i in rows),
            labels=self.labels[rows],
            class_names=self.class_names,
            groups=None if self.groups is None else tuple(self.groups[i] for i in rows),
            splits=None if self.splits is None else tuple(self.splits[i] for i in rows),
            label_matrix=None if self.label_matrix is None else self.label_matrix[rows],
            searched=self.searched,
        )


def assemble(
    listing: Listing, *, skip_unreadable: bool, limit: int | None, seed: int, background: float, source: str
) -> ImageDataset:
    """Opens the listed files once and returns the data set.

    Args:
        listing: Files and labels.
        skip_unreadable: Leave out files that cannot be read, and list them in `skipped`.
        limit: Keep at most so many images (stratified by class, or by set of labels), chosen before any file is opened.
        seed: Seed of that choice.
        background: Grey level in [0, 1] behind transparent pixels.
        source: What the messages call the listing.

    Raises:
        DataError: Files cannot be read (the first three are named), or none is left.
    """
    require_range("background", background, 0.0, 1.0, error=DataError)
    if limit is not None:
        require_positive_int("limit", limit, error=DataError)
        order = stratified_order(strata(listing.labels, listing.label_matrix), seed)
        listing = listing.rows(np.sort(order[:limit]))
    checked = check_files(listing.paths, background)
    skipped = refuse_unreadable(listing.names, checked, skip_unreadable, source)
    good = [i for i, c in enumerate(checked) if not c.problem]
    kept, hashes = listing.rows(good), tuple(checked[i].content for i in good)
    return ImageDataset(
        images=FileImages(paths=kept.paths, hashes=hashes, background=background, searched=kept.searched),
        names=kept.names,
        labels=kept.labels,
        class_names=kept.class_names,
        hashes=hashes,
        channels=tuple(checked[i].channels for i in good),
        groups=kept.groups,
        splits=kept.splits,
        skipped=skipped,
        label_matrix=kept.label_matrix,
    )


def refuse_unreadable(
    names: Sequence[str], checked: Sequence[Checked], skip_unreadable: bool, source: str
) -> tuple[tuple[str, str], ...]:
    """Returns (name, reason) of the images that cannot be read.

    Raises:
        DataError: There are some and they may not be skipped, or no image is left.
    """
    bad = tuple((name, c.problem) for name, c in zip(names, checked, strict=True) if c.problem)
    if bad and not skip_unreadable:
        shown = "; ".join(f"{name} ({reason})" for name, reason in bad[:_SHOWN])
        more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise DataError(
            f"{source}: {len(bad)} of {len(names)} images cannot be read: {shown}{more}; "
            "repair or remove them, or set skip_unreadable"
        )
    if len(bad) == len(names):
        raise DataError(f"{source} holds no readable image")
    return bad
