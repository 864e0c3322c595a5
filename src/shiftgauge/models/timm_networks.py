"""The architectures of timm: their names, how they are made, and what they say of themselves."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from torch import nn

from shiftgauge.errors import ConfigError, ModelError, ShiftgaugeError
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.weights import one_line

TIMM_ERRORS: Final = (RuntimeError, OSError, ValueError, TypeError, KeyError, AssertionError)
"""What timm raises when it cannot make a network or fetch its weights."""
_SUGGESTED: Final = 4
_TAKEN: Final = {
    "num_classes": "n_classes",
    "in_chans": "channels",
    "pretrained": "pretrained",
    "checkpoint_path": "pretrained",  # timm opens it as a pickle that can run code
}


def require_timm_name(name: str, error: type[ShiftgaugeError] = ModelError, others: Iterable[str] = ()) -> str:
    """Returns a name that timm knows.

    Args:
        name: The name, with or without the tag of its weights after a dot; names with a slash are not checked.
        error: What is raised.
        others: Further names that would have been right.

    Raises:
        ShiftgaugeError: timm has no such architecture; the nearest names of all are suggested.
    """
    prepare_torchvision()
    import timm

    if not timm.is_model(name.removeprefix("hf-hub:").split(".")[0]) and "/" not in name:
        raise error(f"timm has no model `{name}`{_advice(name, timm.list_models(), list(others))}")
    return name


def _advice(name: str, of_timm: Iterable[str], others: Sequence[str]) -> str:
    """The nearest names of all, or, where none is near, where names are to be found."""
    near = get_close_matches(name, sorted({*of_timm, *others}), n=_SUGGESTED, cutoff=0.5)
    if near:
        also = f" or one of {', '.join(f'`{other}`' for other in near[1:])}" if near[1:] else ""
        return f"; did you mean `{near[0]}`{also}?"
    own = f"; shiftgauge's own are {', '.join(f'`{other}`' for other in others)}" if others else ""
    return f"{own}; `timm.list_models()` lists timm's"


def timm_network(
    name: str,
    arguments: Mapping[str, Any],
    *,
    pretrained: bool,
    n_classes: int | None = None,
    channels: int | None = None,
) -> nn.Module:
    """Makes a network of timm.

    Args:
        name: timm's name.
        arguments: Further keyword arguments of timm's.
        pretrained: Fetch the weights that timm publishes.
        n_classes: Outputs; None for timm's own number.
        channels: Channels of the images; None for timm's own number.

    Raises:
        ConfigError: `arguments` hold what has a place of its own.
        ModelError: timm cannot make it, or its weights cannot be had.
    """
    prepare_torchvision()
    import timm

    for key in arguments:
        if key in _TAKEN:
            raise ConfigError(f"`arguments` must not hold `{key}`; state `{_TAKEN[key]}` instead")
    stated = {"num_classes": n_classes, "in_chans": channels}
    given = {key: value for key, value in stated.items() if value is not None}
    try:
        return timm.create_model(name, pretrained=pretrained, **given, **arguments)
    except TIMM_ERRORS as error:
        hint = "; without a connection, give `packaged` or the path of a weights file" if pretrained else ""
        raise ModelError(f"timm cannot make `{name}`: {one_line(error)}{hint}") from error


def timm_paths(network: nn.Module, key: str) -> tuple[str, ...]:
    """Module paths that a network of timm states of itself.

    Args:
        network: The network.
        key: `classifier` or `first_conv`.

    Returns:
        The paths; none for a network that states none.
    """
    config = getattr(network, "pretrained_cfg", None)
    found = config.get(key) if isinstance(config, Mapping) else None
    return (found,) if isinstance(found, str) else tuple(found or ())


def timm_preprocessing(name: str) -> Preprocessing:
    """The preprocessing that timm states for an architecture's weights."""
    prepare_torchvision()
    import timm
    from timm.data.config import resolve_data_config

    config = timm.models.get_pretrained_cfg(name)
    values = resolve_data_config({}, pretrained_cfg=config.to_dict() if config is not None else {})
    return Preprocessing(**Preprocessing.timm_values(values))
