"""From probabilities to decisions: a threshold for each label, chosen on validation images and then left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_in, require_range
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.train.decisions import HALF, checked_pair
from shiftgauge.train.threshold_curve import ThresholdCurve, curve_at, scores_between
from shiftgauge.types import FloatArray

Aim: TypeAlias = Literal["f1", "recall", "cost"]
Search: TypeAlias = Literal["exact", "grid"]
GRID: Final[tuple[float, ...]] = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""0.05, 0.10 … 0.95, both ends included."""
_FLAT: Final = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassThreshold:
    """The threshold of one label, and what the images it was chosen on say of it.

    Args:
        name: The label.
        value: Threshold t in [0, 1]; the label holds where p ≥ t.
        precision: At t; NaN where nothing is decided.
        recall: At t; NaN without an image of the label.
        f1: At t; NaN where the label neither occurs nor is decided.
        cost: Mean cost of an image at t, in units of one false alarm.
        support: Images that bear the label.
        flat: Thresholds around t that serve as well: F1, or precision within the recall floor, at most 1 % below that
            at t, or a cost at most 1 % above; (low, high].
        met: Whether the recall floor is held; True with other aims.
        note: Why t is not what the aim asks for; empty otherwise.
        curve: The figures over all thresholds.
    """

    name: str
    value: float
    precision: float
    recall: float
    f1: float
    cost: float
    support: int
    flat: tuple[float, float]
    met: bool
    note: str
    curve: ThresholdCurve

    def to_dict(self) -> dict[str, Any]:
        """The threshold as plain values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "curve"}
        return {**values, "flat": list(self.flat), "curve": self.curve.to_dict()}


@dataclass(frozen=True, kw_only=True, eq=False)
class Thresholds:
    """A threshold for each label, with how it was chosen.

    Args:
        aim: `f1`, `recall` or `cost`.
        search: `exact` or `grid`.
        recall_floor: Smallest recall allowed, one for each label.
        cost_ratio: What a missed label costs, a false alarm costing 1, one for each label.
        n_images: Images they were chosen on.
        classes: One entry for each label.
    """

    aim: Aim
    search: Search
    recall_floor: tuple[float, ...]
    cost_ratio: tuple[float, ...]
    n_images: int
    classes: tuple[ClassThreshold, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """The thresholds (K,), as a model folder keeps them."""
        return tuple(found.value for found in self.classes)

    @property
    def notes(self) -> tuple[str, ...]:
        """What went otherwise than asked, a sentence for each label that it befell."""
        return tuple(found.note for found in self.classes if found.note)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        plain = {name: getattr(self, name) for name in ("aim", "search", "n_images")}
        lists = {name: list(getattr(self, name)) for name in ("recall_floor", "cost_ratio", "values", "notes")}
        return {**plain, **lists, "classes": [found.to_dict() for found in self.classes]}


def choose_thresholds(
    probabilities_nk: FloatArray,
    targets_nk: npt.NDArray[np.generic],
    *,
    class_names: Sequence[str] | None = None,
    aim: Aim = "f1",
    recall_floor: float | Sequence[float] = 0.95,
    cost_ratio: float | Sequence[float] = 1.0,
    search: Search = "exact",
    grid: Sequence[float] = GRID,
) -> Thresholds:
    """Chooses a threshold for each label: it holds where its probability reaches the threshold, p ≥ t, a tie included.

    With TP, FP, FN counted at t: `f1` maximises 2 TP / (2 TP + FP + FN); `recall` maximises the precision
    TP / (TP + FP) among thresholds with TP / (TP + FN) ≥ floor, and of equally precise ones takes the larger recall;
    `cost` minimises (ratio · FN + FP) / N. `exact` tries one threshold between every two neighbouring scores, half
    way, so that no decision hangs on the last digit of a score; `grid` tries the thresholds given. Of thresholds that
    are equally good the middle one of their widest run is taken; `exact` measures a run from the score below it to the
    score above it and takes the threshold between the two scores that enclose its middle.

    The images must be those of the validation part. What is chosen on test images is no test of anything.

    Args:
        probabilities_nk: Probability of each label (N, K), in [0, 1], calibrated and averaged as in later use.
        targets_nk: 0 and 1 (N, K). For one class an image, `one_versus_rest` makes them, if that is wanted.
        class_names: Names for messages; default the numbers of the labels.
        aim: `f1` (default), `recall` or `cost`.
        recall_floor: For `recall`: in (0, 1], one for all labels or one for each.
        cost_ratio: For `cost`: what a missed label costs, a false alarm costing 1, > 0, one for all or one for each.
        search: `exact` (default) or `grid`.
        grid: For `grid`: thresholds in [0, 1], in any order.

    Returns:
        Thresholds, what they achieve, curves and flatness. A label without any image keeps one half, and a floor that
        no threshold of the grid holds gives the lowest one; both are said in `notes`.

    Raises:
        ConfigError: An unknown aim or search, a number outside its range.
        DataError: Probabilities and targets that do not go together.

    Example:
        >>> p = np.array([[0.9], [0.6], [0.4], [0.1]])
        >>> found = choose_thresholds(p, np.array([[1], [1], [0], [0]]))
        >>> found.values, found.classes[0].f1, found.classes[0].flat
        ((0.5,), 1.0, (0.4, 0.6))

    References:
        Lipton, Z. C., Elkan, C., Naryanaswamy, B. (2014). Optimal thresholding of classifiers to maximize F1 measure.
        arXiv:1402.1892
    """
    require_in("aim", aim, get_args(Aim))
    require_in("search", search, get_args(Search))
    scores, truth = checked_pair(probabilities_nk, targets_nk)
    n, k = scores.shape
    names = tuple(str(i) for i in range(k)) if class_names is None else tuple(class_names)
    if len(names) != k:
        raise DataError(f"{len(names)} names for {k} labels; give one for each")
    floors, ratios = _each("recall_floor", recall_floor, k, 1.0), _each("cost_ratio", cost_ratio, k, np.inf)
    tried = _checked_grid(grid) if search == "grid" else None
    classes = tuple(_choose(names[i], scores[:, i], truth[:, i], aim, floors[i], ratios[i], tried) for i in range(k))
    return Thresholds(aim=aim, search=search, recall_floor=floors, cost_ratio=ratios, n_images=n, classes=classes)


def _choose(
    name: str,
    score_n: FloatArray,
    truth_n: npt.NDArray[np.bool_],
    aim: Aim,
    floor: float,
    ratio: float,
    tried: FloatArray | None,
) -> ClassThreshold:
    edges, middles = scores_between(score_n)
    whole = curve_at(score_n, truth_n, middles, ratio)
    spans = (tried, tried) if tried is not None else (edges[:-1], edges[1:])
    if tried is None and score_n.min() == 0:
        tried = np.append(0.0, middles)  # no other threshold decides for a score of 0
        spans = (np.append(0.0, spans[0]), np.append(0.0, spans[1]))
    candidates = whole if tried is None else curve_at(score_n, truth_n, tried, ratio)
    value, note, support = HALF, "", int(truth_n.sum())
    if not support:
        note = f"no image bears `{name}`, so its threshold stays at {HALF:g}"
    elif aim == "recall" and not (candidates.recall >= floor).any():
        value = float(candidates.threshold[0])
        note = f"no threshold of the grid gives `{name}` a recall of {floor:g}; the lowest, {value:g}, was taken"
    else:
        value = _best(candidates, _merit(candidates, aim, floor), aim, spans)
    at = curve_at(score_n, truth_n, np.array([value]), ratio)
    return ClassThreshold(
        name=name,
        value=value,
        precision=float(at.precision[0]),
        recall=float(at.recall[0]),
        f1=float(at.f1[0]),
        cost=float(at.cost[0]),
        support=support,
        flat=_flat(edges, _merit(whole, aim, floor), _merit(at, aim, floor)[0], value) if support else (value, value),
        met=aim != "recall" or bool(at.recall[0] >= floor),
        note=note,
        curve=curve_at(score_n, truth_n, np.union1d(np.linspace(0, 1, 101), value), ratio),
    )


def _merit(curve: ThresholdCurve, aim: Aim, floor: float) -> FloatArray:
    """What is maximised; −∞ where the floor is not held."""
    if aim == "cost":
        return -curve.cost
    if aim == "f1":
        return np.nan_to_num(curve.f1, nan=-np.inf)
    return np.where(np.nan_to_num(curve.recall) >= floor, np.nan_to_num(curve.precision), -np.inf)


def _best(curve: ThresholdCurve, merit_t: FloatArray, aim: Aim, spans: tuple[FloatArray, FloatArray]) -> float:
    """The middle one of the widest run of best candidates; with a floor of recall, of those with most recall.

    Each candidate stands for all thresholds of its span, from the lower bound to the upper.
    """
    low_t, high_t = spans
    top = merit_t == merit_t.max()
    if aim == "recall":
        top &= curve.recall == curve.recall[top].max()
    places = np.flatnonzero(top)
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    widest = max(runs, key=lambda run: high_t[run[-1]] - low_t[run[0]])
    if low_t is high_t:
        return float(curve.threshold[widest[(len(widest) - 1) // 2]])
    middle = (low_t[widest[0]] + high_t[widest[-1]]) / 2
    return float(curve.threshold[widest[np.searchsorted(high_t[widest], middle)]])


def _flat(edges_t: FloatArray, merit_t: FloatArray, reached: np.float64, value: float) -> tuple[float, float]:
    """Widest run of thresholds around the chosen one with nearly its merit; one entry of merit per (edge, edge]."""
    good = merit_t >= reached - _FLAT * abs(reached) - 1e-12
    place = int(np.clip(np.searchsorted(edges_t, value) - 1, 0, len(merit_t) - 1))
    if not np.isfinite(reached) or not good[place]:
        return value, value
    bad = np.flatnonzero(~good)
    below, above = bad[bad < place], bad[bad > place]
    low = 0 if not below.size else below[-1] + 1
    high = len(merit_t) if not above.size else above[0]
    return float(edges_t[low]), float(edges_t[high])


def _each(name: str, given: float | Sequence[float], k: int, high: float) -> tuple[float, ...]:
    values = tuple(given) if isinstance(given, Sequence | np.ndarray) else (given,) * k
    if len(values) != k:
        raise ConfigError(f"`{name}` holds {len(values)} numbers for {k} labels; give one, or one for each")
    checked = tuple(require_range(name, value, 0, high) for value in values)
    if min(checked) <= 0:
        raise ConfigError(f"`{name}` must be above 0, got {min(checked):g}")
    return checked


def _checked_grid(grid: Sequence[float]) -> FloatArray:
    values = [require_range("grid", value, 0, 1) for value in grid]
    if not values:
        raise ConfigError("`grid` is empty; give thresholds in [0, 1], or search `exact`")
    return np.unique(values)
