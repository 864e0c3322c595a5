"""The published tables as arrays, so that pages can set them beside what was measured."""

from __future__ import annotations

import xarray as xr

from shiftgauge.studies.eye_models import AS_PUBLISHED
from shiftgauge.studies.eye_published import (
    COPY_EPSILONS,
    FGSM_COPIES,
    FGSM_COPIES_ATTACKED,
    NOISE_COPIES,
    SHARES,
    TABLES,
    published_snr,
)


def published_arrays() -> xr.Dataset:
    """Published accuracies at the ε of the logs.

    Returns:
        Over `entry` (a network of a table at an ε): table_name, table_network, table_model (ours), table_side (`white`
        or `transfer`, what the published attack is), table_epsilon, table_printed, table_snr, table_accuracy; and over
        (published_epsilon, published_share): published_fgsm, published_fgsm_attacked, published_noise.
    """
    rows = [
        {
            "name": table.name,
            "network": name,
            "model": AS_PUBLISHED[name],
            "side": "white" if table.source[name] == name else "transfer",
            "epsilon": epsilon,
            "printed": printed,
            "snr": published_snr(epsilon),
            "accuracy": accuracy,
        }
        for table in TABLES
        for name, values in table.accuracy.items()
        for epsilon, printed, accuracy in zip(table.epsilon, table.printed, values, strict=True)
    ]
    axes = ("published_epsilon", "published_share")
    return xr.Dataset(
        {
            **{f"table_{key}": ("entry", [row[key] for row in rows]) for key in rows[0]},
            "published_fgsm": (axes, FGSM_COPIES),
            "published_fgsm_attacked": (axes, FGSM_COPIES_ATTACKED),
            "published_noise": (axes, NOISE_COPIES),
        },
        coords={"published_epsilon": list(COPY_EPSILONS), "published_share": list(SHARES)},
    )
