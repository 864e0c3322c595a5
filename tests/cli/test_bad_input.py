"""Every kind of bad input: one line that says what, where and what to do, exit 2, and nothing written."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


def _files(folder: Path) -> set[Path]:
    return {p for p in folder.rglob("*") if "__pycache__" not in p.parts}


@pytest.fixture
def refused(cli, project) -> Callable[..., str]:
    """Writes the configuration, runs the audit, and returns the error line; nothing may have been written."""

    def run(*arguments: str, text: str | None = None) -> str:
        path = project.write(text)
        before = _files(project.folder)
        error = cli("audit", path, "--quiet", *arguments).error
        assert _files(project.folder) == before
        return error

    return run


def _nested(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(values: dict[str, Any]) -> None:
        *outer, last = path.split("/")
        for key in outer:
            values = values[key]
        values[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_nested("shifts/parameters", {"rotatoin": [-5, 5]}), "unknown shift `rotatoin`; did you mean `rotation`?"),
        (_nested("shifts/parameters", {"brightness": [-0.2, 1]}), "`brightness` must be in [0, 10], got -0.2"),
        (_nested("shifts/parameters", {"rotation": [5, -5]}), "limits of uniform are inverted, low 5 > high -5"),
        (_nested("shifts/parameters", {"rotation": [5, 5]}), "it has zero variance"),
        (_nested("shifts/parameters", {"rotation": 5}), "nothing varies"),
        (_nested("shifts/parameters", {"rotation": {"distribution": "unifrm"}}), "did you mean `uniform`?"),
        (_nested("shifts/parameters", {"rotation": {"low": 0}}), "uniform needs high"),
        (_nested("shifts/parameters", {"hue": [-5, 5]}), "channels"),
        (_nested("shifts/parameters", {"motion_blur_angle": [0, 9]}), "only qualifies `motion_blur`"),
        (_nested("shifts/preset", "wled"), "unknown preset `wled`; did you mean `weld`?"),
        (_nested("shifts/order", ["rotation"]), "`order` must name each of"),
        (_nested("estimate/n_base", 7), "must be ≥ 8, got 7"),
        (_nested("estimate/quantity", "probabilty"), "did you mean `probability`?"),
        (_nested("estimate/classes", ["drak"]), "did you mean `dark`?"),
        (_nested("estimate/images", ["dark/dark0.jpg"]), "did you mean `dark/dark0.png`?"),
        (_nested("gates", {"max_total_order": {"rotatoin": 0.5}}), "did you mean `rotation`?"),
        (_nested("data/folder", "imgs"), "imgs does not exist"),
        (_nested("data/labels", {"dark": "brigt"}), "did you mean `bright`?"),
        (_nested("data/labels", {"drak": "dark"}), "did you mean `dark`?"),
        (_nested("model/classes", ["dark", "light"]), "`bright`"),
        (_nested("model/classes", ["dark", "bright", "third"]), "2 outputs but `classes` has 3 names"),
        (_nested("model/factory", "no_such_module:build"), "module `no_such_module` of the factory cannot be imported"),
        (_nested("model/weights", "nowhere.safetensors"), "nowhere.safetensors"),
        (_nested("execution/device", "gpu"), "gpu"),
    ],
)
def test_a_mistake_in_the_configuration(refused, project, change, message: str) -> None:
    change(project.values)
    assert message in refused()


def test_a_missing_configuration(cli, tmp_path: Path) -> None:
    assert "no configuration at" in cli("audit", tmp_path / "nowhere.yaml").error
    assert list(tmp_path.iterdir()) == []


def test_malformed_yaml_has_line_and_column(refused) -> None:
    assert "audit.yaml:2:" in refused(text="model: [\ndata: {")


def test_an_unknown_key_has_its_line_and_the_nearest_name(refused) -> None:
    text = "model: {demo: true}\ndata: {demo: true}\nshifts: {preset: weld}\nestimate:\n  n_bse: 64\n"
    assert "audit.yaml:5: unknown key `estimate.n_bse`; did you mean `n_base`?" in refused(text=text)


def test_a_shift_out_of_range_has_its_line(refused, project) -> None:
    text = project.path.read_text().replace("- 1.5", "- 15")
    line = next(i for i, row in enumerate(text.splitlines(), 1) if "brightness" in row)
    assert f"audit.yaml:{line}: `brightness` must be in [0, 10], got 15" in refused(text=text)


def test_an_empty_class_folder(refused, project) -> None:
    (project.folder / "images" / "empty").mkdir()
    assert "empty" in refused()


def test_a_truncated_image_is_named(refused, project) -> None:
    victim = project.folder / "images" / "dark" / "dark1.png"
    victim.write_bytes(victim.read_bytes()[:60])
    assert "dark/dark1.png" in refused()


def test_a_file_that_is_no_image_is_named(refused, project) -> None:
    (project.folder / "images" / "dark" / "dark9.png").write_text("no picture")
    assert "dark/dark9.png" in refused()


def test_images_of_the_wrong_size_without_resizing(refused, project) -> None:
    project.values["model"]["preprocessing"] = {"size": 20, "channels": 1, "resize": "none"}
    assert "takes images of 20×20 pixels, got 16×16" in refused()


def test_images_with_the_wrong_number_of_channels(refused, project) -> None:
    Image.new("RGB", (16, 16)).save(project.folder / "images" / "dark" / "colour.png")
    assert "1 channel(s), got 3" in refused()


def test_a_pickled_model_is_refused_and_not_opened(refused, project) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(project.folder / "trapped"),)

    (project.folder / "model.pkl").write_bytes(pickle.dumps(Trap()))
    for model in ({"sklearn": "model.pkl"}, {"factory": project.values["model"]["factory"], "weights": "model.pkl"}):
        project.values["model"] = {**model, "classes": ["dark", "bright"], "preprocessing": {"size": 16, "channels": 1}}
        assert "trust" in refused()
    assert not (project.folder / "trapped").exists()


def test_nan_outputs_name_the_sample_that_caused_them(refused, project) -> None:
    module = project.values["model"]["factory"].partition(":")[0]
    project.values["model"]["factory"] = f"{module}:broken"
    error = refused()
    assert "NaN" in error
    assert "png" in error


@pytest.mark.parametrize("name", ["zero", "attribute", "import", "assertion", "name", "stop"])
def test_whatever_a_factory_raises_is_one_line(refused, project, name: str) -> None:
    module = project.values["model"]["factory"].partition(":")[0]
    project.values["model"] |= {"factory": f"{module}:raising", "arguments": {"name": name}}
    assert f"factory `{module}:raising` fails: of the factory" in refused()


def test_a_factory_that_ends_the_program_is_one_line(refused, project) -> None:
    module = project.values["model"]["factory"].partition(":")[0]
    project.values["model"]["factory"] = f"{module}:leaving"
    assert "ends the program with exit(5)" in refused()


@pytest.mark.parametrize(
    ("line", "message"),
    [("1 / 0", "division by zero"), ("raise SystemExit(5)", "exit(5)"), ("import no_such_part", "no_such_part")],
)
def test_whatever_the_module_of_a_factory_raises_is_one_line(refused, project, line: str, message: str) -> None:
    module = f"{project.values['model']['factory'].partition(':')[0]}_broken"
    (project.folder / f"{module}.py").write_text(line)
    project.values["model"]["factory"] = f"{module}:build"
    error = refused()
    assert f"module `{module}` of the factory cannot be imported" in error
    assert message in error


@pytest.mark.parametrize("name", ["zero", "assertion", "import", "exit"])
def test_whatever_a_forward_pass_raises_is_one_line(refused, project, name: str) -> None:
    module = project.values["model"]["factory"].partition(":")[0]
    project.values["model"] |= {"factory": f"{module}:failing", "arguments": {"name": name}}
    assert "the model fails on images of the shape" in refused()


def test_a_constant_output_is_said_not_shown_as_nan(cli, project) -> None:
    module = project.values["model"]["factory"].partition(":")[0]
    project.values["model"]["factory"] = f"{module}:constant"
    project.values["data"]["labels"] = {"bright": "dark"}
    project.values["data"]["labels"]["dark"] = "dark"
    project.write()
    found = cli("audit", project.path)
    assert found.code == 0
    assert "undefined" in found.out
    assert "nan" not in found.out.lower()


def test_a_model_that_needs_a_missing_extra_names_it(refused, project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (project.folder / "net.onnx").write_bytes(b"x")
    project.values["model"] = {"onnx": "net.onnx", "classes": ["dark", "bright"]}
    assert "pip install 'shiftgauge[onnx]'" in refused()


def test_an_output_folder_below_a_file(refused, project) -> None:
    (project.folder / "taken").write_text("a file")
    assert "taken" in refused("--out", str(project.folder / "taken" / "run"))


@pytest.mark.skipif(os.name != "posix", reason="folder permissions are those of POSIX")
def test_a_read_only_output_folder(project) -> None:
    if os.geteuid() == 0 and not Path("/usr/bin/setpriv").exists():
        pytest.skip("root writes everywhere, and setpriv is not there to become somebody else")
    locked = project.folder / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    command = [sys.executable, "-m", "shiftgauge.cli.main", "audit", str(project.path), "--out", str(locked / "run")]
    if os.geteuid() == 0:
        # root without the capability to override permissions
        command = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override", *command]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    locked.chmod(0o755)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "locked/run" in done.stderr
    assert list(locked.iterdir()) == []


def test_a_run_folder_of_another_question_is_refused_with_what_differs(cli, project) -> None:
    assert cli("audit", project.path, "--quiet").code == 0
    before = {p: p.read_bytes() for p in (project.folder / "run").rglob("*") if p.is_file() and p.suffix != ".db"}
    error = cli("audit", project.path, "--quiet", "--set", "shifts.parameters.rotation=[-3, 3]").error
    assert "rotation" in error
    assert {p: p.read_bytes() for p in before} == before


def test_resume_insists_on_a_run_to_go_on_with(refused) -> None:
    assert "holds no run to go on with" in refused("--resume")


def test_a_report_of_what_is_no_run(cli, project) -> None:
    assert "holds no finished audit" in cli("report", project.folder).error
    (project.folder / "run.json").write_text("{")
    (project.folder / "results.nc").write_bytes(np.zeros(10).tobytes())
    assert "cannot be read as a run folder" in cli("report", project.folder).error


def test_debug_shows_the_traceback(cli, tmp_path: Path) -> None:
    found = cli("audit", tmp_path / "nowhere.yaml", "--debug")
    assert found.code == 2
    assert "Traceback" in found.err
    assert found.err.strip().splitlines()[-1].startswith("error: no configuration")
