from __future__ import annotations

from shiftgauge.shifts.catalog import CATALOG, PRESETS


def test_every_shift_and_preset_is_listed(cli) -> None:
    out = cli("shifts").out
    assert [name for name in (*CATALOG, *PRESETS) if name not in out] == []


def test_one_shift_tells_unit_range_and_how_to_write_it(cli) -> None:
    found = cli("shifts", "tilt")
    assert found.code == 0
    for text in ("geometry", "°", "-85 to 85", "tilt: {distribution: uniform, low: -20, high: 20}"):
        assert text in found.out


def test_every_shift_can_be_shown(cli) -> None:
    assert {cli("shifts", name).code for name in CATALOG} == {0}


def test_a_preset_tells_its_ranges_and_order(cli) -> None:
    out = cli("shifts", "weld").out
    assert "uniform on [-90, 90] °" in out
    assert "brightness → rotation → tilt" in out


def test_an_unknown_shift_suggests_the_nearest(cli) -> None:
    assert cli("shifts", "rotatoin").error == "error: unknown shift `rotatoin`; did you mean `rotation`?"
