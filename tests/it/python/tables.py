"""Opens each table with pandas, polars and DuckDB, and holds every cell against what ser's side read.

    tables.py EXPECTED.json

EXPECTED: {"path of a .parquet or .csv": {"columns": [...], "rows": [[cell, ...], ...]}}; a float is {"f32": bits} or {"f64": "bits"}.
Prints the libraries that were tried; exits with 1 and the first difference where there is one.
"""

import importlib.util
import json
import struct
import sys


def with_pandas(path):
    import pandas

    if path.endswith(".csv"):
        frame = pandas.read_csv(path, dtype=str, keep_default_na=False)
    else:
        frame = pandas.read_parquet(path)
    return list(frame.columns), [list(row) for row in frame.astype(object).itertuples(index=False, name=None)]


def with_polars(path):
    import polars

    if path.endswith(".csv"):
        frame = polars.read_csv(path, infer_schema=False)
        # polars leaves doubled quotes in headers doubled; in cells it does not.
        frame.columns = [column.replace('""', '"') for column in frame.columns]
    else:
        frame = polars.read_parquet(path)
    return frame.columns, [list(row) for row in frame.iter_rows()]


def with_duckdb(path):
    import duckdb

    if path.endswith(".csv"):
        # Told how lines end, DuckDB also takes names with a line feed in them.
        found = duckdb.execute("SELECT * FROM read_csv(?, all_varchar=true, header=true, delim=',', new_line='\\r\\n')", [path])
    else:
        found = duckdb.execute("SELECT * FROM read_parquet(?)", [path])
    columns = [column[0] for column in found.description]
    return columns, [list(row) for row in found.fetchall()]


def is_null(value):
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)


def same(expected, found):
    if isinstance(expected, dict):
        if "f32" in expected:
            return found is not None and struct.pack("<f", float(found)) == struct.pack("<I", expected["f32"])
        return found is not None and struct.pack("<d", float(found)) == struct.pack("<Q", int(expected["f64"]))
    if expected is None:
        return is_null(found)
    if isinstance(expected, list):
        return len(expected) == len(found) and all(same(e, f) for e, f in zip(expected, found))
    if isinstance(expected, bool):
        return bool(found) == expected
    if isinstance(expected, int):
        return int(found) == expected
    # A table of strings alone may leave an empty field open.
    return expected == found or (expected == "" and found is None)


def main():
    tables = json.load(open(sys.argv[1], encoding="utf-8"))
    readers = {"pandas": with_pandas, "polars": with_polars, "duckdb": with_duckdb}
    for name, read in readers.items():
        if importlib.util.find_spec(name) is None:
            print(f"skipped: no {name}")
            continue
        for path, expected in tables.items():
            columns, rows = read(path)
            if columns != expected["columns"]:
                sys.exit(f"{name}: {path}: columns {columns} instead of {expected['columns']}")
            if len(rows) != len(expected["rows"]):
                sys.exit(f"{name}: {path}: {len(rows)} rows instead of {len(expected['rows'])}")
            for number, (row, want) in enumerate(zip(rows, expected["rows"])):
                for column, cell, value in zip(columns, want, row):
                    if not same(cell, value):
                        sys.exit(f"{name}: {path}: row {number}, {column}: {value!r} instead of {cell!r}")
        print(f"read by {name}: {len(tables)} tables")


main()
