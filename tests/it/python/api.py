"""Every function of the package ser_rs in a project that was run, against what the command wrote."""

import os
import signal
import subprocess
import sys
import threading
import warnings
import wave
from pathlib import Path

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pyarrow.parquet as pq

import ser_rs

PROGRAM = sys.argv[1]
CORPUS = Path("corpus")
TABLES = Path("data/tables/small")
utterances = pq.read_table(TABLES / "utterances.parquet").to_pandas()
paths = [str(CORPUS / path) for path in utterances["path"]]


def raises(kind, call, *words, code):
    try:
        call()
    except kind as error:
        assert isinstance(error, ser_rs.SerError) and error.exit_code == code, error
        assert all(word in str(error) for word in words), f"{words} not in: {error}"
        assert str(error).startswith(error.message)
        return error
    raise AssertionError(f"nothing was raised where {kind} was due")


def same(ours, theirs, columns):
    """The same bits in these columns, null for null."""
    ours, theirs = pa.table(ours), pa.table(theirs)
    assert ours.num_rows == theirs.num_rows > 0
    for name in columns:
        a, b = ours[name].combine_chunks(), theirs[name].combine_chunks()
        assert a.type == b.type or pa.types.is_list(a.type), f"{name}: {a.type} and {b.type}"
        a, b = (pa.array(list(one)) if pa.types.is_list(one.type) else one for one in (a, b))
        for x, y in zip(a.buffers(), b.buffers()):
            assert (x is None) == (y is None) or a.null_count == b.null_count == 0, name
        assert a.equals(b), name


