"""The `data` section of a configuration: where the labelled images are and how they are labelled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from shiftgauge.cli.section import Section, Share, exactly_one


class DataSection(Section):
    """The labelled images: exactly one of folder, manifest, npz, yolo, weld, demo."""

    folder: str | None = Field(default=None, description="Folder with one folder of images for each class.")
    manifest: str | None = Field(default=None, description="CSV or Parquet table with one row for each image.")
    npz: str | None = Field(default=None, description="NPZ file with arrays of images and labels.")
    yolo: str | None = Field(default=None, description="Folder of images with YOLO text files; needs `classes`.")
    weld: str | None = Field(
        default=None, description="Folder al5083 of the TIG Aluminium 5083 images: train/train.json, test/test.json."
    )
    demo: Literal[True] | None = Field(
        default=None, description="true: photographs of installed packages (extra `demo`)."
    )
    root: str | None = Field(
        default=None, description="Folder that the manifest's paths start from; default: its own folder."
    )
    path_column: str = Field(default="path", description="Manifest column with the image's path.")
    label_column: str | list[str] = Field(
        default="label", description="Manifest column with the class, or several columns."
    )
    group_column: str | None = Field(
        default=None, description="Manifest column with the group, such as the part or person."
    )
    split_column: str | None = Field(default=None, description="Manifest column with the split.")
    split: str | None = Field(default=None, description="Take only the images of this split.")
    splits: list[str] = Field(
        default_factory=list, description="With `yolo`: folders of the splits, each with its images and labels."
    )
    classes: list[str] | None = Field(
        default=None, description="With `yolo` and `weld`: names of the labels 0, 1, 2 … of the files."
    )
    images_folder: str = Field(default="img", description="With `yolo`: folder of the images.")
    labels_folder: str = Field(default="txt", description="With `yolo`: folder of the text files.")
    task: Literal["single", "multi"] | None = Field(
        default=None,
        description="With `folder` (default single) and `yolo` (default multi): one class for each image, or several. "
        "Several: an image in several class folders has all their labels. One, with `yolo`: whether its file exists.",
    )
    no_defect: str | None = Field(
        default=None,
        description="Label of images that have none of the others: derived, or checked against them. With `yolo` "
        "“no defect” unless another is given, or null for none.",
    )
    arrays: dict[str, str] = Field(
        default_factory=dict,
        description="Names of the arrays in an npz file where they are not images, labels, classes, names; also "
        "groups, splits, layout (nhw, nhwc, nchw).",
    )
    labels: dict[str, str | int | None] | None = Field(
        default=None,
        description="Label in the data → class of the model (or number of its output); null leaves the label out. "
        "Default: matched by name, never by order.",
    )
    group_pattern: str | None = Field(
        default=None,
        description="With `folder` and `yolo`: a regular expression whose first parentheses match the group in an "
        "image's path below the folder, such as 'part_(\\d+)'.",
    )
    limit: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="Take at most this many images, the same share of every class or set of labels, drawn with "
        "`estimate.seed`, in a training with `train.seed`.",
    )
    background: Share = Field(default=0.0, description="Grey level behind transparent pixels.")
    skip_unreadable: bool = Field(
        default=False, description="Leave out files that cannot be read and list them, instead of stopping."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        exactly_one(self, DATA_KINDS)
        if self.split is not None and (self.folder is not None or self.demo is not None):
            raise ValueError("`split` belongs to the other kinds of data; point `folder` at the split's folder")
        for key, kinds in _BELONGS.items():
            if key in self.model_fields_set and all(getattr(self, kind) is None for kind in kinds):
                own = f"; {_INSTEAD[key]}" if key in _INSTEAD else ""
                raise ValueError(f"`{key}` belongs to {' and '.join(f'`{kind}`' for kind in kinds)}{own}")
        if self.yolo is not None and not self.classes:
            raise ValueError("`yolo` needs `classes`, the names of the ids 0, 1, 2 … of its files")
        return self


DATA_KINDS = ("folder", "manifest", "npz", "yolo", "weld", "demo")
"""The keys of `data` of which exactly one is given."""

_BELONGS: Mapping[str, tuple[str, ...]] = {
    "root": ("manifest",),
    "path_column": ("manifest",),
    "label_column": ("manifest",),
    "group_column": ("manifest",),
    "split_column": ("manifest",),
    "arrays": ("npz",),
    "group_pattern": ("folder", "yolo"),
    "background": ("folder", "manifest", "yolo", "weld"),
    "limit": ("folder", "manifest", "npz", "yolo", "weld"),
    "skip_unreadable": ("folder", "manifest", "npz", "yolo", "weld"),
    "splits": ("yolo",),
    "classes": ("yolo", "weld"),
    "images_folder": ("yolo",),
    "labels_folder": ("yolo",),
    "task": ("folder", "yolo"),
    "no_defect": ("folder", "manifest", "npz", "yolo"),
}


_INSTEAD: Mapping[str, str] = {
    "group_column": "`folder` and `yolo` take `group_pattern`, `npz` takes `arrays: {groups: …}`",
    "split_column": "`npz` takes `arrays: {splits: …}`, `yolo` takes `splits`",
    "group_pattern": "`manifest` takes `group_column`, `npz` takes `arrays: {groups: …}`",
}


def data_specification(section: DataSection, resolve: Callable[[str], Path], seed: int) -> dict[str, Any]:
    """Returns what `shiftgauge.data.load.load_data` takes, for every kind but `demo`.

    Args:
        section: The checked section.
        resolve: Turns a path of the file into one that starts from the file's folder.
        seed: Seed of `limit`.
    """
    kind = next(k for k in DATA_KINDS if getattr(section, k) is not None)
    values: dict[str, Any] = {
        "kind": kind,
        "path": resolve(getattr(section, kind)),
        "skip_unreadable": section.skip_unreadable,
        "limit": section.limit,
        "seed": seed,
    }
    if kind != "npz":
        values["background"] = section.background
    if kind != "folder":
        values["split"] = section.split
    if kind == "manifest":
        values |= {
            "path_column": section.path_column,
            "label_columns": section.label_column,
            "group_column": section.group_column,
            "split_column": section.split_column,
            "root": None if section.root is None else resolve(section.root),
        }
    if kind == "npz":
        values |= section.arrays
    if kind == "yolo":
        values |= {"images": section.images_folder, "labels": section.labels_folder, "splits": section.splits}
    given = {key for key in ("classes", "task", "no_defect", "group_pattern") if key in section.model_fields_set}
    stated = {key: getattr(section, key) for key in given}
    return values | {key: value for key, value in stated.items() if value is not None or key == "no_defect"}
