import numpy as np
import pandas as pd
import pytest
from PIL import Image

from shiftgauge.data.manifest import read_manifest
from shiftgauge.errors import DataError


@pytest.fixture
def place(tmp_path):
    (tmp_path / "img").mkdir()
    for i in range(6):
        Image.fromarray(np.full((4, 5), 40 * i, np.uint8)).save(tmp_path / "img" / f"{i}.png")
    return tmp_path


FRAME = pd.DataFrame(
    {
        "path": [f"img/{i}.png" for i in range(6)],
        "label": ["ok", "NA", "007", "ok", "NA", "ok"],
        "lot": [1, 1, 2, 2, 3, 3],
        "split": ["train", "test"] * 3,
        "dust": [0, 1, 0, 1, 1, 0],
        "dent": [1, 0, 0, 1, 0, 0],
    }
)


@pytest.mark.parametrize("form", ["csv", "semicolon", "tsv", "parquet", "bom"])
def test_every_form_of_table_gives_the_same_data(place, form):
    path = place / {"tsv": "m.tsv", "parquet": "m.parquet"}.get(form, "m.csv")
    if form == "parquet":
        FRAME.to_parquet(path)
    else:
        sep = {"semicolon": ";", "tsv": "\t"}.get(form, ",")
        FRAME.to_csv(path, sep=sep, index=False, encoding="utf-8-sig" if form == "bom" else "utf-8")
    data = read_manifest(path, group_column="lot", split_column="split")
    assert data.class_names == ("007", "NA", "ok")
    assert data.labels.tolist() == [2, 1, 0, 2, 1, 2]
    assert data.groups == ("1", "1", "2", "2", "3", "3")
    assert data.splits == ("train", "test") * 3
    assert data.load(3)[0, 0, 0] == pytest.approx(120 / 255)


def save(place, frame=FRAME, name="m.csv"):
    frame.to_csv(place / name, index=False)
    return place / name


def test_split_keeps_its_rows_and_all_classes(place):
    data = read_manifest(save(place), split_column="split", split="test")
    assert data.names == ("img/1.png", "img/3.png", "img/5.png")
    assert data.class_names == ("007", "NA", "ok")


def test_several_label_columns_are_multi_label(place):
    data = read_manifest(save(place), label_columns=["dust", "dent"])
    assert data.class_names == ("dust", "dent")
    assert data.labels.tolist() == [1, 0, -1, -1, 0, -1]
    assert data.label_matrix.tolist() == FRAME[["dust", "dent"]].values.tolist()


def test_the_label_no_defect_is_derived_or_checked(place):
    data = read_manifest(save(place), label_columns=["dust", "dent"], no_defect="good")
    assert data.class_names == ("good", "dust", "dent")
    assert data.label_matrix[:, 0].tolist() == [0, 0, 1, 0, 0, 1]
    stated = FRAME.assign(good=[0, 1, 1, 0, 0, 1])
    with pytest.raises(DataError, match=r"1 image\(s\) are labelled `good` and a defect as well: `img/1\.png`"):
        read_manifest(save(place, stated, "n.csv"), label_columns=["good", "dust", "dent"], no_defect="good")
    with pytest.raises(DataError, match="multi-label data only"):
        read_manifest(save(place), no_defect="good")


def test_root_and_absolute_paths(place, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    relative = save(other)
    assert len(read_manifest(relative, root=place)) == 6
    absolute = FRAME.assign(path=[str(place / p) for p in FRAME["path"]])
    assert len(read_manifest(save(other, absolute, "n.csv"))) == 6


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda f: f, {"path_column": "pth"}, "unknown column `pth`; did you mean `path`"),
        (lambda f: f, {"label_columns": "lable"}, "did you mean `label`"),
        (lambda f: f, {"label_columns": []}, "is empty"),
        (lambda f: f, {"group_column": "person"}, "unknown column `person`"),
        (lambda f: f, {"split_column": "split", "split": "tst"}, "did you mean `test`"),
        (lambda f: f, {"split": "test"}, "needs `split_column`"),
        (lambda f: f, {"label_columns": ["lot", "dust"]}, "row 3 has `2` in `lot`"),
        (lambda f: f, {"class_names": ["ok", "NA"]}, "label `007` is not among the classes"),
        (lambda f: f.assign(label=["a", "", "b", "a", "b", "a"]), {}, "row 2 has no value in `label`"),
        (lambda f: f.assign(path=["img/0.png"] * 6), {}, r"`img/0\.png` is listed more than once"),
        (lambda f: f.assign(path=["img/9.png", *f["path"][1:]]), {}, r"1 of 6 images cannot be read: img/9\.png"),
        (lambda f: f.iloc[:0], {}, "has no rows"),
    ],
)
def test_bad_manifest_is_one_line_that_says_where(place, change, options, message):
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(save(place, change(FRAME)), **options)
    assert "\n" not in str(caught.value)


def test_missing_file_is_skipped_and_counted_when_asked(place):
    frame = FRAME.assign(path=["img/9.png", *FRAME["path"][1:]])
    data = read_manifest(save(place, frame), skip_unreadable=True)
    assert len(data) == 5
    assert data.skipped[0][0] == "img/9.png"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("e.csv", b"", "is empty"),
        ("b.csv", b"path,label\n\xff\xfe,\x81\n", "cannot be read"),
        ("d.csv", b"path,path,label\na,b,c\n", "two columns|cannot be read|unknown column|cannot be"),
        ("q.csv", b'path,label\n"a,b\n', "cannot be read"),
        ("p.parquet", b"not parquet", "cannot be read"),
    ],
)
def test_damaged_tables_are_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_table_is_named(tmp_path):
    with pytest.raises(DataError, match=r"m\.csv does not exist"):
        read_manifest(tmp_path / "m.csv")


def test_empty_label_in_parquet_is_found(place):
    FRAME.assign(label=["a", None, "b", "a", "b", "a"]).to_parquet(place / "m.parquet")
    with pytest.raises(DataError, match="row 2 has no value in `label`"):
        read_manifest(place / "m.parquet")


def test_a_limit_takes_the_same_share_of_every_set_of_labels(tmp_path):
    rows = np.repeat([[1, 1], [0, 1], [0, 0]], [12, 6, 2], axis=0)
    for k in range(20):
        Image.fromarray(np.full((3, 3), k, np.uint8)).save(tmp_path / f"{k}.png")
    lines = ["path,pore,crack", *(f"{k}.png,{a},{b}" for k, (a, b) in enumerate(rows))]
    (tmp_path / "list.csv").write_text("\n".join(lines))
    data = read_manifest(tmp_path / "list.csv", label_columns=["pore", "crack"], limit=10)
    assert [int((data.label_matrix == row).all(axis=1).sum()) for row in ([1, 1], [0, 1], [0, 0])] == [6, 3, 1]
