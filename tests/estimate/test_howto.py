import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "howto" / "estimator.md"


def test_what_the_guide_shows_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 5
    names = {}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)  # the guide's own code
    assert names["model"].names == ("a", "b")
    points = names["np"].array([[0.5, -1.0], [0.1, 2.0]])
    assert names["model"].predict(points)[:, 0] == pytest.approx([3.2, 3.4])
