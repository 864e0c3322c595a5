"""Reads CSV and Parquet files as text columns, and finds columns by name."""

from pathlib import Path

import pandas as pd
import pyarrow

from shiftgauge.checks import unknown_name
from shiftgauge.errors import DataError


def read_frame(path: str | Path, *, as_text: bool) -> pd.DataFrame:
    """Reads a table.

    Args:
        path: A `.csv`, `.tsv`, `.txt` (separator found) or `.parquet` file.
        as_text: Read every CSV cell as text, so that `NA`, `007` and `1e3` stay what they are.

    Raises:
        DataError: The file is missing, empty, not UTF-8, or malformed; or a column name occurs twice.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(f"table {file} does not exist")
    try:
        if file.suffix.lower() in (".parquet", ".pq"):
            frame = pd.read_parquet(file)
        else:
            frame = pd.read_csv(
                file,
                sep=_separator(file),
                dtype=str if as_text else None,
                keep_default_na=not as_text,
                encoding="utf-8-sig",
            )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"table {file} is empty") from error
    except (pd.errors.ParserError, UnicodeDecodeError, pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"table {file} cannot be read: {str(error).splitlines()[0]}") from error
    frame.columns = [str(c).strip() for c in frame.columns]
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"table {file} has two columns `{twice[0]}`")
    if frame.empty:
        raise DataError(f"table {file} has no rows")
    return frame


def require_column(frame: pd.DataFrame, column: str, source: str | Path) -> str:
    """Returns the name of a column that is there.

    Raises:
        DataError: It is not; the nearest name is suggested.
    """
    if column not in frame.columns:
        raise DataError(f"{source}: {unknown_name('column', column, [str(c) for c in frame.columns])}")
    return column


def text_column(frame: pd.DataFrame, column: str, source: str | Path) -> list[str]:
    """Returns a column as texts without blanks around them; whole numbers have no decimal point.

    Raises:
        DataError: A cell is empty or NaN; the first such row is named.
    """
    values = frame[require_column(frame, column, source)]
    texts: list[str] = []
    for row, value in enumerate(values.tolist()):
        missing = value is None or value is pd.NA or (isinstance(value, float) and value != value)
        text = "" if missing else str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        if not text.strip():
            raise DataError(f"{source}: row {row + 1} has no value in `{column}`; fill it or remove the row")
        texts.append(text.strip())
    return texts


def _separator(file: Path) -> str:
    if file.suffix.lower() == ".tsv":
        return "\t"
    with file.open(encoding="utf-8-sig", errors="replace") as handle:
        first = handle.readline()
    return max((",", ";", "\t"), key=first.count)
