"""The published tables at the ε of the logs, and the reader of the logs."""

import numpy as np
import pytest

from shiftgauge.errors import DataError
from shiftgauge.studies.eye_published import (
    BASELINE,
    FGSM_COPIES,
    NOISE_COPIES,
    TABLE_8,
    TABLE_10,
    TABLES,
    TEST_IMAGES,
    published_snr,
    read_log,
)

LOGGED_DB = {
    0.001: 59.76,
    0.003: 50.22,
    0.005: 45.78,
    0.009: 40.67,
    0.010: 39.76,
    0.021: 33.31,
    0.022: 32.91,
    0.039: 27.94,
}


def test_ratios_follow_from_epsilon():
    for epsilon, ratio in LOGGED_DB.items():
        assert published_snr(epsilon) == pytest.approx(ratio, abs=0.01)
    for table in (TABLE_8, TABLE_10):
        assert all(e == 0 or e in LOGGED_DB for e in table.epsilon)


def test_printed_epsilons_are_the_wrong_ones():
    off = [p - e for p, e in zip(TABLE_8.printed, TABLE_8.epsilon, strict=True)]
    assert [round(v, 3) for v in off] == [0, 0.001, 0.001, 0.002, 0.002]
    assert TABLE_10.printed == TABLE_10.epsilon


def test_mean_accuracies_are_whole_numbers_of_images_of_ten_folds():
    for table in (TABLE_8, TABLE_10):
        counts = np.array(list(table.accuracy.values())) * 10 * TEST_IMAGES
        assert np.abs(counts - counts.round()).max() < 10 * TEST_IMAGES * 0.5e-4 + 1e-6
    assert round(TABLE_8.accuracy["Parseval"][0] * 5730) == 4090
    assert round(TABLE_8.accuracy["ResNet"][0] * 5730) == 3986


def test_noise_is_as_good_as_fgsm_in_twelve_of_twenty_cells():
    assert (FGSM_COPIES.mean().round(4), NOISE_COPIES.mean().round(4)) == (0.7324, 0.7342)
    assert int((NOISE_COPIES >= FGSM_COPIES).sum()) == 12
    assert FGSM_COPIES.shape == (5, 4)
    assert FGSM_COPIES.min() > BASELINE


def test_every_table_is_whole():
    for table in TABLES:
        assert len(table.printed) == len(table.epsilon)
        assert set(table.source) == set(table.accuracy) >= set(table.source.values())
        assert all(len(v) == len(table.epsilon) and 0 < min(v) < max(v) < 1 for v in table.accuracy.values())


def log(path, rows):
    text = "".join(f'{{\n    "SNR": {snr},\n    "mean_a": {value}\n}}' for snr, value in rows)
    path.write_text(text)
    return path


def test_a_log_of_forty_rows_is_read_with_infinity(tmp_path):
    rows = [("Infinity", 0.7)] + [(published_snr(i / 1000) + 2e-4, 0.7 - i / 100) for i in range(1, 40)]
    found = read_log(log(tmp_path / "result.json", rows))
    assert found["epsilon"].tolist() == [i / 1000 for i in range(40)]
    assert np.isinf(found["snr_db"][0])
    assert found["mean_a"][39] == pytest.approx(0.31)


def test_the_extra_first_row_of_one_log_moves_nothing(tmp_path):
    rows = [(100.0, 0.7), ("Infinity", 0.7), (59.7587, 0.69)]
    assert read_log(log(tmp_path / "result.json", rows))["epsilon"].tolist() == [0.0, 0.001]


@pytest.mark.parametrize("text", ['{"SNR": 59.0, "a": 1}', '{"a": 1}', "[1]", '{"SNR": Infinity, "a": "x"}', "{"])
def test_what_is_no_log_is_told_in_one_line(tmp_path, text):
    (tmp_path / "l.json").write_text(text)
    with pytest.raises(DataError) as told:
        read_log(tmp_path / "l.json")
    assert "\n" not in str(told.value)


def test_a_missing_log_is_told(tmp_path):
    with pytest.raises(DataError, match="cannot read the log"):
        read_log(tmp_path / "none.json")
