"""The synthetic weld classifier behind `factories.py`: outputs, indices, curves, surfaces and pictures."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from weld_names import CLASSES, GRID, HOSTILE_CLASSES, HOSTILE_TITLE, IMAGES, QUANTITIES, SHIFTS, SLICES
from weld_picture import shifted, weld_picture


class World:
    """The synthetic classifier and the samples drawn from it."""

    def __init__(self, shifts, mode, hostile, constant, n_base, rng, share):
        self.shifts, self.mode, self.hostile, self.constant, self.share = shifts, mode, hostile, constant, share
        self.rng, self.n = rng, n_base
        self.classes = HOSTILE_CLASSES if hostile else CLASSES
        self.has_repeat = "noise" in shifts
        self.inputs = [*(["image"] if mode == "population" else []), *shifts, *(["repeat"] if self.has_repeat else [])]
        self.labels = np.arange(IMAGES) % 3
        self.names = [f"{'<b>seam</b>$' if hostile else 'seam'}_{i:03d}.png" for i in range(IMAGES)]
        self.sample = rng.random((3000, len(self.inputs)))
        self.theta = self.physical(self.sample)
        self.values = self.f(self.sample)

    def physical(self, unit):
        at = [self.inputs.index(s) for s in self.shifts]
        low, high = (np.array([SHIFTS[s][k] for s in self.shifts]) for k in (1, 2))
        return low + unit[:, at] * (high - low)

    def image_of(self, unit):
        if "image" not in self.inputs:
            return np.zeros(len(unit), int)
        return np.minimum((unit[:, 0] * IMAGES).astype(int), IMAGES - 1)

    def f(self, unit, rough=True):
        """Values (quantity, row): a logistic score of the shifts, the image, the repeat and a rough part."""
        image, theta = self.image_of(unit), dict(zip(self.shifts, self.physical(unit).T, strict=True))
        zero = np.zeros(len(unit))
        strength = 2.2 + 0.9 * np.sin(1.7 * image) + 0.5 * (image % 3)
        rot, tilt = np.deg2rad(theta.get("rotation", zero)), theta.get("tilt", zero) / 20
        light, blur = theta.get("brightness", zero + 1) - 1, theta.get("gaussian_blur", zero)
        score = strength - 2.6 * np.sin(rot) ** 2 - 3.2 * light**2 - 0.8 * tilt * np.sin(rot) - 0.12 * blur
        score = score - 0.9 * light * np.cos(2 * rot) * (1 + 0.3 * np.sin(image))
        noise = theta.get("noise", zero)
        if self.has_repeat:
            score = score + 6 * noise * (unit[:, -1] - 0.5) - 9 * noise
        if rough:
            score = score + 2.2 * np.sqrt(max(1 - self.share, 0)) * np.sin(23 * rot + 17 * light)
        if self.constant:
            score = 0 * score + 1.0
        p = 1 / (1 + np.exp(-score))
        return np.stack([p, score, -np.log(p), (score > 0).astype(float)])

    def coords(self):
        return {
            "quantity": [*QUANTITIES[:3], f"probability[{HOSTILE_CLASSES[0]}]" if self.hostile else QUANTITIES[3]],
            "input": self.inputs,
            "input_2": self.inputs,
            "shift": list(self.shifts),
            "bound": ["low", "high"],
            "image": self.names,
        }

    def attrs(self, estimator, seed):
        return {
            "title": HOSTILE_TITLE if self.hostile else "Weld seams, ResNet-18, shifts of the camera cell",
            "quantity_of_interest": "probability",
            "confidence_level": 0.95,
            "estimator": estimator,
            "images_mode": self.mode,
            "model_name": "<i>net</i>&" if self.hostile else "resnet18 (weld)",
            "data_name": "tig_al5083",
            "n_images": IMAGES,
            "n_classes": 3,
            "seed": seed,
            "has_repeat": int(self.has_repeat),
            "has_part": int(self.mode == "population"),
        }

    def indices(self, second_order):
        a, b = self.rng.random((2, self.n, len(self.inputs)))
        fa, fb = self.f(a), self.f(b)
        variance = np.where(np.var(fa, axis=1) > 1e-12, np.var(fa, axis=1), np.nan)
        ab = []
        for i in range(len(self.inputs)):
            mixed = a.copy()
            mixed[:, i] = b[:, i]
            ab.append(self.f(mixed))
        first = np.stack([fb * (m - fa) for m in ab], 1) / variance[:, None, None]
        total = np.stack([(fa - m) ** 2 / 2 for m in ab], 1) / variance[:, None, None]
        pair = np.full((len(QUANTITIES), len(ab), len(ab), self.n), np.nan)
        for i, j in itertools.combinations(range(len(ab)), 2):
            mixed = a.copy()
            mixed[:, [i, j]] = b[:, [i, j]]
            pair[:, i, j] = pair[:, j, i] = (fa - ab[i] - ab[j] + self.f(mixed)) ** 2 / 4 / variance[:, None]
        out = _with_interval("first_order", ("quantity", "input"), first)
        out |= _with_interval("total_order", ("quantity", "input"), total)
        out |= _with_interval("total_interaction", ("quantity", "input", "input_2"), pair)
        if second_order:
            out |= _with_interval("second_order", ("quantity", "input", "input_2"), 0.85 * pair)
        out |= _with_interval("mean", ("quantity",), fa)
        out |= _with_interval("variance", ("quantity",), (fa - fa.mean(1, keepdims=True)) ** 2)
        smooth = self.share
        out["surrogate_first_order"] = (("quantity", "input"), first.mean(-1) / smooth)
        out["surrogate_total_order"] = (("quantity", "input"), total.mean(-1) * smooth)
        out["surrogate_share"] = ("quantity", np.array([smooth, smooth - 0.03, smooth - 0.05, smooth - 0.3]))
        out["surrogate_trusted"] = ("quantity", (out["surrogate_share"][1] >= 0.9).astype(int))
        out["surrogate_terms"] = ("quantity", np.array([84, 56, 56, 35]))
        out["surrogate_label"] = ("quantity", [f"total degree {d}" for d in (6, 5, 5, 4)])
        rest = np.tile(self.identity(), (IMAGES, 1))
        if "image" in self.inputs:
            rest[:, 0] = (np.arange(IMAGES) + 0.5) / IMAGES
        self.clean = self.f(rest)
        return out | {"clean_mean": ("quantity", self.clean.mean(1))}

    def identity(self):
        unit = np.full(len(self.inputs), 0.5)
        for s in self.shifts:
            _, low, high, nominal, _ = SHIFTS[s]
            unit[self.inputs.index(s)] = (nominal - low) / (high - low)
        return unit

    def facts(self):
        columns = list(zip(*(SHIFTS[s] for s in self.shifts), strict=True))
        text = [f"uniform on [{SHIFTS[s][1]:g}, {SHIFTS[s][2]:g}] {SHIFTS[s][0]}".strip() for s in self.shifts]
        summary = [f"{nice(s)} of the picture <u>&</u>" if self.hostile else f"{nice(s)}." for s in self.shifts]
        names = ("shift_unit", "shift_low", "shift_high", "shift_nominal", "shift_stage")
        out: dict[str, Any] = {n: ("shift", list(c)) for n, c in zip(names, columns, strict=True)}
        return out | {"shift_text": ("shift", text), "shift_summary": ("shift", summary)}

    def effects(self, grid=41, bins=12):
        x, curve, bx, bm, bi, count = [], [], [], [], [], []
        for k, s in enumerate(self.shifts):
            _, low, high, _, _ = SHIFTS[s]
            edges = np.linspace(low, high, bins + 1)
            where = np.clip(np.digitize(self.theta[:, k], edges) - 1, 0, bins - 1)
            groups = [self.values[:, where == b] for b in range(bins)]
            mean = np.stack([g.mean(1) for g in groups], 1)
            half = np.stack([1.96 * g.std(1) / np.sqrt(max(g.shape[1], 1)) for g in groups], 1)
            centre = (edges[1:] + edges[:-1]) / 2
            x.append(np.linspace(low, high, grid))
            fit = np.polynomial.Polynomial.fit
            curve.append(np.stack([fit(centre, m, 5)(x[-1]) for m in mean]))
            bx.append(centre), bm.append(mean), bi.append(np.stack([mean - half, mean + half], -1))
            count.append([g.shape[1] for g in groups])
        keep = self.rng.permutation(3000)[:1500]
        return {
            "main_effect_x": (("shift", "grid"), np.array(x)),
            "main_effect": (("quantity", "shift", "grid"), np.stack(curve, 1)),
            "bin_x": (("shift", "bin"), np.array(bx)),
            "bin_mean": (("quantity", "shift", "bin"), np.stack(bm, 1)),
            "bin_mean_interval": (("quantity", "shift", "bin", "bound"), np.stack(bi, 1)),
            "bin_count": (("shift", "bin"), np.array(count)),
            "sample_theta": (("sample", "shift"), self.theta[keep]),
            "sample_image": ("sample", self.image_of(self.sample[keep])),
            "sample_value": (("quantity", "sample"), self.values[:, keep]),
        }

    def surfaces(self):
        pairs = list(itertools.combinations(self.shifts, 2))[:3]
        if not pairs:
            return {}
        third = [next((s for s in self.shifts if s not in p), "") for p in pairs]
        mesh = np.linspace(0, 1, GRID)
        levels = np.linspace(0.1, 0.9, SLICES)
        z = np.empty((len(QUANTITIES), len(pairs), SLICES, GRID, GRID))
        for p, (first, second) in enumerate(pairs):
            for k, level in enumerate(levels):
                unit = np.tile(self.identity(), (GRID * GRID, 1))
                unit[:, self.inputs.index(first)] = np.tile(mesh, GRID)
                unit[:, self.inputs.index(second)] = np.repeat(mesh, GRID)
                if third[p]:
                    unit[:, self.inputs.index(third[p])] = level
                z[:, p, k] = self.f(unit, rough=False).reshape(-1, GRID, GRID)

        def span(name, at):
            return SHIFTS[name][1] + at * (SHIFTS[name][2] - SHIFTS[name][1]) if name else np.full(len(at), np.nan)

        return {
            "pair_first": ("pair", [p[0] for p in pairs]),
            "pair_second": ("pair", [p[1] for p in pairs]),
            "pair_third": ("pair", third),
            "surface_x": (("pair", "gx"), np.array([span(p[0], mesh) for p in pairs])),
            "surface_y": (("pair", "gy"), np.array([span(p[1], mesh) for p in pairs])),
            "surface_fixed": (("pair", "slice"), np.array([span(t, levels) for t in third])),
            "surface_z": (("quantity", "pair", "slice", "gy", "gx"), z),
        }

    def strips(self, levels=7):
        base = [weld_picture(i) for i in range(2)]
        theta = np.array([np.linspace(SHIFTS[s][1], SHIFTS[s][2], levels) for s in self.shifts])
        picture = np.array(
            [
                [[shifted(b, s, v, self.rng) for v in row] for s, row in zip(self.shifts, theta, strict=True)]
                for b in base
            ]
        )
        p = np.clip(0.97 - 0.9 * np.abs(np.linspace(-1, 1, levels)) ** 2, 0, 1) * np.ones((2, len(self.shifts), 1))
        guess = np.where(p > 0.5, self.classes[0], self.classes[1]).astype(object)
        named = np.array(self.classes, dtype=object)[self.labels]
        return {
            "strip_name": ("strip", self.names[:2]),
            "strip_label": ("strip", list(named[:2])),
            "strip_theta": (("shift", "level"), theta),
            "strip_image": (("strip", "shift", "level", "row", "column", "rgb"), picture),
            "strip_probability": (("strip", "shift", "level"), p),
            "strip_predicted": (("strip", "shift", "level"), guess),
        }

    def images(self):
        mean, std = np.zeros((4, IMAGES)), np.zeros((4, IMAGES))
        which, count = self.image_of(self.sample), np.zeros(IMAGES, int)
        for i in range(IMAGES):
            rows = self.values[:, which == i]
            count[i] = rows.shape[1]
            if rows.size:
                mean[:, i], std[:, i] = rows.mean(1), rows.std(1)
        order = np.argsort(mean[0] - self.clean[0])
        chosen = [*order[:3], *order[::-1][:3]]
        thumbs = np.array([weld_picture(int(i)) for i in chosen])
        worst = np.array([shifted(shifted(t, "rotation", 63, self.rng), "brightness", 0.3, self.rng) for t in thumbs])
        named = np.array(self.classes, dtype=object)[self.labels]
        quantity_image = ("quantity", "image")
        return {
            "image_label": ("image", list(named)),
            "image_predicted": ("image", list(named)),
            "image_clean": (quantity_image, self.clean),
            "image_mean": (quantity_image, mean),
            "image_std": (quantity_image, std),
            "image_count": ("image", count),
            "thumb_of": ("thumb", [self.names[int(i)] for i in chosen]),
            "thumb_role": ("thumb", ["most"] * 3 + ["least"] * 3),
            "thumb_image": (("thumb", "row", "column", "rgb"), thumbs),
            "thumb_worst": (("thumb", "row", "column", "rgb"), worst),
            "thumb_worst_text": ("thumb", ["rotation 63°, brightness 0.3 → 0.02"] * 6),
        }

    def gauge(self, arrays):
        first, total = arrays["first_order"].values, arrays["total_order"].values
        k = len(self.shifts)
        part, own = np.clip(first[:, 0], 0, None), np.clip(first[:, 1 : k + 1], 0, None)
        with_part = np.clip(total[:, 0] - first[:, 0], 0, None)
        repeat = np.clip(first[:, -1], 0, None) if self.has_repeat else 0 * part
        rest = np.clip(1 - part - own.sum(1) - with_part - repeat, 0, None)
        rows = [("Part to part", 0, part), ("  between classes", 1, 0.3 * part), ("  within class", 1, 0.7 * part)]
        rows += [(f"Shift: {s}", 0, own[:, i]) for i, s in enumerate(self.shifts)]
        rows += [("Shift × shift", 0, 0.8 * rest), ("Shift × part", 0, with_part), ("Higher order", 0, 0.2 * rest)]
        rows += [("Repeatability", 0, repeat)] * self.has_repeat
        rows += [("Total gauge R&R", 0, 1 - part), ("Total variation", 0, np.ones(4))]
        share = np.stack([r[2] for r in rows], 1)
        names = [r[0] for r in rows]
        if self.hostile:
            names[1] = f"  between {HOSTILE_CLASSES[0]}"
        variance = share * arrays["variance"].values[:, None]
        ratio = np.sqrt((1 - part) / np.where(part > 0, part, np.nan))
        text = np.where(np.sqrt(1 - part) > 0.3, "not acceptable", "acceptable").astype(object)
        text[~np.isfinite(share[:, 0])] = "undefined"
        where, wide = ("quantity", "component"), ("quantity", "component", "bound")
        spread = np.stack([0.93 + 0 * share, 1.07 + 0 * share], -1)
        return {
            "component": ("component", names),
            "component_level": ("component", [r[1] for r in rows]),
            "gauge_variance": (where, variance),
            "gauge_variance_interval": (wide, variance[..., None] * spread),
            "gauge_contribution": (where, share),
            "gauge_contribution_interval": (wide, share[..., None] * spread),
            "gauge_study_variation": (where, np.sqrt(share)),
            "gauge_ndc": ("quantity", np.floor(1.41 / ratio)),
            "gauge_verdict": ("quantity", text),
        }

    def per_image(self, arrays):
        out: dict[str, Any] = {"chosen": ("chosen", self.names[:2])}
        at = [self.inputs.index(s) for s in self.shifts]
        for kind in ("first_order", "total_order"):
            value = np.repeat(arrays[kind].values[:, None, at], 2, 1)
            bounds = np.repeat(arrays[f"{kind}_interval"].values[:, None, at], 2, 1)
            out[f"image_{kind}"] = (("quantity", "chosen", "shift"), value)
            out[f"image_{kind}_interval"] = (("quantity", "chosen", "shift", "bound"), bounds)
        return out


def _with_interval(name, dims, terms):
    mean, half = terms.mean(-1), 1.96 * terms.std(-1) / np.sqrt(terms.shape[-1])
    return {name: (dims, mean), f"{name}_interval": ((*dims, "bound"), np.stack([mean - half, mean + half], -1))}


def nice(name):
    return name.replace("_", " ").capitalize()
