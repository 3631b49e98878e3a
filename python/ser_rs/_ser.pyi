import os
from collections.abc import Sequence

_Path = str | os.PathLike[str]
_Clip = tuple[_Path, bytes | None, str | None, float | None, float | None]
_Messages = list[tuple[bool, str]]

class Table:
    """A table that pyarrow, pandas, polars and DuckDB take by the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
    @property
    def column_names(self) -> list[str]:
        """The names of the columns."""
    @property
    def excluded(self) -> list[tuple[str, str, str]]:
        """Recordings without a row: (file, kind, reason)."""
    def __len__(self) -> int: ...

class Model:
    def __init__(self, folder: _Path, encoder: _Path | None, features: _Path | None) -> None: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def folders(self) -> list[str]: ...
    @property
    def needs_speaker(self) -> bool: ...
    def predict(
        self,
        recordings: Sequence[_Path | _Clip],
        windows: tuple[float, float | None] | None,
        one_speaker: bool,
        root: _Path | None,
        skip: bool,
        threads: int | None,
    ) -> tuple[Table, list[int], _Messages]: ...

def features(
    recordings: Sequence[_Path | _Clip],
    set: str,
    encoder: _Path | None,
    root: _Path | None,
    skip: bool,
    threads: int | None,
) -> tuple[Table, list[int], _Messages]: ...
def report_table(key: str, files: Sequence[tuple[str, _Path]]) -> Table: ...
def feature_sets() -> list[tuple[str, int, list[str], bool]]: ...
def run(program: _Path, arguments: Sequence[str]) -> int: ...
def version() -> str: ...
