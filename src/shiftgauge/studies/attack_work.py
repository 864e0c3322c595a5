"""Does all parts of a run of attacks in turn, and says what each kind of them cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import xarray as xr

from shiftgauge.errors import NumericalError
from shiftgauge.results.status import Message
from shiftgauge.studies.attack_parts import curve_part, forget_images, natural_part, picture_part, transfer_part
from shiftgauge.studies.attack_subject import Subject
from shiftgauge.studies.part_store import Advance, PartStore

Bar = Callable[[str], AbstractContextManager[Advance]]
"""Gives a progress bar of a label."""
_SUMS = ("evaluations", "gradients", "seconds")


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """Everything that was done.

    Args:
        curves: (model, way) → accuracy under an attack made on the model, or under noise.
        transfer: (source, way) → what images made on it do to the others.
        natural: Shift → all models under it.
        pictures: (model, way) → the images that are shown.
    """

    curves: dict[tuple[str, str], xr.Dataset]
    transfer: dict[tuple[str, str], xr.Dataset]
    natural: dict[str, xr.Dataset]
    pictures: dict[tuple[str, str], xr.Dataset]

    @property
    def cost(self) -> dict[str, Any]:
        """Evaluations, gradients and seconds of each kind of part and in all; parts from the folder count too."""
        kinds = {name: _sum(getattr(self, name).values()) for name in ("curves", "transfer", "natural", "pictures")}
        parts = {name: found for name, found in kinds.items() if found["evaluations"]}
        return {**{key: sum(found[key] for found in parts.values()) for key in _SUMS}, "parts": parts}

    @property
    def messages(self) -> tuple[Message, ...]:
        """What attacks said of themselves, each once."""
        told = [json.loads(str(part.attrs["messages"])) for part in (*self.curves.values(), *self.natural.values())]
        return tuple(dict.fromkeys(Message(**entry) for entries in told for entry in entries))


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Puts a name in front of what is said of numbers that are none.

    Args:
        what: Attack and model.

    Raises:
        NumericalError: One was raised inside the block.
    """
    try:
        yield
    except NumericalError as error:
        raise NumericalError(f"{what}: {error}") from error


def all_parts(subject: Subject, store: PartStore, bar: Bar) -> Work:
    """Makes what is not in the store yet.

    Args:
        subject: What is attacked.
        store: Of the run folder.
        bar: Gives progress bars.
    """
    options, models = subject.options, list(subject.models)
    work = Work(curves={}, transfer={}, natural={}, pictures={})
    for way, attack in options.attacks.items():
        for model in models:
            with bar(f"{way} on {model}") as advance, naming(f"“{way}” on “{model}”"):
                work.curves[model, way] = curve_part(subject, store, model, way, advance)
                if options.wants_transfer(len(models)) and not attack.is_noise:
                    work.transfer[model, way] = transfer_part(subject, store, model, way)
            forget_images(store, model, way)
    with bar("natural shifts") as advance:
        for done, shift in enumerate(options.shifts):
            work.natural[shift.name] = natural_part(subject, store, shift)
            advance(done + 1, len(options.shifts))
    for model, way in _shown(subject):
        with bar(f"pictures of {way} on {model}") as advance, naming(f"“{way}” on “{model}”"):
            work.pictures[model, way] = picture_part(subject, store, model, way, advance)
    return work


def _shown(subject: Subject) -> Iterable[tuple[str, str]]:
    """Models and ways of which pictures are shown."""
    options = subject.options
    if options.pictures is None or not options.attacks:
        return []
    ways = options.pictures.ways
    if ways is None:
        made = [name for name in options.adversarial if options.attacks[name].needs_gradient]
        ways = tuple((made or list(options.adversarial) or list(options.attacks))[:1])
    return [(model, way) for way in ways for model in options.pictures.models or tuple(subject.models)]


def _sum(parts: Iterable[xr.Dataset]) -> dict[str, float]:
    found = list(parts)
    return {key: sum(part.attrs[key] for part in found) for key in _SUMS}
