"""What a command leaves behind for a shell: one line on standard error and an exit code.

| code | meaning |
|---|---|
| 0 | done, every gate kept |
| 1 | done, a gate was missed |
| 2 | bad input: nothing was run |
| 3 | interrupted; the same command goes on from there |
"""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any, Final

import typer

from shiftgauge.errors import InterruptedRunError, ShiftgaugeError

GATE_MISSED: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 3

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary; errors are still shown.")]


@contextmanager
def exit_codes(*, debug: bool) -> Iterator[None]:
    """Turns the errors of shiftgauge, Ctrl-C and SIGTERM into one line and an exit code.

    Args:
        debug: Show the traceback before the line.

    Raises:
        typer.Exit: With code 2 for bad input, 3 for an interrupted run.
    """
    previous = _listen()
    try:
        yield
    except InterruptedRunError as error:
        _tell("stopped", error, debug)
        raise typer.Exit(INTERRUPTED) from error
    except KeyboardInterrupt as error:
        _tell("stopped", "interrupted; the same command goes on from what is finished", debug)
        raise typer.Exit(INTERRUPTED) from error
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has gone; there is nobody to tell
        raise typer.Exit(0) from None
    except ShiftgaugeError as error:
        _tell("error", error, debug)
        raise typer.Exit(BAD_INPUT) from error
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def _listen() -> Any:
    """Makes SIGTERM arrive as Ctrl-C does; returns the handler to put back, None outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, _interrupt) or signal.SIG_DFL


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _tell(kind: str, message: object, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    line = " ".join(str(message).split())
    typer.echo(f"{kind}: {''.join(c if c.isprintable() else '?' for c in line)}", err=True)
