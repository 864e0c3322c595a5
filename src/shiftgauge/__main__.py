"""`python -m shiftgauge`: the same as the command `shiftgauge`."""

from shiftgauge.cli.main import run

if __name__ == "__main__":
    run()
