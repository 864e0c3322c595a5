from __future__ import annotations

import os
import signal
import subprocess
import sys

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


def test_a_mistake_in_the_program_is_one_line_and_no_code_of_a_gate(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, exit_codes(debug=False):
        _ = 1 / 0
    assert caught.value.exit_code == 70
    err = capsys.readouterr().err
    assert err.startswith("error: unexpected ZeroDivisionError: division by zero; run with --debug")
    assert err.count("\n") == 1


def test_debug_shows_the_traceback_of_a_mistake_in_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exit_codes(debug=True):
        _ = 1 / 0
    assert capsys.readouterr().err.startswith("Traceback")


def test_the_code_of_the_ending_is_the_exit_code() -> None:
    with pytest.raises(typer.Exit) as caught, exit_codes(debug=False) as ending:
        ending.code = 1
    assert caught.value.exit_code == 1


@pytest.mark.skipif(os.name != "posix", reason="a pipe closed by its reader is seen at once on POSIX only")
@pytest.mark.parametrize("code", [0, 1])
def test_a_reader_that_has_gone_leaves_the_code_as_it_is(code: int) -> None:
    script = f"""
import typer
from shiftgauge.cli.exits import exit_codes

def main() -> None:
    with exit_codes(debug=False) as ending:
        ending.code = {code}
        for _ in range(10_000):
            typer.echo("a line of the summary")

typer.run(main)
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == code
