"""A row a recording, as CSV, JSON Lines or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO

from realtime_ser.batch.result import Row
from realtime_ser.errors import ConfigError
from realtime_ser.sinks.text import plain
from realtime_ser.text import printable, valid

Writer = Callable[[BinaryIO, Iterable[Row], Sequence[str]], None]

_TEXT = {"path", "label", "model", "model_sha256", "error"}
_BATCH = 10_000  # rows of a Parquet row group


def csv_line(cells: Sequence[Any]) -> str:
    """One line of CSV without its end: no cell can break the line, drive a terminal or be taken for a formula."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([_safe(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue()


def json_line(row: Row) -> str:
    """One JSON object, pure ASCII, so that a path is exact whatever characters it has."""
    return json.dumps(plain(row), allow_nan=False, separators=(",", ":"))


def write_csv(file: BinaryIO, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Write a header and the rows."""
    file.write(csv_line([*columns]).encode() + b"\n")
    for row in rows:
        file.write(csv_line([row[column] for column in columns]).encode() + b"\n")


def write_jsonl(file: BinaryIO, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Write an object a line, with all columns."""
    for row in rows:
        file.write(json_line({column: row[column] for column in columns}).encode() + b"\n")


def write_parquet(file: BinaryIO, rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Write strings and doubles, null where there is none."""
    arrow = parquet_library()
    import pyarrow.parquet

    schema = arrow.schema([(valid(column), arrow.string() if column in _TEXT else arrow.float64()) for column in columns])
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        batch: list[Row] = []
        for row in rows:
            batch.append({valid(key): valid(value) if isinstance(value, str) else value for key, value in row.items()})
            if len(batch) == _BATCH:
                writer.write_table(arrow.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(arrow.Table.from_pylist(batch, schema))


def parquet_library() -> Any:
    """pyarrow; raises ConfigError where it is not installed."""
    try:
        import pyarrow
    except ImportError as error:
        raise ConfigError("a Parquet file needs pyarrow: pip install 'realtime-ser[parquet]', or write .csv") from error
    return pyarrow


WRITERS: dict[str, Writer] = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


def _safe(text: str) -> str:
    text = printable(text)
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@", "＝", "＋", "－", "＠") and text else text
