"""Images that were climbed to, on the page of a look inside."""

from __future__ import annotations

from typing import Any, Final

from shiftgauge.report.array_pictures import picture
from shiftgauge.report.blocks.explain import class_names, image_tile, tile
from shiftgauge.report.format import number
from shiftgauge.report.read import pick, strings
from shiftgauge.results.explain import ExplainResult

_GREY_LEVELS: Final = 255
_START: Final = {"noise": "from noise", "class_mean": "from the mean image of the class", "image": "from an image"}


def build_maximized(result: ExplainResult) -> dict[str, Any] | None:
    """Returns the image that each class or unit wants to see, with its activation before and after."""
    data = result.arrays
    if "maximized" not in data:
        return None
    names, start = class_names(result), str(data.attrs.get("start", "noise"))
    tiles, starts = [], []
    for k, name in enumerate(strings(data, "target")):
        way = pick(data, "maximized_activation", target=k)
        said = names[int(pick(data, "maximized_predicted", target=k)[-1])]
        text = f"{number(float(way[0]))} → {number(float(way[-1]))}, the network says {said}"
        tiles.append(tile(picture(pick(data, "maximized", target=k)), name, text, f"maximised {name}", cells=True))
        if start != "noise":
            shown = picture(pick(data, "maximized_start", target=k))
            starts.append(tile(shown, name, "", f"where {name} began", cells=True))
    return {"tiles": tiles, "starts": starts, "steps": data.sizes["step"] - 1, "start": _START.get(start, start)}


def build_walks(result: ExplainResult) -> dict[str, Any] | None:
    """Returns each pushed image at each class, with the distance of the turn and that of the picture."""
    data = result.arrays
    if "walk_image" not in data:
        return None
    rows = []
    for k, name in enumerate(strings(data, "walker")):
        tiles = [image_tile(result, int(data["walk_source"].values[k]), name)]
        for t, target in enumerate(strings(data, "walked")):
            step = int(pick(data, "walk_reached_at", walker=k, walked=t))
            there, end = (
                number(_GREY_LEVELS * float(pick(data, f"walk_{which}", walker=k, walked=t)))
                for which in ("reached_rms", "rms")
            )
            said = "never" if step < 0 else "from the start" if step == 0 else f"step {step}, {there} grey levels"
            shown = picture(pick(data, "walk_image", walker=k, walked=t))
            found = tile(shown, target, f"{said}; shown: {end}", f"{name} pushed towards {target}", cells=True)
            tiles.append(found | {"wrong": step < 0})
        rows.append({"name": name, "tiles": tiles})
    return {"rows": rows, "steps": int(data.attrs.get("walk_steps", 0))}
