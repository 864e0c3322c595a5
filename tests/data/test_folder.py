import shutil

import numpy as np
import pytest
from PIL import Image

from shiftgauge.data.folder import read_folder
from shiftgauge.errors import DataError


def test_classes_are_folders_sorted_by_name_and_images_by_path(folder):
    data = read_folder(folder)
    assert data.class_names == ("good", "hole", "scratch")
    assert data.names == (
        *(f"good/{i}.png" for i in range(4)),
        *("hole/0.png", "hole/1.png", "hole/deep/2.png"),
        *("scratch/0.png", "scratch/1.png"),
    )
    assert data.labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2]
    assert data.class_counts == {"good": 4, "hole": 3, "scratch": 2}
    assert data.n_channels == 3
    assert data.skipped == ()


def test_load_gives_the_pixels_of_the_named_file(folder):
    data = read_folder(folder)
    for i in (0, 6, 8):
        wanted = np.asarray(Image.open(folder / data.names[i])).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(data.load(i), wanted, atol=1e-6)


def test_fingerprint_does_not_depend_on_where_the_folder_lies(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere" / "copy")
    base = read_folder(folder).fingerprint
    assert read_folder(tmp_path / "elsewhere" / "copy").fingerprint == base
    (folder / "good" / "0.png").write_bytes((folder / "good" / "1.png").read_bytes())
    assert read_folder(folder).fingerprint != base


def test_moving_an_image_to_another_class_changes_the_fingerprint(folder):
    base = read_folder(folder).fingerprint
    (folder / "good" / "3.png").rename(folder / "scratch" / "3.png")
    assert read_folder(folder).fingerprint != base


def test_mixed_channels_are_said(folder):
    Image.new("L", (4, 4)).save(folder / "good" / "grey.png")
    assert read_folder(folder).n_channels is None


def damage(folder):
    (folder / "good" / "notes.txt").write_text("no image")
    content = (folder / "hole" / "0.png").read_bytes()
    (folder / "hole" / "0.png").write_bytes(content[: len(content) // 2])
    (folder / "scratch" / "empty.jpg").write_bytes(b"")


def test_unreadable_files_are_an_error_that_names_them(folder):
    damage(folder)
    with pytest.raises(DataError, match=r"3 of 11 images cannot be read: good/notes\.txt") as caught:
        read_folder(folder)
    text = str(caught.value)
    assert "hole/0.png (damaged image" in text
    assert "scratch/empty.jpg (the file is empty)" in text
    assert "skip_unreadable" in text
    assert "\n" not in text


def test_unreadable_files_are_counted_when_skipped(folder):
    damage(folder)
    data = read_folder(folder, skip_unreadable=True)
    assert len(data) == 8
    assert [name for name, _ in data.skipped] == ["good/notes.txt", "hole/0.png", "scratch/empty.jpg"]
    assert data.select([0]).skipped == data.skipped


def test_folder_of_damaged_images_alone_is_an_error(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"x")
    with pytest.raises(DataError, match="no readable image"):
        read_folder(tmp_path, skip_unreadable=True)


def test_image_changed_after_reading_is_noticed(folder):
    data = read_folder(folder)
    Image.new("RGB", (9, 6)).save(folder / "good" / "0.png")
    with pytest.raises(DataError, match=r"0\.png has changed"):
        data.load(0)
    (folder / "good" / "1.png").unlink()
    with pytest.raises(DataError, match=r"1\.png cannot be read"):
        data.load(1)


def test_missing_empty_and_flat_folders_are_told_apart(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_folder(tmp_path / "no")
    with pytest.raises(DataError, match="is empty; expected one sub-folder"):
        read_folder(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="class folder .*a holds no images".replace(" .*", " .*")):
        read_folder(tmp_path)
    Image.new("L", (2, 2)).save(tmp_path / "loose.png")
    with pytest.raises(DataError, match=r"1 image\(s\) outside a class folder, e.g. loose.png"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        read_folder(tmp_path / "loose.png")


def test_folder_of_splits_is_not_taken_for_classes(folder, tmp_path):
    for split in ("train", "test"):
        shutil.copytree(folder, tmp_path / "both" / split)
    with pytest.raises(DataError, match=r"holds splits \(test, train\), not classes; give .*train instead"):
        read_folder(tmp_path / "both")


def test_limit_opens_only_the_chosen_files(folder):
    data = read_folder(folder, limit=3, seed=1)
    assert sorted(data.labels.tolist()) == [0, 1, 2]
    assert data.fingerprint == read_folder(folder).limit(3, seed=1).fingerprint
    chosen = set(data.names)
    for path in folder.rglob("*.png"):
        if path.relative_to(folder).as_posix() not in chosen:
            path.write_bytes(b"damaged")
    assert read_folder(folder, limit=3, seed=1).names == data.names


def test_bad_limit_and_background_are_refused(folder):
    with pytest.raises(DataError, match="`limit` must be a whole number ≥ 1"):
        read_folder(folder, limit=0)
    with pytest.raises(DataError, match="`background`"):
        read_folder(folder, background=2.0)


def test_an_image_in_several_class_folders_has_all_their_labels(tmp_path, pixels):
    for name, shifts in {"good": [0], "hole": [1, 2], "scratch": [2, 3]}.items():
        (tmp_path / name).mkdir()
        for k in shifts:
            Image.fromarray(np.roll(pixels, k)).save(tmp_path / name / f"{k}.png")
    data = read_folder(tmp_path, task="multi", no_defect="good")
    assert data.names == ("good/0.png", "hole/1.png", "hole/2.png", "scratch/3.png")
    assert data.label_matrix.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert data.notes == ("1 image(s) lie in the data more than once; their labels were joined",)
    assert len(read_folder(tmp_path)) == 5
    (tmp_path / "hole" / "0.png").write_bytes((tmp_path / "good" / "0.png").read_bytes())
    with pytest.raises(DataError, match=r"labelled `good` and a defect as well: `good/0\.png`"):
        read_folder(tmp_path, task="multi", no_defect="good")


def test_a_limit_acts_on_images_with_all_their_labels(tmp_path, pixels):
    for name, shifts in {"good": range(6), "hole": range(6, 12), "scratch": range(6, 12)}.items():
        (tmp_path / name).mkdir()
        for k in shifts:
            Image.fromarray(np.roll(pixels, k)).save(tmp_path / name / f"{k}.png")
    data = read_folder(tmp_path, task="multi", limit=4)
    assert sorted(data.label_matrix.tolist()) == [[0, 1, 1]] * 2 + [[1, 0, 0]] * 2
    (tmp_path / "hole" / "copy.png").write_bytes((tmp_path / "good" / "0.png").read_bytes())
    with pytest.raises(DataError, match="labelled `good` and a defect as well"):
        read_folder(tmp_path, task="multi", no_defect="good", limit=2)


def test_the_group_can_be_read_from_the_path(folder):
    assert read_folder(folder, group_pattern=r"(\d)\.png").groups == tuple("012301201")
    with pytest.raises(DataError, match=r"no group for 8 of 9 images, the first is `good/0\.png`"):
        read_folder(folder, group_pattern="/(deep)/")


def test_options_of_several_labels_are_refused_where_they_do_nothing(folder):
    with pytest.raises(DataError, match="belongs to task `multi`"):
        read_folder(folder, no_defect="good")
    with pytest.raises(DataError, match="unknown task `several`"):
        read_folder(folder, task="several")
