"""`shiftgauge study weld`: what is wrong is said in one line before anything is trained."""


def test_weights_that_are_not_there_are_named(cli, tmp_path):
    (tmp_path / "images").mkdir()
    found = cli(
        "study", "weld", "--data", tmp_path / "images", "--weights", tmp_path / "no.pth", "--out", tmp_path / "s"
    )
    assert found.code == 2
    assert "no.pth do not exist" in found.err
    assert not (tmp_path / "s").exists()


def test_data_that_are_not_there_are_named(cli, tmp_path):
    found = cli("study", "weld", "--data", tmp_path / "nothing", "--out", tmp_path / "s", "--quick")
    assert found.code == 2
    assert "does not exist" in found.err
    assert not (tmp_path / "s").exists()


def test_a_run_of_another_kind_is_not_overwritten(cli, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "evaluations.db").touch()
    (tmp_path / "images").mkdir()
    found = cli("study", "weld", "--data", tmp_path / "images", "--out", tmp_path / "s")
    assert found.code == 2
    assert "would overwrite" in found.err
