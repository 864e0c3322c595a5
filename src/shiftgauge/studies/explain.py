"""A look inside a network: what pushes of pixels do to every block, what classes rest on and want to see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import xarray as xr

from shiftgauge.errors import InterruptedRunError
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.models.inputs import require_network
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.report.explain_figures import write_explain_figures
from shiftgauge.report.explain_page import write_explain_page
from shiftgauge.results.explain import KIND, ExplainResult
from shiftgauge.results.run_folder import require_apart, require_own_folder
from shiftgauge.studies.convert import as_classifier, as_source
from shiftgauge.studies.explain_attributions import (
    LEVEL,
    attribution_arrays,
    checked_methods,
    curve_arrays,
    map_agreement,
    randomisation_arrays,
)
from shiftgauge.studies.explain_check import check_parts
from shiftgauge.studies.explain_climbs import maximize_arrays, walk_arrays
from shiftgauge.studies.explain_compare import check_compared, compared_arrays
from shiftgauge.studies.explain_global import bound_arrays, mask_arrays
from shiftgauge.studies.explain_headline import explain_headline
from shiftgauge.studies.explain_images import ChosenImages, choose_images, image_arrays
from shiftgauge.studies.explain_maps import Part, derivative_arrays, map_arrays
from shiftgauge.studies.explain_messages import find_explain_messages
from shiftgauge.studies.explain_options import ExplainOptions
from shiftgauge.studies.explain_store import explain_store
from shiftgauge.studies.part_store import Advance, PartStore
from shiftgauge.studies.record import provenance, write_with_page

_LABELS: Final = {
    "maps": "pushes",
    "compare": "pushes of other networks",
    "derivatives": "derivatives",
    "attribution": "attributions",
    "curves": "curves",
    "randomisation": "weights drawn anew",
    "bounds": "bounds of pixels",
    "masks": "masks",
    "maximize": "maximised images",
    "walk": "walks",
}


def explain(
    model: Any,
    data: Any,
    *,
    out: str | Path,
    options: ExplainOptions | None = None,
    compare: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    title: str = "",
    data_name: str = "the given images",
    record: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> ExplainResult:
    """Looks inside a trained network: maps of its blocks, profile over depth, attributions, images of classes.

    Some images of each class are drawn. Every pixel of each is pushed, and what each block answers is measured; the
    profile over depth and the share of the colour channels follow. Several methods say which pixels the network's own
    answer rests on; they are compared with one another and with the maps, and tested by taking pixels away and by
    destroying the network's weights. Bounds say how much every single pixel can matter, and masks how much each part of
    an image does. Images are climbed to that raise each class or unit, and images are pushed towards every other class.
    What is finished is kept in the run folder, image by image: the same call goes on where an interrupted one ended,
    and after changed options only what they change is done again; what another version of the package has made is made
    anew.

    Args:
        model: A torch network as a `Classifier`, or what `shiftgauge.load_model` takes.
        data: A labelled data set of `shiftgauge.data`, (images, labels), or what `shiftgauge.load_data` takes.
        out: Run folder: run.json, results.nc, tables as csv, figures/ with pictures and arrays, report.html, and
            `parts` with what is finished.
        options: What is done, and to how many images.
        compare: Further networks by name, as `model`, whose profiles over depth are set beside that of the first. Each
            sees the images at its own size.
        progress: Show progress bars; default only on a terminal.
        title: Title of the page.
        data_name: What the page calls the images.
        record: The configuration as it shall stand in `run.json`; default: the options.
        trust: Open model files that can run code.

    Returns:
        The result.

    Raises:
        ShiftgaugeError: Whatever is wrong with the input, in one line.
        InterruptedRunError: It was stopped; the same call goes on.

    References:
        Selvaraju, R. R. et al. (2017). Grad-CAM: visual explanations from deep networks. arXiv:1610.02391
        Mahendran, A.; Vedaldi, A. (2016). Visualizing deep convolutional neural networks using natural pre-images.
        doi:10.1007/s11263-016-0911-8
    """
    started, folder, chosen_options = datetime.now(UTC), Path(out), options or ExplainOptions()
    require_own_folder(folder, KIND)
    network = require_network(as_classifier(model, trust=trust))
    others = {name: require_network(as_classifier(other, trust=trust)) for name, other in (compare or {}).items()}
    source = as_source(data, network)
    require_apart(folder, source.searched)
    chosen = choose_images(network, source, chosen_options)
    check_compared(others, _name(network), chosen_options)
    check_parts(chosen, chosen_options)
    store = explain_store(folder, {"model": network.fingerprint, "data": source.fingerprint})
    store.open()
    try:
        arrays, cost = _all_parts(chosen, chosen_options, others, store, progress)
    except KeyboardInterrupt as error:
        raise InterruptedRunError("interrupted; the same call goes on with what is not finished yet") from error
    arrays.attrs |= _attributes(chosen, title, data_name)
    result = ExplainResult(
        config=dict(record) if record is not None else chosen_options.to_dict(),
        provenance=provenance(_hashes(store, others), chosen_options.seed, started, device=_device(network))
        | {"skipped": [list(entry) for entry in source.skipped], "notes": list(source.notes)},
        cost=cost,
        headline=explain_headline(arrays),
        arrays=arrays,
        messages=find_explain_messages(arrays, chosen_options, source.notes),
    )
    write_with_page(result, folder, write_explain_figures, write_explain_page)
    return result


def _all_parts(
    chosen: ChosenImages,
    options: ExplainOptions,
    others: Mapping[str, TorchClassifier],
    store: PartStore,
    progress: bool | None,
) -> tuple[xr.Dataset, dict[str, Any]]:
    """The arrays of everything that was asked for, and what each part cost."""
    chosen, arrays = image_arrays(chosen, options)
    costs = {}
    for name, do in _wanted(options, others, _name(chosen.network)).items():
        with progress_bar(_LABELS[name], wanted=progress) as advance:
            found, costs[name] = do(chosen, options, store, advance)
        facts = {**arrays.attrs, **found.attrs}
        arrays = arrays.merge(found.drop_attrs(), join="exact").assign_attrs(facts)
    if "attribution" in arrays and "norm_of_difference" in arrays:
        arrays = map_agreement(arrays)
    total = {name: sum(cost[name] for cost in costs.values()) for name in ("evaluations", "seconds")}
    return arrays, {**total, "parts": costs}


def _wanted(
    options: ExplainOptions, others: Mapping[str, TorchClassifier], own: str
) -> dict[str, Callable[[ChosenImages, ExplainOptions, PartStore, Advance], Part]]:
    """What is asked for, in the order in which it is done."""
    wanted = {
        "maps": (map_arrays, options.maps),
        "compare": (partial(compared_arrays, own, others), others or None),
        "derivatives": (derivative_arrays, options.derivatives),
        "attribution": (attribution_arrays, options.methods or None),
        "curves": (curve_arrays, options.curves if options.methods else None),
        "randomisation": (randomisation_arrays, options.randomisation if checked_methods(options) else None),
        "bounds": (bound_arrays, options.bounds),
        "masks": (mask_arrays, options.masks),
        "maximize": (maximize_arrays, options.maximize),
        "walk": (walk_arrays, options.walk),
    }
    return {name: do for name, (do, asked) in wanted.items() if asked is not None}


def _hashes(store: PartStore, others: Mapping[str, TorchClassifier]) -> dict[str, str]:
    return {**store.origin, **{f"compare {name}": other.fingerprint for name, other in others.items()}}


def _name(network: TorchClassifier) -> str:
    return type(network.module).__name__


def _device(network: TorchClassifier) -> str:
    first = next(network.module.parameters(), None)
    return "cpu" if first is None else first.device.type


def _attributes(chosen: ChosenImages, title: str, data_name: str) -> dict[str, Any]:
    name = _name(chosen.network)
    return {
        "title": title or f"A look inside {name}",
        "data_name": data_name,
        "model_name": name,
        "class_names": "\n".join(chosen.network.class_names),
        "classes_looked_at": len(chosen.classes),
        "classes_left_out": chosen.left_out,
        "confidence_level": LEVEL,
    }
