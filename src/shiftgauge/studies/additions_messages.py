"""What to know of a training that added adversarial images, copies or a constraint to the plain one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.results.status import Message
from shiftgauge.studies.recipe import Added, Additions
from shiftgauge.studies.train_split import seen_in_training
from shiftgauge.train.options import TrainOptions


def additions_messages(
    additions: Additions, added: Added, options: TrainOptions, dataset: ImageDataset, held_out: Sequence[int]
) -> tuple[Message, ...]:
    """Findings about what was added: what it was, what it is to be held against, and where it is not what it seems.

    Args:
        additions: What was asked for.
        added: What it came to.
        options: Of the training.
        dataset: All images.
        held_out: Numbers of those of validation and test.

    Returns:
        None for a plain training.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> import numpy as np
        >>> data = from_arrays(np.zeros((2, 4, 4), np.uint8), ["a", "b"])
        >>> nothing = Added(parts={}, options=TrainOptions(), arguments={}, identity={})
        >>> additions = Additions.of(adversarial={"method": "fast", "epsilon": 0.03})
        >>> [m.code for m in additions_messages(additions, nothing, TrainOptions(), data, [])]
        ['added', 'not_attacked', 'one_step']
    """
    found = [Message(level="info", code="added", text=text) for text in additions.texts]
    found += _about_attacks(additions)
    found += _about_copies(additions, added, dataset, held_out)
    if additions.constraint is not None and options.ema_decay is not None:
        text = (
            "The moving average of the weights is kept, and an average of retracted kernels is not retracted itself; "
            "leave `ema_decay` out where the constraint is to hold for the network that is kept."
        )
        found.append(Message(level="caution", code="averaged_constraint", text=text))
    return tuple(found)


def _about_attacks(additions: Additions) -> list[Message]:
    options = additions.adversarial
    if options is None:
        return []
    text = "Every number here is of images as they are; what the network withstands, only an attack on it tells."
    found = [Message(level="info", code="not_attacked", text=text)]
    if options.method in ("fast", "fgsm") and not options.ramp:
        text = (
            "A network that is trained against single steps of one ε may learn to withstand these alone: attack it "
            "with PGD before relying on it, and stop earlier or take `method: pgd` where it fails."
        )
        found.append(Message(level="caution", code="one_step", text=text))
    return found


def _about_copies(additions: Additions, added: Added, dataset: ImageDataset, held_out: Sequence[int]) -> list[Message]:
    options, found = additions.enlarge, list[Message]()
    if options is None:
        return found
    count: Any = added.identity["enlarge"]["n_copies"]
    if not options.is_control:
        text = (
            f"{count} copies mean as many more images in every epoch, and more steps: hold this training against "
            f"one with `kind: clean` and the same share and seed, not against one without copies."
        )
        found.append(Message(level="info", code="needs_control", text=text))
    if added.source is not None and seen_in_training(added.source, dataset, held_out):
        text = (
            "The model that adversarial copies fool was trained on images that are held out here, so the copies know "
            "something of them; take one that was trained on the training part of this split."
        )
        found.append(Message(level="caution", code="source_knows_test", text=text))
    return found
