"""The public face: names that exist, an import that pulls in nothing heavy."""

import inspect
import pydoc
import subprocess
import sys

import pytest

import shiftgauge


@pytest.mark.parametrize("name", shiftgauge.__all__)
def test_every_public_name_resolves(name):
    assert getattr(shiftgauge, name) is not None
    assert name in dir(shiftgauge)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'audti'"):
        _ = shiftgauge.audti  # type: ignore[attr-defined]


def test_importing_the_package_and_the_estimators_does_not_import_torch():
    code = (
        "import sys, shiftgauge, shiftgauge.space, shiftgauge.results.audit, shiftgauge.estimate.analysis, "
        "shiftgauge.report.page, shiftgauge.shifts.catalog\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_help_and_signature_of_a_training_are_those_of_the_function():
    assert callable(shiftgauge.train)
    assert list(inspect.signature(shiftgauge.train).parameters)[:3] == ["model", "data", "out"]
    shown = pydoc.render_doc(shiftgauge.train, renderer=pydoc.plaintext)
    assert "Trains a classifier and measures it on images" in shown
    assert "        model,\n        data,\n        *,\n        out,\n        classes=None," in shown
    assert "Everything about the training itself" in shown


def test_help_and_signature_of_attacks_are_those_of_the_function():
    assert callable(shiftgauge.attack)
    assert list(inspect.signature(shiftgauge.attack).parameters)[:3] == ["models", "data", "out"]
    assert "Attacks classifiers" in pydoc.render_doc(shiftgauge.attack, renderer=pydoc.plaintext)


def test_help_and_signature_of_a_look_inside_are_those_of_the_function():
    assert callable(shiftgauge.explain)
    assert list(inspect.signature(shiftgauge.explain).parameters)[:3] == ["model", "data", "out"]
    assert "Looks inside a trained network" in pydoc.render_doc(shiftgauge.explain, renderer=pydoc.plaintext)
