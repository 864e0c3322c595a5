"""Where finished parts of a look inside a network are kept, and the version of how each is made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from shiftgauge.results.run_folder import EXPLAIN_FILE
from shiftgauge.studies.part_store import PartStore

METHODS: Final[Mapping[str, int]] = {
    "map": 1,
    "derivative": 1,
    "attribution": 1,
    "curve": 1,
    "randomisation": 1,
    "bounds": 1,
    "masks": 1,
    "maximize": 1,
    "walk": 1,
}
"""Kind of part → version of how it is computed or laid out. Raise it with each change that makes a kept part another
one, so that none is taken up that was made the old way."""


def explain_store(folder: Path, origin: Mapping[str, str]) -> PartStore:
    """The store of a look inside.

    Args:
        folder: The run folder.
        origin: Content hashes of the model and the data.
    """
    return PartStore(folder=folder, origin=dict(origin), file=EXPLAIN_FILE, what="a look inside", methods=METHODS)
