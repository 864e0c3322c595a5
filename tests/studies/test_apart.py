"""No run is written among the images that a data set is read from."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fakes import MeanClassifier
from shiftgauge.data.load import load_data
from shiftgauge.errors import StoreError
from shiftgauge.studies.audit import audit
from shiftgauge.studies.glass import glass
from shiftgauge.studies.train import train
from shiftgauge.studies.weld import weld


def picture(path, grey):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), grey, np.uint8)).save(path)


@pytest.fixture
def images(tmp_path):
    """A folder of class folders."""
    for k in range(4):
        picture(tmp_path / "images" / ("dark", "bright")[k % 2] / f"{k}.png", 40 + 60 * k)
    return tmp_path / "images"


@pytest.fixture
def glass_folder(tmp_path):
    """Images and text files in the layout of YOLO."""
    for k in range(4):
        picture(tmp_path / "glass" / "img" / f"{k}.png", 40 + 60 * k)
    (tmp_path / "glass" / "txt").mkdir()
    (tmp_path / "glass" / "txt" / "0.txt").write_text("0 .5 .5 .1 .1\n")
    return tmp_path / "glass"


def test_every_reader_says_which_folders_it_searched(images, glass_folder, tmp_path):
    assert load_data(images).searched == (images,)
    assert load_data(images).select([0, 2]).searched == (images,)
    yolo = load_data({"kind": "yolo", "path": glass_folder, "classes": ["chip"]})
    assert yolo.searched == (glass_folder / "img", glass_folder / "txt")
    for part in ("train", "test"):
        picture(tmp_path / "al5083" / part / "seam" / "0.png", 100)
        (tmp_path / "al5083" / part / f"{part}.json").write_text(json.dumps({"seam/0.png": 0}))
    assert load_data(tmp_path / "al5083").searched == (tmp_path / "al5083" / "train", tmp_path / "al5083" / "test")
    names = [p.relative_to(images).as_posix() for p in sorted(images.rglob("*.png"))]
    pd.DataFrame({"path": names, "label": ["a", "b"] * 2}).to_csv(images / "list.csv", index=False)
    assert load_data(images / "list.csv").searched == ()
    assert load_data({"kind": "yolo", "path": glass_folder, "classes": ["chip"], "limit": 2}).searched == yolo.searched


@pytest.mark.parametrize("place", ["images/run", "images/dark/run", "images"])
def test_no_run_is_written_among_the_images(images, glass_folder, tmp_path, place):
    before = sorted(tmp_path.rglob("*"))
    words = r"images.*(whose files are data|is not empty and holds no run)"
    with pytest.raises(StoreError, match=words):
        audit(MeanClassifier(), images, {"brightness": (0.9, 1.1)}, out=tmp_path / place, progress=False)
    with pytest.raises(StoreError, match=words):
        train("test_resnet", images, out=tmp_path / place, progress=False)
    with pytest.raises(StoreError, match=words):
        weld(images, out=tmp_path / place, quick=True, progress=False)
    with pytest.raises(StoreError, match=r"lies within .*img"):
        glass(glass_folder, out=glass_folder / "img" / "run", quick=True, progress=False)
    assert sorted(tmp_path.rglob("*")) == before
