"""The head of a network that begins as a logistic regression on its features, worked out once for a training."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from shiftgauge.files import hash_array, hash_bytes, hash_json, write_atomic
from shiftgauge.models.architectures import BuiltNetwork
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.train.images import Part
from shiftgauge.train.linear_probe import LinearProbe, head_features, linear_probe
from shiftgauge.train.options import TrainOptions

_FILE: Final = "linear_probe.npz"
_NAMES: Final = ("weight_kf", "bias_k", "strength", "validation_loss")


def begun(
    head: str,
    built: BuiltNetwork,
    parts: Mapping[str, Part],
    options: TrainOptions,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    where: Mapping[str, Any],
) -> BuiltNetwork:
    """The network with the first weights of its head, and with a note that says so.

    A logistic regression is kept beside the checkpoint, so that a training that goes on begins from the same weights to
    the last bit. It weighs classes by how rare they are where the loss does.

    Args:
        head: `random` for the network as it is, or `linear_probe`.
        built: The network; changed in place.
        parts: With `train`, from which the regression learns, and `validation`, on which its strength is chosen.
        options: Of the training.
        preprocessing: Of the network.
        class_names: Classes or labels.
        where: `folder` of the checkpoint, `identity` (plain values that decide network and images), `device`.

    Raises:
        ConfigError: The network has not one linear head.
        DataError: A class without training images.
    """
    if head == "random":
        return built
    balanced = options.loss is not None and options.loss.class_weights == "balanced"
    images = [hash_bytes("\n".join(parts[name].names).encode()) for name in ("train", "validation")]
    state = {name: hash_array(value.cpu().numpy()) for name, value in built.network.state_dict().items()}
    key, file = hash_json([where["identity"], images, balanced, state]), Path(where["folder"]) / _FILE
    probe = _kept(file, key)
    if probe is None:
        probe = _fitted(built, parts, preprocessing, class_names, balanced=balanced, device=where["device"])
        held, values = io.BytesIO(), {name: np.asarray(getattr(probe, name)) for name in _NAMES}
        np.savez(held, allow_pickle=False, key=np.array(key), **values)
        write_atomic(file, held.getvalue())
    probe.put_into(built.network, built.heads)
    note = (
        f"the head begins as a logistic regression on the features of the network as it stood (C = {probe.strength:g}, "
        f"log loss {probe.validation_loss:.3f} on validation)"
    )
    return replace(built, notes=(*built.notes, note))


def _fitted(
    built: BuiltNetwork,
    parts: Mapping[str, Part],
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    *,
    balanced: bool,
    device: str | None,
) -> LinearProbe:
    train, validation = (
        head_features(built.network, built.heads, parts[name], preprocessing, device=device)
        for name in ("train", "validation")
    )
    built.network.to(torch.device("cpu")).train()
    return linear_probe(
        train,
        parts["train"].targets.numpy(),
        validation,
        parts["validation"].targets.numpy(),
        class_names=class_names,
        balanced=balanced,
    )


def _kept(file: Path, key: str) -> LinearProbe | None:
    """What an earlier call worked out for the same network and images; None where there is none that can be read."""
    try:
        with np.load(file, allow_pickle=False) as found:
            if str(found["key"]) != key:
                return None
            weight, bias, strength, loss = (found[name] for name in _NAMES)
    except (OSError, ValueError, KeyError):
        return None
    return LinearProbe(weight_kf=weight, bias_k=bias, strength=float(strength), validation_loss=float(loss))
