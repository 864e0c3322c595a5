"""What the eye-state publication printed and logged, at the ε that its logs have and not those that it printed.

The tables say ε .004, .006, .011 and .023 where the logs have .003, .005, .009 and .021 (the row of a log is ε/1000),
and call 40.67 dB in one table and 39.76 dB in another 40 dB: these are other attacks. The values stand here with the
true ε; `printed` keeps the wrong ones. All accuracies are means over ten networks on the same 573 images.

What the publication calls white-box is so for the plain networks alone. Images for the networks trained adversarially,
with weight decay or under the constraint were made on the plain network of the same fold: a transfer attack.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from shiftgauge.errors import DataError

RMS: Final = 0.9725
"""Root mean square of the published test images, by which ε is a ratio in dB."""
TEST_IMAGES: Final = 573
BASELINE: Final = 0.696
"""Published accuracy of the plain network."""
_NEAR_DB: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """Accuracies of a few networks under the fast gradient sign method.

    Args:
        name: Of the table.
        epsilon: ε of the logs, 0 for clean images.
        printed: ε that the publication printed.
        accuracy: Network → accuracy at each ε.
        source: Network → the one that its images were made on.
    """

    name: str
    epsilon: tuple[float, ...]
    printed: tuple[float, ...]
    accuracy: Mapping[str, tuple[float, ...]]
    source: Mapping[str, str]


TABLE_8: Final = PublishedTable(
    name="Table 8",
    epsilon=(0.0, 0.003, 0.005, 0.009, 0.021),
    printed=(0.0, 0.004, 0.006, 0.011, 0.023),
    accuracy={
        "Parseval": (0.7138, 0.6649, 0.6290, 0.5621, 0.3993),
        "ResNet": (0.6956, 0.6518, 0.6232, 0.5632, 0.3963),
        "Parseval-ADV": (0.7028, 0.6970, 0.6941, 0.6867, 0.6649),
        "ResNet-ADV": (0.6918, 0.6848, 0.6822, 0.6747, 0.6515),
    },
    source={"Parseval": "Parseval", "ResNet": "ResNet", "Parseval-ADV": "Parseval", "ResNet-ADV": "ResNet"},
)
TABLE_10: Final = PublishedTable(
    name="Table 10",
    epsilon=(0.0, 0.003, 0.005, 0.010, 0.022),
    printed=(0.0, 0.003, 0.005, 0.010, 0.022),
    accuracy={
        "CNN": (0.7061, 0.6705, 0.6503, 0.6023, 0.4719),
        "CNN_WD": (0.7049, 0.6937, 0.6848, 0.6651, 0.6175),
        "CNN_WD_ADV": (0.7028, 0.6949, 0.6887, 0.6766, 0.6424),
        "Parseval_OC": (0.6974, 0.6873, 0.6813, 0.6684, 0.6277),
    },
    source=dict.fromkeys(("CNN", "CNN_WD", "CNN_WD_ADV", "Parseval_OC"), "CNN"),
)
SECOND_ROUND: Final = PublishedTable(
    name="Second round",
    epsilon=(0.0, 0.003, 0.005, 0.01, 0.02),
    printed=(0.0, 0.003, 0.005, 0.02, 0.01),
    accuracy={
        "Parseval": (0.7515, 0.6928, 0.6632, 0.5881, 0.4066),
        "ResNet": (0.7387, 0.6806, 0.6510, 0.5777, 0.4346),
        "Parseval-ADV": (0.7555, 0.7251, 0.7208, 0.7089, 0.6700),
        "ResNet-ADV": (0.7304, 0.7271, 0.7237, 0.7033, 0.6635),
    },
    source=TABLE_8.source,
)
"""Other hyper-parameters; the logs have the keys of the two largest ε the wrong way round."""
TABLES: Final = (TABLE_8, TABLE_10, SECOND_ROUND)
SHARES: Final = (0.25, 0.5, 0.75, 1.0)
COPY_EPSILONS: Final = (0.001, 0.003, 0.005, 0.01, 0.03)
FGSM_COPIES: Final = np.array(
    [
        (0.7119, 0.7307, 0.7398, 0.7454),
        (0.7206, 0.7241, 0.7353, 0.7508),
        (0.7190, 0.7304, 0.7436, 0.7408),
        (0.7223, 0.7286, 0.7372, 0.7443),
        (0.7288, 0.7192, 0.7284, 0.7459),
    ]
)
"""Tables 6 and 9, clean accuracy with FGSM copies: ε × share."""
FGSM_COPIES_ATTACKED: Final = np.array(
    [
        (0.7075, 0.7286, 0.7354, 0.7405),
        (0.7086, 0.7129, 0.7213, 0.7382),
        (0.6986, 0.7120, 0.7260, 0.7197),
        (0.6832, 0.6928, 0.7033, 0.7148),
        (0.6248, 0.6370, 0.6562, 0.6721),
    ]
)
"""The same under FGSM of the same ε."""
NOISE_COPIES: Final = np.array(
    [
        (0.7209, 0.7279, 0.7384, 0.7419),
        (0.7300, 0.7300, 0.7424, 0.7485),
        (0.7187, 0.7351, 0.7433, 0.7436),
        (0.7295, 0.7307, 0.7377, 0.7468),
        (0.7204, 0.7276, 0.7328, 0.7387),
    ]
)
"""Table 7, clean accuracy with copies under uniform noise."""
WEIGHT_FACTS: Final[Mapping[str, str]] = {
    "Parseval": "singular values of flattened kernels 0.987 to 1.004; norms of the convolutions up to 3.01",
    "ResNet": "singular values up to 4.04; norms of the convolutions up to 11.3",
}
"""What the published weights of ten folds give; no bound of a whole network was published."""


def published_snr(epsilon: float) -> float:
    """20 log10(RMS / ε) of a sign perturbation of the published test images; infinite at 0.

    Args:
        epsilon: ≥ 0, in the standardised scale.

    Example:
        >>> round(published_snr(0.003), 2), published_snr(0)
        (50.22, inf)
    """
    return 20 * math.log10(RMS / epsilon) if epsilon > 0 else math.inf


def read_log(path: str | Path) -> pd.DataFrame:
    """Reads a published log: JSON objects one after the other, each with `SNR` (Infinity if clean) and mean accuracies.

    The ε of a row follows from its ratio, so that the extra first row of one log (100 dB, a copy of the clean one)
    moves nothing; that row is left out.

    Args:
        path: Such as `result_ResNet.json`.

    Returns:
        A row for each ε: `epsilon`, `snr_db`, and a column for each network.

    Raises:
        DataError: The file is missing or damaged, or a ratio is that of no ε = 0, 0.001, 0.002 …
    """
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the log {path}: {getattr(error, 'strerror', None) or error}") from error
    rows, place, decoder = [], 0, json.JSONDecoder()
    while place < len(text):
        try:
            found, place = decoder.raw_decode(text, place)
            ratio = float(found["SNR"])
            values = {name: float(value) for name, value in found.items() if name != "SNR"}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is no log of accuracies by `SNR`: {error}") from error
        place += len(text[place:]) - len(text[place:].lstrip())
        if not math.isclose(ratio, 100.0):
            rows.append({"epsilon": _epsilon(ratio, path), "snr_db": ratio, **values})
    return pd.DataFrame(rows)


def _epsilon(ratio: float, path: str | Path) -> float:
    if math.isinf(ratio):
        return 0.0
    nearest = round(1000 * RMS / 10 ** (ratio / 20)) / 1000
    if nearest <= 0 or abs(published_snr(nearest) - ratio) > _NEAR_DB:
        raise DataError(f"{path}: {ratio:g} dB belongs to no ε of 0.001, 0.002 … at an RMS of {RMS}")
    return nearest
