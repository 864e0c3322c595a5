"""Where the network of a recipe begins."""

import pytest

from shiftgauge.errors import ConfigError
from shiftgauge.studies.starting_weights import pretrained_of, require_weights


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("quick", [True, False])
def test_a_file_is_taken_whatever_the_run_and_none_is_random(small, quick, tmp_path):
    assert pretrained_of(require_weights(str(tmp_path)), small=small, quick=quick) == str(tmp_path)
    assert pretrained_of("none", small=small, quick=quick) is False
    expected = False if quick else "packaged" if small else True
    assert pretrained_of("imagenet", small=small, quick=quick) == expected


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no\.pt do not exist; give a file"):
        require_weights(str(tmp_path / "no.pt"))
