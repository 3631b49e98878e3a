"""Tables that other libraries take over without a copy."""

from __future__ import annotations

from typing import Any, NoReturn

from ser_rs import _ser


class Table:
    """A table that pyarrow, pandas, polars and DuckDB take by the Arrow C stream interface.

    Attributes:
        column_names: the names of the columns.
        excluded: recordings without a row: (file, kind, reason).
        positions: for each row the position of its recording among those that were given (of
            folders and manifests, among all that they hold), from 0. Rows and recordings are paired
            by it wherever recordings were excluded or cut into windows.
    """

    def __init__(self, native: _ser.Table, positions: list[int] | None = None, index: Any | None = None) -> None:
        self._native = native
        self._index = index
        self.column_names: list[str] = native.column_names
        self.excluded: list[tuple[str, str, str]] = native.excluded
        self.positions: list[int] = list(range(len(native))) if positions is None else positions

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._native.__arrow_c_stream__(requested_schema)

    def to_pandas(self) -> Any:
        """The table as a pandas.DataFrame (needs pandas and pyarrow).

        Where recordings came in a data frame or series of pandas, each row has the label of its
        recording as index, also where others were excluded, so that `frame.join(...)` pairs them.
        """
        import pyarrow

        frame = pyarrow.table(self._native).to_pandas()
        if self._index is not None:
            frame.index = self._index.take(self.positions)
        return frame

    def __len__(self) -> int:
        return len(self._native)

    def __repr__(self) -> str:
        return f"<ser_rs.Table of {len(self)} rows and {len(self.column_names)} columns>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a ser_rs.Table cannot be pickled: send table.to_pandas() or pyarrow.table(table)")
