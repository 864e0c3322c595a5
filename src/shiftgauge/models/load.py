"""The front door: from a model specification, a network or a function to a classifier."""

import functools
import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from shiftgauge.checks import nearest, require_in
from shiftgauge.errors import ConfigError, ModelError, ShiftgaugeError
from shiftgauge.files import hash_file
from shiftgauge.models.backbones import EFFICIENTNET_LITE0_PREPROCESSING, efficientnet_lite0_imagenet
from shiftgauge.models.callable_model import CallableClassifier
from shiftgauge.models.class_names import IMAGENET
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.models.device import choose_device
from shiftgauge.models.exported_model import load_exported
from shiftgauge.models.model_folder import load_folder
from shiftgauge.models.onnx_model import load_onnx
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.sklearn_model import load_sklearn
from shiftgauge.models.specification import ModelSpec
from shiftgauge.models.timm_networks import TIMM_ERRORS, require_timm_name
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.models.weights import load_weights, load_weights_in_order, one_line, read_weights
from shiftgauge.types import Classifier


def load_model(spec: Any, *, trust: bool = False, device: str | torch.device | None = None) -> Classifier:
    """Returns a classifier for whatever describes one.

    Args:
        spec: A `ModelSpec`; a mapping of its fields; the path of a model folder, as training writes
            it; an `nn.Module` of timm's (which knows its preprocessing); a scikit-learn estimator or
            a callable within `ModelSpec(target=…)`; or a classifier, which is returned as it is.
        trust: Open pickled files that can run code. Naming a `factory` runs its module in any case.
        device: `cpu`, `cuda`, `mps`, …; default the first there is of cuda, mps, cpu.

    Raises:
        ConfigError: The specification is malformed.
        ModelError: The model cannot be loaded safely, or is no classifier.
        MissingExtraError: The kind needs a package that is not installed.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
        >>> c = load_model({"kind": "module", "target": net, "preprocessing": {"height": 2, "width": 2}}, device="cpu")
        >>> c.class_names
        ('class 0', 'class 1')
    """
    if not isinstance(spec, (ModelSpec, Mapping, nn.Module)) and isinstance(spec, Classifier):
        return spec
    chosen = _as_spec(spec)
    place = choose_device(device)
    loaders: dict[str, Callable[[], Classifier]] = {
        "timm": lambda: _load_timm(chosen, trust, place),
        "factory": lambda: _load_factory(chosen, trust, place),
        "embedded": lambda: _load_embedded(chosen, place),
        "module": lambda: _load_module(chosen, trust, place),
        "callable": lambda: _load_callable(chosen, device),
        "pt2": lambda: load_exported(chosen, trust, place),
        "onnx": lambda: load_onnx(chosen, place),
        "sklearn": lambda: load_sklearn(chosen, trust),
        "folder": lambda: load_folder(chosen, place),
    }
    return loaders[chosen.kind]()


def _as_spec(spec: Any) -> ModelSpec:
    if isinstance(spec, ModelSpec):
        return spec
    if isinstance(spec, Mapping):
        return ModelSpec.from_mapping(spec)
    if isinstance(spec, (str, Path)):
        return ModelSpec(kind="folder", path=spec)
    if isinstance(spec, nn.Module):
        return ModelSpec(kind="module", target=spec)
    if callable(getattr(spec, "predict", None)):
        return ModelSpec(kind="sklearn", target=spec)
    if callable(spec):
        return ModelSpec(kind="callable", target=spec)
    raise ConfigError(
        "a model is a ModelSpec, a mapping, the path of a model folder, a torch module, an estimator or a callable, "
        f"got {type(spec).__name__}"
    )


def _load_timm(spec: ModelSpec, trust: bool, device: torch.device) -> Classifier:
    prepare_torchvision()
    import timm

    name = str(spec.name)
    if spec.weights is None:
        raise ConfigError("a timm model needs `weights`: a safetensors or state-dict file, `pretrained` or `random`")
    require_timm_name(name)
    options = dict(spec.arguments)
    if spec.num_classes is not None:
        options["num_classes"] = spec.num_classes
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = timm.create_model(name, pretrained=spec.weights == "pretrained", **options)
    except TIMM_ERRORS as error:
        raise ModelError(f"timm cannot make `{name}`: {one_line(error)}") from error
    facts: dict[str, object] = {"kind": "timm", "name": name, "weights": str(spec.weights)}
    if spec.weights not in ("pretrained", "random"):
        facts.update(fill_weights(network, str(spec.weights), spec.weights_by, trust))
    classes = spec.classes
    if classes is None and spec.weights == "pretrained" and network.num_classes == 1000:
        classes = IMAGENET
    return _wrap(network, spec, device, facts, classes, owned=True)


