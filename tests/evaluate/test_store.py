"""The evaluation store: what is committed stays, what does not fit is refused with a sentence."""

import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from shiftgauge.errors import StoreError
from shiftgauge.evaluate.store import FILE_NAME, Origin, Store

ORIGINS = {"model": Origin(hash="m1", summary="resnet18"), "seed": Origin(hash="s0", summary="0")}


def test_chunks_come_back_bit_for_bit_after_reopening(tmp_path):
    values = np.random.default_rng(0).standard_normal((7, 3))
    with Store(tmp_path, ORIGINS) as store:
        store.put("design", 4, values)
        store.set_note("plan", {"batch": 3})
    with Store(tmp_path, ORIGINS) as store:
        found = store.get("design", 4, 7)
        assert found is not None
        assert found.tobytes() == values.tobytes()
        assert store.get("design", 4, 6).tobytes() == values[:6].tobytes()
        assert store.get("design", 4, 9).tobytes() == values.tobytes()
        assert store.get("clean", 4, 7) is None
        assert store.count("design") == 1
        assert store.note("plan") == {"batch": 3}


def test_another_origin_is_refused_and_named(tmp_path):
    Store(tmp_path, ORIGINS).close()
    other = ORIGINS | {"model": Origin(hash="m2", summary="vgg16")}
    with pytest.raises(StoreError, match=r"another model \(there: resnet18; now: vgg16\)"):
        Store(tmp_path, other)
    silent = ORIGINS | {"seed": Origin(hash="s9", summary="0")}
    with pytest.raises(StoreError, match="its content has changed"):
        Store(tmp_path, silent)
    Store(tmp_path, ORIGINS).close()


def test_a_folder_in_use_by_another_process_is_refused(tmp_path):
    code = (
        "import sys, shiftgauge.evaluate.store as s\n"
        "try: s.Store(sys.argv[1], {})\n"
        "except s.StoreError as e: print(e); sys.exit(7)"
    )
    with Store(tmp_path, {}):
        run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert run.returncode == 7
    assert "in use by another process" in run.stdout


def test_a_full_disk_keeps_what_is_there(tmp_path):
    with Store(tmp_path, {}) as store:
        store.put("design", 0, np.ones((4, 2)))
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="disk is full"):
            store.put("design", 1, np.ones((5000, 2)))
    with Store(tmp_path, {}) as store:
        assert store.count("design") == 1
        np.testing.assert_array_equal(store.get("design", 0, 4), np.ones((4, 2)))
        store.put("design", 1, np.ones((5000, 2)))


def test_a_damaged_chunk_is_noticed(tmp_path):
    with Store(tmp_path, {}) as store:
        store.put("design", 0, np.ones((4, 2)))
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("UPDATE chunks SET data = zeroblob(64)")
    connection.commit()
    connection.close()
    with Store(tmp_path, {}) as store, pytest.raises(StoreError, match="damaged at chunk 0"):
        store.get("design", 0, 4)


def test_a_file_that_is_no_store_is_refused(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="not an evaluation store"):
        Store(tmp_path, {})


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="run folder"):
        Store(tmp_path / "file" / "run", {})
