from __future__ import annotations

import os
import signal

import pytest
import typer

from shiftgauge.cli.exits import exit_codes
from shiftgauge.errors import DataError, InterruptedRunError


def test_an_error_becomes_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, exit_codes(debug=False):
        raise DataError("two\nlines")
    assert caught.value.exit_code == 2
    assert capsys.readouterr().err == "error: two lines\n"


def test_a_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exit_codes(debug=False):
        raise DataError("image \x1b[2Jgone\x07.png")
    assert capsys.readouterr().err == "error: image ?[2Jgone?.png\n"


def test_debug_shows_the_traceback_before_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exit_codes(debug=True):
        raise DataError("wrong")
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("error: wrong\n")


@pytest.mark.parametrize("error", [InterruptedRunError("stopped after 3"), KeyboardInterrupt()])
def test_an_interruption_is_code_3_and_says_how_to_go_on(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught, exit_codes(debug=False):
        raise error
    assert caught.value.exit_code == 3
    assert capsys.readouterr().err.startswith("stopped: ")


def test_sigterm_interrupts_like_ctrl_c_and_the_old_handler_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(typer.Exit) as caught, exit_codes(debug=False):
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.exit_code == 3
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_mistake_in_the_program_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), exit_codes(debug=False):
        _ = 1 / 0
