from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.cli.yaml_file import dotted, parse_yaml, read_yaml
from shiftgauge.errors import ConfigError

# numbers with an exponent are text to the safe loader; that they are numbers here is tested below
WORDS = st.text(max_size=8).filter(lambda word: not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+", word))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_values_are_those_of_the_plain_safe_loader(value: object) -> None:
    text = yaml.safe_dump(value)
    assert parse_yaml(text, "x").values == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["1e-3", "1E5", "-2e+1", ".5e1"])
def test_a_number_with_an_exponent_is_a_number(text: str) -> None:
    assert parse_yaml(text, "x").values == float(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: [1\nb: 2", "x:2:2"), ("a: 1\n\tb: 2", "x:2:1"), ("a: 'b", "x:1:6"), ("a: 1\nb: 2\na: 3", "x:3:1")],
)
def test_a_mistake_has_line_and_column(text: str, place: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{place}: not valid YAML") as caught:
        parse_yaml(text, "x")
    assert "\n" not in str(caught.value)


def test_a_key_given_twice_names_both_lines() -> None:
    with pytest.raises(ConfigError, match="key `a` is given twice, first in line 1"):
        parse_yaml("a: 1\nb: 2\na: 3", "x")


def test_code_in_yaml_is_refused() -> None:
    with pytest.raises(ConfigError, match="could not determine a constructor"):
        parse_yaml("!!python/object/apply:os.system ['true']", "x")


def test_every_key_knows_its_line() -> None:
    text = parse_yaml("a: 1\nb:\n  c:\n    - 1\n    - 2\n", "x")
    assert [text.line(steps) for steps in (["a"], ["b"], ["b", "c"], ["b", "c", 1], ["b", "z"])] == [1, 2, 3, 5, 2]
    assert text.place(["b", "c"]) == "x:3"
    assert text.place(["nowhere"]) == "x"


def test_a_path_is_written_as_people_name_it() -> None:
    assert dotted(["a", "b", 2, "c"]) == "a.b[2].c"


def test_a_file_that_cannot_be_read_is_said_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration at .*nope\.yaml"):
        read_yaml(tmp_path / "nope.yaml")
    with pytest.raises(ConfigError, match="cannot read"):
        read_yaml(tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a text file in UTF-8"):
        read_yaml(binary)
