import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from shiftgauge.data.table import read_table
from shiftgauge.errors import DataError


@pytest.fixture
def iris():
    data = load_iris(as_frame=True)
    return data.data.assign(kind=np.array(data.target_names)[data.target], lot=np.arange(150) % 5)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_numbers_and_classes_are_read(tmp_path, iris, form):
    path = tmp_path / f"iris.{form}"
    iris.to_csv(path, index=False) if form == "csv" else iris.to_parquet(path)
    table = read_table(path, label_column="kind", group_column="lot")
    assert table.values.shape == (150, 4)
    np.testing.assert_allclose(table.values, load_iris().data)
    assert table.class_names == ("setosa", "versicolor", "virginica")
    assert table.labels.tolist() == load_iris().target.tolist()
    assert table.groups[:3] == ("0", "1", "2")
    part = table.select([149, 0])
    assert part.labels.tolist() == [2, 0]
    assert part.fingerprint != table.fingerprint
    with pytest.raises(ValueError, match="read-only"):
        table.values[0, 0] = 1


def test_numbered_classes_index_the_names_given(tmp_path):
    pd.DataFrame({"x": [1, 2, 3], "y": [0, 1, 0]}).to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", label_column="y", class_names=["no", "yes"])
    assert [table.class_names[k] for k in table.labels] == ["no", "yes", "no"]
    assert read_table(tmp_path / "t.csv", label_column="y").class_names == ("0", "1")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("x,y\n1,a\n,b\n", {}, "row 2 has an empty cell in `x`; fill it, or leave such rows out with missing: drop"),
        ("x,y\n1,a\ninf,b\n", {}, "row 2 has an infinite cell in `x`"),
        ("x,y\n1,a\nred,b\n", {}, "row 2 has `red` in `x`, which is no number"),
        ("x,y\n1,a\n2,\n", {}, "row 2 has no value in `y`"),
        ("x,y\n1,a\n", {"missing": "skip"}, "missing"),
        ("x,y\n,a\n", {"missing": "drop"}, "every row has an empty cell"),
        ("x,y\n1,a\n", {"feature_columns": ["z"]}, "unknown column `z`"),
        ("x,label\n1,a\n", {}, "unknown column `y`"),
        ("y\na\n", {}, "no feature columns"),
    ],
)
def test_bad_tables_say_where(tmp_path, content, options, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / "t.csv", label_column="y", **options)