def quietly(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return call(), [str(one.message) for one in caught if issubclass(one.category, ser_rs.SerWarning)]


# Features: the bytes of the tables of the run.
sets = ser_rs.feature_sets()
assert len(sets["issa193"].columns) == 193 and sets["frames"].is_sequence and sets["issa193"].version > 0
for name, file in [("issa193", "features"), ("functionals", "features-functionals"), ("frames", "features-frames")]:
    of_run = pq.read_table(TABLES / f"{file}.parquet")
    assert of_run["utterance_id"].to_pylist() == utterances["utterance_id"].tolist()
    table = ser_rs.features(paths, name)
    values = ["frames", "values"] if name == "frames" else sets[name].columns
    same(table, of_run, values)
    assert table.column_names == ["file", "start_s", "end_s", *values] and len(table) == len(paths)
    assert pa.table(table)["file"].to_pylist() == paths
    assert pa.table(table).schema.metadata[b"ser.feature_set"] == name.encode()
table = ser_rs.features(paths)
columns = sets["issa193"].columns
assert np.array_equal(pa.table(table)["end_s"], utterances["duration_s"])
same(ser_rs.features(paths, jobs=1), table, table.column_names)
frame = table.to_pandas()
assert frame.shape == (len(paths), 196) and frame["mfcc_00"].dtype == np.float32
same(polars.DataFrame(table).to_arrow(), table, columns)

# Paths as folders, manifests, single paths; data frames; samples.
in_order = sorted(paths)
assert pa.table(ser_rs.features(CORPUS))["file"].to_pylist() == in_order
assert len(ser_rs.features(CORPUS / "manifest.csv")) == len(paths)
assert len(ser_rs.features(paths[0])) == 1
same(ser_rs.features(pd.Series(paths)), table, columns)
same(ser_rs.features(np.array(paths)), table, columns)
for rows in [{"path": paths}, pd.DataFrame({"path": paths}), polars.DataFrame({"path": paths}), pa.table({"path": paths})]:
    same(ser_rs.features(rows), table, table.column_names)


def samples(path):
    with wave.open(path) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2"), file.getframerate()


arrays = [samples(path) for path in paths]
floats = [(y.astype(np.float32) / 32768, rate) for y, rate in arrays]
for given in (arrays, floats, [(y.astype(np.int32) << 16, rate) for y, rate in arrays], [(y.astype(float), rate) for y, rate in floats]):
    same(ser_rs.features(given), table, columns)
same(ser_rs.features([y for y, _ in floats], rate=16000), table, columns)
same(ser_rs.features(floats[3]), pa.table(table).slice(3, 1), columns)
same(ser_rs.features(floats[3][0], rate=16000), pa.table(table).slice(3, 1), columns)
pieces = pd.DataFrame({"path": [paths[0], paths[0], paths[1]], "start": [0.0, 0.1, np.nan], "end": [0.25, 0.3, np.nan]})
cut = pa.table(ser_rs.features(pieces))
assert cut["start_s"].to_pylist() == [0.0, 0.1, 0.0] and cut["end_s"].to_pylist()[:2] == [0.25, 0.3]
y = floats[0][0]
same(cut, ser_rs.features([y[:4000], y[1600:4800], floats[1][0]], rate=16000), columns)

# Errors.
Path("damaged.wav").write_bytes(Path(paths[0]).read_bytes()[:2000])
error = raises(OSError, lambda: ser_rs.features([paths[0], "gone.wav"]), "gone.wav", "hint: ", code=6)
assert isinstance(error, ser_rs.IoError) and error.hint
raises(ser_rs.DataError, lambda: ser_rs.features(["damaged.wav"]), "damaged.wav", code=4)
table, said = quietly(lambda: ser_rs.features([paths[0], "gone.wav", "damaged.wav", paths[1]], errors="skip"))
assert pa.table(table)["file"].to_pylist() == paths[:2] and "2 recordings were excluded" in said[-1]
assert [(file, kind) for file, kind, _ in table.excluded] == [("gone.wav", "missing"), ("damaged.wav", "undecodable")]
raises(ser_rs.DataError, lambda: ser_rs.features([(np.zeros(10, np.float32), 16000)]), "0", code=4)
raises(ser_rs.DataError, lambda: ser_rs.features([(np.full(9000, np.nan), 16000)]), "not a finite number", code=4)
raises(ser_rs.DataError, lambda: ser_rs.features({"path": paths[:1], "start": [5.0], "end": [6.0]}), paths[0], code=4)
raises(ser_rs.DataError, lambda: ser_rs.features([]), "no recording", code=4)
raises(ser_rs.ConfigError, lambda: ser_rs.features(paths, "issa194"), "issa194", "issa193", code=3)
for given, words in [
    ([(np.zeros((2, 9000)), 16000)], "(2, 9000)"),
    ([(np.zeros(9000, np.uint8), 16000)], "uint8"),
    ([np.zeros(9000)], "no sampling rate"),
    ([(np.zeros(9000), 16000.5)], "16000.5"),
    ({"sound": paths}, "no column path"),
    ([1.0], "recording 0 is float"),
    (7, "int"),
]:
    raises(ser_rs.UsageError, lambda: ser_rs.features(given), words, code=2)
for options in [{"errors": "ignore"}, {"jobs": 0}]:
    raises(ValueError, lambda: ser_rs.features(paths, **options), code=2)
raises(FileNotFoundError, lambda: ser_rs.features(paths, encoder="nowhere"), "nowhere", code=5)

# Models: the bytes of `ser predict`.
for name in ["logistic", "knn", "svm", "net"]:
    model = ser_rs.load(f"data/models/small/{name}")
    assert model.labels == ["angry", "calm", "happy"] and len(model.folders) == 2
    predicted, _ = quietly(lambda: model.predict("corpus"))
    of_command = pq.read_table(f"{name}.parquet")
    assert predicted.column_names == of_command.column_names
    same(predicted, of_command, predicted.column_names)
    assert model.info["labels"] == model.labels and "Tested on" in model.card
    from_arrays, _ = quietly(lambda: model.predict([samples(path) for path in in_order]))
    same(from_arrays, of_command, [f"prob_{label}" for label in model.labels])
model = ser_rs.load(Path("data/models/small/svm"))
windows, _ = quietly(lambda: model.predict("corpus", window=0.2))
same(windows, pq.read_table("windows.parquet"), windows.column_names)
raises(ser_rs.UsageError, lambda: model.predict("corpus", hop=0.1), "hop", code=2)
raises(ser_rs.SerError, lambda: model.predict("corpus", window=-1.0), code=2)
alone = ser_rs.load("data/models/small/svm/fold-00-seed-0")
assert len(alone.folders) == 1 and "svm" in repr(alone)
speakers = ser_rs.load("data/models/small/speakers")
by_speaker, said = quietly(lambda: speakers.predict("corpus/manifest.csv"))
same(by_speaker, pq.read_table("speakers.parquet"), by_speaker.column_names)
assert any("transductive" in text for text in said)
named = pd.DataFrame({"path": pa.table(by_speaker)["file"].to_pylist()})
named["speaker"] = [Path(path).name.split("_")[0] for path in named["path"]]
again, _ = quietly(lambda: speakers.predict(named))
same(again, by_speaker, by_speaker.column_names)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    raises(ser_rs.UsageError, lambda: speakers.predict(paths), "speaker", code=2)
    assert len(speakers.predict(paths, one_speaker=True)) == len(paths)
    raises(OSError, lambda: model.predict(["gone.wav"]), "gone.wav", code=6)
    assert len(model.predict(["gone.wav", paths[0]], errors="skip")) == 1
raises(ser_rs.MissingError, lambda: ser_rs.load("nowhere"), "nowhere", code=5)

# Reports.
report = ser_rs.read_report("small")
assert report.data["name"] == "small" and {"results", "metrics", "predictions"} <= set(report)
for name in report:
    ours, theirs = pa.table(report[name]), pd.read_csv(f"reports/small/{name}.csv", dtype=str, keep_default_na=False)
    assert ours.column_names == ["pipeline", *theirs.columns]
    for column in theirs.columns:
        for cell, text in zip(ours[column].to_pylist(), theirs[column], strict=True):
            kind = {bool: lambda text: text == "true", int: int, float: float, str: str}.get(type(cell))
            assert (text == "") if cell is None else cell == kind(text), (name, column, cell, text)
metrics = pa.table(report["metrics"])
assert metrics.schema.field("value").type == pa.float64() and metrics.schema.field("fold").type == pa.int64()
assert pa.table(report["predictions"]).schema.field("speaker").type == pa.string()
every = pa.table(ser_rs.results())
assert every["pipeline"].to_pylist() == ["small"] * len(every) and "uar" in every.column_names
same(ser_rs.results("small", "reports/small"), pa.concat_tables([every, every]), ["experiment", "uar"])
raises(ser_rs.MissingError, lambda: ser_rs.read_report("other"), "other", code=5)
raises(ser_rs.MissingError, lambda: ser_rs.results(reports_dir="elsewhere"), "elsewhere", code=5)

# Ctrl-C ends a call that would take very long; the other thread runs meanwhile.
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    ser_rs.features(paths[:2] * 300_000, "functionals")
    raise AssertionError("ctrl-C was not seen")
except KeyboardInterrupt:
    pass

# The command.
command = [sys.executable, "-m", "ser_rs"]
for arguments in [["--version"], ["--help"], ["plan", "nothing"], ["--no-such-option"], ["schema"], ["run", "--json", "-x"]]:
    ours, theirs = (subprocess.run([*one, *arguments], capture_output=True) for one in (command, [PROGRAM]))
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr), arguments
running = subprocess.Popen([*command, "run", "long", "--json"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
seen = []
for line in running.stderr:
    seen.append(line)
    if '"epochs"' in line and len(seen) > 0:
        running.send_signal(signal.SIGINT)
        break
rest = running.stderr.read()
assert running.wait() == 130 and '"stopping"' in rest, (running.returncode, seen[-3:], rest)