def _load_factory(spec: ModelSpec, trust: bool, device: torch.device) -> Classifier:
    made = call_factory(str(spec.name), spec.arguments)
    facts: dict[str, object] = {"kind": "factory", "name": spec.name}
    if isinstance(made, nn.Module):
        if spec.weights is not None:
            facts.update(fill_weights(made, str(spec.weights), spec.weights_by, trust))
        return _wrap(made, spec, device, facts, spec.classes, owned=True)
    if spec.weights is not None:
        raise ConfigError(f"`weights` need a torch module, but `{spec.name}` gives {type(made).__name__}")
    if isinstance(made, Classifier):
        return made
    if callable(getattr(made, "predict", None)):
        return load_sklearn(_with_target(spec, made, "sklearn"), trust)
    if callable(made):
        return _load_callable(_with_target(spec, made, "callable"), device)
    raise ModelError(f"`{spec.name}` must give a torch module, an estimator or a callable, got {type(made).__name__}")


def call_factory(name: str, arguments: Mapping[str, Any]) -> Any:
    """Returns what the factory `package.module:function` gives.

    Raises:
        ConfigError: The name is malformed.
        ModelError: The module or the factory is not there, or fails.
    """
    module_name, _, attribute = name.partition(":")
    if not attribute:
        raise ConfigError(f"a factory is named `package.module:factory`, got `{name}`")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)  # a project's own module stands beside its configuration
    try:
        module = importlib.import_module(module_name)
    except ShiftgaugeError:
        raise
    except (Exception, SystemExit) as error:  # the user's code, which may raise anything
        raise ModelError(f"module `{module_name}` of the factory cannot be imported: {_told(error)}") from error
    finally:
        if added:
            sys.path.remove(here)
    try:
        factory = functools.reduce(getattr, attribute.split("."), module)
    except AttributeError as error:
        guess = nearest(attribute, [n for n in dir(module) if not n.startswith("_")])
        hint = f"; did you mean `{guess}`?" if guess else ""
        raise ModelError(f"module `{module_name}` has no `{attribute}`{hint}") from error
    if not callable(factory):
        raise ModelError(f"`{name}` is {type(factory).__name__}; a factory is a function or class that gives the model")
    try:
        return factory(**dict(arguments))
    except ShiftgaugeError:
        raise
    except (Exception, SystemExit) as error:  # the user's code, which may raise anything
        raise ModelError(f"factory `{name}` fails: {_told(error)}") from error


def _told(error: BaseException) -> str:
    return f"it ends the program with exit({error.code!r})" if isinstance(error, SystemExit) else one_line(error)


def _load_embedded(spec: ModelSpec, device: torch.device) -> Classifier:
    require_in("embedded model", str(spec.name), ("efficientnet_lite0",), ModelError)
    defaults = EFFICIENTNET_LITE0_PREPROCESSING.to_dict()
    return efficientnet_lite0_imagenet(device=device, preprocessing=spec.resolve_preprocessing(defaults))


def _load_module(spec: ModelSpec, trust: bool, device: torch.device) -> Classifier:
    if not isinstance(spec.target, nn.Module):
        raise ConfigError(f"a model of kind module needs a torch module as `target`, got {type(spec.target).__name__}")
    if spec.weights is not None:
        raise ConfigError("a model of kind module carries its own weights; leave out `weights`")
    return _wrap(spec.target, spec, device, {"kind": "module"}, spec.classes, owned=False)


def _load_callable(spec: ModelSpec, device: str | torch.device | None) -> Classifier:
    if not callable(spec.target):
        raise ConfigError(f"a model of kind callable needs a callable `target`, got {type(spec.target).__name__}")
    return CallableClassifier(
        spec.target,
        preprocessing=spec.resolve_preprocessing(),
        device=choose_device(device) if device is not None else None,
        classes=spec.classes,
        output_kind=spec.output_kind,
        fingerprint=spec.fingerprint,
    )


def fill_weights(network: nn.Module, weights: str | Path, weights_by: str, trust: bool) -> dict[str, object]:
    """Reads a weights file into a network, matched by `name` or by `order`; returns facts for the record.

    Raises:
        ModelError: The file cannot be read safely or does not fit.
    """
    file = Path(weights)
    tensors = read_weights(file, trust=trust)
    facts: dict[str, object] = {"weights": file.name, "weights_hash": hash_file(file)}
    if weights_by == "order":
        load_weights_in_order(network, tensors, file.name)
    elif prefix := load_weights(network, tensors, file.name):
        facts["removed_prefix"] = prefix
    return facts


def _wrap(
    network: nn.Module, spec: ModelSpec, device: torch.device, facts: dict[str, object], classes: Any, *, owned: bool
) -> TorchClassifier:
    return TorchClassifier(
        network,
        preprocessing=spec.resolve_preprocessing(_timm_defaults(network)),
        device=device,
        classes=classes,
        output_kind=spec.output_kind,
        source=facts,
        offer_compiled=spec.compile,
        owned=owned,
    )


def _timm_defaults(network: nn.Module) -> dict[str, Any]:
    if not isinstance(getattr(network, "pretrained_cfg", None), Mapping):
        return {}
    prepare_torchvision()
    from timm.data.config import resolve_data_config

    return Preprocessing.timm_values(resolve_data_config({}, model=network))


def _with_target(spec: ModelSpec, target: Any, kind: Any) -> ModelSpec:
    return ModelSpec(
        kind=kind,
        target=target,
        classes=spec.classes,
        preprocessing=spec.preprocessing,
        output_kind=spec.output_kind,
        fingerprint=spec.fingerprint,
    )
