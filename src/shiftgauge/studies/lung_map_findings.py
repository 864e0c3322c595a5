"""Claims of the lung-ultrasound publication about what activation maximisation and Grad-CAM show.

Random steps bound what the limits of a pixel alone make of a change; they are white noise, and know nothing of what any
network does at an edge. Two ascents of one frame have the frame and the network in common, whatever class is asked for.
"""

from __future__ import annotations

from typing import Final

import xarray as xr

from shiftgauge.data.border import BORDER
from shiftgauge.results.study import Finding
from shiftgauge.studies.claims import shown, signed
from shiftgauge.studies.lung_numbers import gap_of, judged, look_of, repeat_gap_of, repeat_of
from shiftgauge.studies.lung_seen import ASCENT, CAM, FRO, OTHER_CLASS, REPEATS, SAME_CLASS, STRAIGHT

LEAST_CELLS: Final = 10
"""Rows and columns that Grad-CAM must have before it can be called broad; VGG-16 has 14 at 224."""


def broader(a: xr.Dataset) -> Finding:
    """Agrees if Grad-CAM is surely broader than activation maximisation, differs if surely narrower.

    Unclear where the map of its layer is too coarse to be narrow.
    """
    gap, cells = gap_of(a, CAM, "breadth"), (int(a.attrs["cam_rows"]), int(a.attrs["cam_columns"]))
    ascent, cam = (shown(look_of(a, method, "breadth")) for method in (ASCENT, CAM))
    half = [f"{look_of(a, method, 'area of half')[0]:.2f}" for method in (ASCENT, CAM)]
    coarse = min(cells) < LEAST_CELLS
    return Finding(
        topic="Grad-CAM is broader",
        published="Grad-CAM marks broader regions than activation maximisation (seen in three pictures)",
        measured=f"averaged over the same {cells[0]} × {cells[1]} cells, breadth {ascent} by activation maximisation, "
        f"{cam} by Grad-CAM, {shown(look_of(a, FRO, 'breadth'))} by random steps; activation maximisation less "
        f"Grad-CAM {signed(gap)}; half of the map lies in {half[0]} and {half[1]} of the area",
        agreement="unclear" if coarse else judged([(-gap[0], -gap[2], -gap[1])]),
        why=("The map of the layer has too few cells to be narrow. " if coarse else "")
        + "Breadth is the share of cells that an even map with the same spread would fill. The cells are those of the "
        f"layer that Grad-CAM looks at, {a.attrs['cam_layer']}, so that neither fine grain counts as narrow nor what "
        "is enlarged as broad.",
    )


def bright(a: xr.Dataset) -> Finding:
    """Unclear: whether it is B-lines that become brighter, no number can say without them being marked."""
    share, other = look_of(a, ASCENT, "made brighter"), repeat_of(a, OTHER_CLASS, "cells")
    return Finding(
        topic="What becomes brighter",
        published="activation maximisation brightens B-lines (COVID-19), consolidations (pneumonia), A-lines (healthy)",
        measured=f"{shown(share)} of the change makes pixels brighter; {_beside(a, 'made brighter')}; where the lines "
        "are is not marked in these data",
        agreement="unclear",
        why="Black pixels can become brighter alone, so that random steps brighten too. Whether a change lies on a "
        "B-line needs a reader's marks. The pictures show it for one frame of each class; they are examples and no "
        "evidence. Nor can they show what a class wants where a push of the same frame towards another class gives "
        f"much the same map: over the cells the two correlate by {other[0]:.2f}.",
    )


def on_border(a: xr.Dataset) -> Finding:
    """Agrees if activation maximisation surely puts more on the border than random steps do, else unclear.

    Random steps are white noise. What any network does at an edge, by its padding and its first layers, is in an
    ascent and not in them, so that less than theirs does not say that this network leaves the border alone.
    """
    found, cam = look_of(a, ASCENT, "on the border"), look_of(a, CAM, "on the border")
    verdict = judged([gap_of(a, other, "on the border") for other in (FRO, STRAIGHT)])
    return Finding(
        topic="Borders are falsely activated",
        published="the borders of the images are activated, which is taken to be false",
        measured=f"{shown(found)} of activation maximisation falls on the outer {BORDER:.0%} of each side; "
        f"{_beside(a, 'on the border')}. Grad-CAM {shown(cam)}; the border is {float(a.attrs['border_area']):.3f} of "
        "the area",
        agreement="unclear" if verdict == "differs" else verdict,
        why="More than random steps of the same length means that the network asks for the border more than for the "
        "rest. Less than theirs tells nothing: they are white noise, and at the edge the padding and the first layers "
        "of any network shape an ascent. Whether a share is false is another question: see what the network does "
        "without the border.",
    )


def stable(a: xr.Dataset) -> Finding:
    """A fact: how alike the maps of two seeds are, which bounds what one picture can show."""
    pixels, cells = (repeat_of(a, SAME_CLASS, grain) for grain in ("pixels", "cells"))
    return Finding(
        topic="How stable a picture is",
        published="one picture each",
        measured=f"maps of activation maximisation of the same frames by the same networks, begun with another seed, "
        f"correlate by {shown(pixels)} pixel by pixel and {shown(cells)} over the cells",
        agreement="fact",
        why="The seed decides by how many pixels the network looks at the image shifted at each step, and nothing "
        "else. What does not come back with another seed is no property of the network; what does may still be one of "
        "the frame alone.",
    )


def of_the_class(a: xr.Dataset) -> Finding:
    """A fact: how much less alike maps of a frame become when another class is asked for, beside random steps."""
    alike = {repeat: repeat_of(a, repeat, "cells") for repeat in REPEATS}
    noise = ", ".join(f"{name} {shown(alike[name])}" for name in REPEATS[2:])
    lost = {grain: repeat_gap_of(a, OTHER_CLASS, grain) for grain in ("cells", "pixels")}
    return Finding(
        topic="How far the class decides a map",
        published="each picture is read as what its class wants to see",
        measured=f"over the cells, the map of a frame correlates by {shown(alike[SAME_CLASS])} with that of an ascent "
        f"to the same class, and by {shown(alike[OTHER_CLASS])} with that of one to another class, both with another "
        f"seed: the same class has {signed(lost['cells'])}, pixel by pixel {signed(lost['pixels'])}. Without a "
        f"network: {noise}",
        agreement="fact",
        why="What maps of two classes on one frame have in common is the frame and the network, not the class. Random "
        "steps are alike because black pixels can become brighter alone.",
    )


def _beside(a: xr.Dataset, measure: str) -> str:
    """A measure by random steps of both kinds, and by how much activation maximisation is above each."""
    return ", ".join(
        f"{other} {shown(look_of(a, other, measure))}, {signed(gap_of(a, other, measure))} against them"
        for other in (FRO, STRAIGHT)
    )
