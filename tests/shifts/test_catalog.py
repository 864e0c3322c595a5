import json
import math
import subprocess
import sys

import pytest

from shiftgauge.errors import ConfigError
from shiftgauge.parameter import Parameter
from shiftgauge.shifts.catalog import CATALOG, PRESETS, Preset, get, get_preset
from shiftgauge.shifts.entries import STAGES
from shiftgauge.shifts.steps import STEPS


@pytest.mark.parametrize("shift", CATALOG.values(), ids=CATALOG.keys())
def test_every_entry_is_complete_and_consistent(shift):
    assert math.isfinite(shift.low)
    assert math.isfinite(shift.high)
    assert shift.low <= shift.identity <= shift.high
    assert shift.stage in STAGES
    assert shift.summary.endswith(".")
    options = dict(shift.default)
    parameter = Parameter(
        name=shift.name,
        distribution=options.pop("distribution"),
        options=options,
        unit=shift.unit,
        nominal=shift.identity,
    )
    low, high = parameter.support
    assert shift.low <= low < high <= shift.high
    if shift.companion_of:
        assert get(shift.companion_of).stage == shift.stage
        assert not get(shift.companion_of).companion_of
    json.dumps([shift.identity, shift.low, shift.high, dict(shift.default)], allow_nan=False)


def test_every_shift_has_its_work():
    own = {name for name, shift in CATALOG.items() if not shift.companion_of and shift.stage != "geometry"}
    assert own == set(STEPS)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_presets_stay_within_the_valid_ranges(preset):
    for name, options in preset.distributions.items():
        assert get(name).low <= options["low"] < options["high"] <= get(name).high
    assert set(preset.order) in (set(), set(preset.names))


def test_the_weld_preset_has_the_studys_ranges_and_order():
    weld = get_preset("weld")
    assert weld.order == ("brightness", "rotation", "tilt")
    limits = {name: (o["low"], o["high"]) for name, o in weld.distributions.items()}
    assert limits == {"brightness": (0, 2), "rotation": (-90, 90), "tilt": (-20, 20)}


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(ConfigError, match="unknown shift `brightnes`; did you mean `brightness`"):
        get("brightnes")
    with pytest.raises(ConfigError, match="unknown preset `wled`; did you mean `weld`"):
        get_preset("wled")
    with pytest.raises(ConfigError, match="unknown shift `tlit`"):
        Preset(name="own", summary="", distributions={"tlit": {}})


def test_a_companion_has_a_neutral_setting_not_an_identity():
    with pytest.raises(ConfigError, match="0 is its neutral setting"):
        get("motion_blur_angle").check(999)
    with pytest.raises(ConfigError, match="1 leaves an image unchanged"):
        get("brightness").check(-1)


def test_the_catalogue_is_read_without_torch():
    code = "import sys, shiftgauge.shifts.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
