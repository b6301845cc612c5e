"""Parquet, for data frames: typed columns, compressed, read by pandas, Polars, DuckDB and Spark. Needs pyarrow."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from realtime_ser.errors import ConfigError, SinkError
from realtime_ser.records import Estimate, Record, Session
from realtime_ser.sinks.csv_file import Cell, window_columns, window_row
from realtime_ser.sinks.files import WholeFile, sink_error
from realtime_ser.sinks.json_records import to_json
from realtime_ser.text import one_line, printable, to_install, valid

_ROWS = 8192


def check_pyarrow() -> None:
    """See that pyarrow is there.

    Raises
    ------
    ConfigError : it is not; the message has the command that installs it
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"Parquet needs pyarrow, which is not installed; {to_install('formats')}") from error


class ParquetTable:
    """Rows into a Parquet file that appears when it is closed, whole or not at all; memory holds a few thousand rows.

    Parameters
    ----------
    path : the file, readable by its owner alone; or one that was opened already
    columns : (name, type) with float, int or str; every cell may be None
    metadata : texts kept in the file's schema

    Raises
    ------
    ConfigError : pyarrow is not installed
    SinkError : nothing can be written there
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | WholeFile,
        columns: Sequence[tuple[str, type]],
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        check_pyarrow()
        import pyarrow
        import pyarrow.parquet

        kinds = {float: pyarrow.float64(), int: pyarrow.int64(), str: pyarrow.string()}
        self._arrow: Any = pyarrow
        self._file = path if isinstance(path, WholeFile) else WholeFile(path)
        self.path = self._file.named
        names = [valid(name) for name, _ in columns]
        self._schema = pyarrow.schema(
            [(name, kinds[kind]) for name, (_, kind) in zip(names, columns, strict=True)],
            metadata={valid(key): valid(value) for key, value in (metadata or {}).items()},
        )
        self._rows: list[Sequence[Cell]] = []
        self._stream: Any = os.fdopen(self._file.open(), "wb", closefd=False)
        try:
            self._writer: Any = pyarrow.parquet.ParquetWriter(self._stream, self._schema)
        except (OSError, pyarrow.ArrowException) as error:
            raise self._failed(error) from error

    def add(self, row: Sequence[Cell]) -> None:
        """Append a row, a cell for each column.

        Raises
        ------
        SinkError : full disk; nothing is left of the file
        """
        self._rows.append([valid(cell) if isinstance(cell, str) else cell for cell in row])
        if len(self._rows) >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Write the rest and put the file in its place.

        Raises
        ------
        SinkError : full disk; nothing is left of the file
        """
        if self._writer is None:
            return
        self._flush()
        try:
            writer, self._writer = self._writer, None
            writer.close()
            self._stream.flush()
        except (OSError, self._arrow.ArrowException) as error:
            raise self._failed(error) from error
        self._file.commit()

    def discard(self) -> None:
        """Leave nothing behind."""
        self._writer = None
        self._file.discard()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = [list(cells) for cells in zip(*self._rows, strict=True)]
        self._rows = []
        try:
            arrays = [self._arrow.array(cells, field.type) for cells, field in zip(columns, self._schema, strict=True)]
            self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        except (OSError, self._arrow.ArrowException) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> SinkError:
        self.discard()
        if isinstance(error, BrokenPipeError):
            return SinkError(f"the reader of {printable(self.path)} closed it", closed_by_reader=True)
        if isinstance(error, OSError) and error.errno is not None:
            return sink_error(self.path, error)
        return SinkError(f"cannot write {printable(self.path)}: {one_line(error, 200)}; check the disk and the path")


class ParquetSink:
    """The windows of all streams as one table, with the columns of the CSV. The session is in the schema's metadata, as JSON.

    Parameters
    ----------
    path : the file, readable by its owner alone

    Raises
    ------
    ConfigError : pyarrow is not installed
    SinkError : nothing can be written there
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        check_pyarrow()
        self.name = f"parquet {printable(os.fspath(path))}"
        self._file = WholeFile(path)
        self._table: ParquetTable | None = None
        self._labels: tuple[str, ...] | None = None
        self._source = ""
        self._closed = False

    def write(self, record: Record) -> None:
        """Add a window.

        Raises
        ------
        SinkError : full disk, or a second stream with other labels than the first
        """
        if isinstance(record, Session):
            self._begin(record)
        elif isinstance(record, Estimate) and self._table is not None and self._labels is not None:
            self._table.add(window_row(record, len(self._labels), self._source))

    def close(self) -> None:
        """Put the file in its place. A run that never began writes nothing.

        Raises
        ------
        SinkError : full disk
        """
        table, self._table = self._table, None
        self._closed = True
        if table is not None:
            table.close()
        elif self._labels is None:
            self._file.discard()

    def _begin(self, session: Session) -> None:
        self._source = session.source
        if self._labels is None and not self._closed:
            self._labels = session.labels
            columns = window_columns(session.labels, channels=session.channel is not None)
            metadata = {"realtime_ser": json.dumps(to_json(replace(session, channel=None)), allow_nan=False)}
            self._table = ParquetTable(self._file, columns, metadata)
        elif self._labels != session.labels:
            raise SinkError(f"cannot write {self.name}: the model's labels changed; write a file per model")
