"""What a command leaves behind for a shell: one line on standard error and an exit code.

| code | meaning |
|---|---|
| 0 | done, every gate kept |
| 1 | done, a gate was missed |
| 2 | bad input: nothing was run |
| 3 | interrupted; the same command goes on from there |
| 70 | a mistake in shiftgauge itself or in a library; `--debug` shows the traceback |
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Annotated, Any, Final

import typer

from shiftgauge.errors import InterruptedRunError, ShiftgaugeError

GATE_MISSED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 3
UNEXPECTED: Final = 70
"""EX_SOFTWARE of sysexits.h: far from the codes that a build decides on."""

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary; errors are still shown.")]


@dataclass
class Ending:
    """How a command ends once it has nothing more to say.

    Args:
        code: The exit code, also when the reader of its output has gone before the end.
    """

    code: int = 0


@contextmanager
def exit_codes(*, debug: bool) -> Iterator[Ending]:
    """Turns errors, Ctrl-C and SIGTERM into one line and an exit code.

    Args:
        debug: Show the traceback before the line.

    Yields:
        The ending, whose code the command sets.

    Raises:
        typer.Exit: With code 2 for bad input, 3 for an interrupted run, 70 for an error that nobody foresaw, else
            the code of the ending where it is not 0.
    """
    previous, ending = _listen(), Ending()
    try:
        yield ending
    except typer.Exit:
        raise
    except InterruptedRunError as error:
        raise _exit(INTERRUPTED, "stopped", error, debug) from error
    except KeyboardInterrupt as error:
        text = "interrupted; the same command goes on from what is finished"
        raise _exit(INTERRUPTED, "stopped", text, debug) from error
    except BrokenPipeError:
        _mute()  # the reader of a pipe has gone; there is nobody to tell
    except ShiftgaugeError as error:
        raise _exit(BAD_INPUT, "error", error, debug) from error
    except Exception as error:
        text = f"unexpected {type(error).__name__}: {error}; run with --debug for the traceback, and report it"
        raise _exit(UNEXPECTED, "error", text, debug) from error
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)
    if ending.code:
        raise typer.Exit(ending.code)


def _mute() -> None:
    """Sends what is still to be written nowhere, so that the last flush cannot fail and change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _listen() -> Any:
    """Makes SIGTERM arrive as Ctrl-C does; returns the handler to put back, None outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, _interrupt) or signal.SIG_DFL


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _exit(code: int, kind: str, message: object, debug: bool) -> typer.Exit:
    """Tells the message on one line and returns what ends the command."""
    if debug:
        traceback.print_exc()
    line = " ".join(str(message).split())
    typer.echo(f"{kind}: {''.join(c if c.isprintable() else '?' for c in line)}", err=True)
    return typer.Exit(code)
