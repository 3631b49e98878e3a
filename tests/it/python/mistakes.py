"""Calls of the package ser_rs that are nearly right, in the project of api.py: each is taken as it was meant, or refused in plain words."""

import copy
import datetime
import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars
import pyarrow as pa

import ser_rs

paths = sorted(str(path) for path in Path("corpus").glob("*.wav"))
tone = np.sin(np.arange(8000) / 9)


def refused(call, *words, kind=ser_rs.UsageError):
    try:
        call()
    except kind as error:
        assert isinstance(error, ser_rs.SerError) and error.hint and "--" not in str(error), error
        assert all(word in str(error) for word in words), f"{words} not in: {error}"
        return
    raise AssertionError(f"taken, and {words} was due")


def heard(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    assert all(one.filename == __file__ for one in caught), "a warning names a line of the package"
    return result, [str(one.message) for one in caught if issubclass(one.category, ser_rs.SerWarning)]


def rows(given, **options):
    table = pa.table(heard(lambda: ser_rs.features(given, **options))[0])
    return list(zip(*(table[name].to_pylist() for name in ("file", "start_s", "end_s"))))


model, _ = heard(lambda: ser_rs.load("small/svm"))

# Tables: no row is lost, and no segment is read as a whole file.
for call in (ser_rs.features, model.predict):
    refused(lambda: call({"path": paths[:3], "start": [0.0, 0.1]}), "path 3, start 2")
    refused(lambda: call({"path": paths[:2], "speaker": ["a"]}), "path 2, speaker 1")
cut = [(paths[0], 0.0, 0.25), (paths[0], 0.1, 0.3)]
durations = [datetime.timedelta(seconds=at) for at in (0.25, 0.3)]
for given in [
    {"path": [paths[0]] * 2, "start": [0.0, 0.1], "end": [0.25, 0.3]},
    {"file": [paths[0]] * 2, "start_s": [0.0, 0.1], "end_s": [0.25, 0.3]},
    {"path": (path for path in [paths[0]] * 2), "start": np.array([0.0, 0.1]), "end_s": durations},
    pd.DataFrame({"file": [paths[0]] * 2, "start": pd.to_timedelta([0.0, 0.1], unit="s"), "end": durations}),
    polars.DataFrame({"file": [paths[0]] * 2, "start": [0.0, 0.1], "end": durations}),
    pa.table({"file": [paths[0]] * 2, "start": [0.0, 0.1], "end": durations}),
    {"path": [paths[0]] * 2, "start": np.array([0, 100], "timedelta64[ms]"), "end": np.array([250, 300], "timedelta64[ms]")},
]:
    assert rows(given) == cut, (given, rows(given))
missing = {"path": paths[:2], "start": np.array([100, "NaT"], "timedelta64[ms]"), "end": np.array([0.3, np.nan], "f4")}
assert [row[1] for row in rows(missing)] == [0.1, 0.0]
indexed = pd.DataFrame({"file": paths[:1], "start": [0.0], "end": [0.2], "x": [1]}).set_index(["file", "start", "end"])
for given, *words in [
    ({"path": paths, "file": paths}, "path and file"),
    ({"path": paths[:1], "start": [0.0], "start_s": [0.0]}, "start and start_s"),
    ({"path": paths[:1], "onset": [0.0]}, "onset", "start"),
    ({"path": paths[:1], "Start": [0.0], "end": [0.1]}, "Start"),
    ({"path": paths[:1], "start": [0.0], "End_Time": [0.1]}, "End_Time"),
    (indexed, "level file", "reset_index()"),
    (indexed.reset_index("file"), "level start", "reset_index()"),
    ({"path": paths[:2], "start": [0.0, "0,5"]}, "row 1, column start", "'0,5'"),
    ({"path": paths[:1], "end_s": [[1]]}, "row 0, column end_s"),
    ({"path": paths[0]}, "the column path", "not a list"),
    ({"path": paths[:1], "start": 0.5}, "the column start", "not a list"),
    ({"path": [paths[0], 5]}, "row 1", "5 is no path"),
    ({"path": [paths[0], ""]}, "row 1", "empty"),
    ({"path": [paths[0], "corpus"]}, "row 1", "folder"),
    ({"path": ["corpus/manifest.csv"]}, "row 0", "manifest"),
    ({"path": np.ma.masked_array(paths[:2], [0, 1])}, "masked"),
    (pd.DataFrame([paths[:2]], columns=["path", "path"]), "path and path"),
    (pd.DataFrame({"path": paths, "start": 0.0}).iloc[0], "a row"),
    ("", "empty"),
    ([paths[0], ""], "recording 1", "empty"),
]:
    refused(lambda: ser_rs.features(given), *words)
assert [row[0] for row in rows(pd.DataFrame({"path": paths, "duration": 1.0}).set_index("path", drop=False))] == paths

# Samples.
for given, *words in [
    ((16000, tone), "(samples, rate)"),
    ([(tone, 16000), (16000, tone)], "recording 1", "swap"),
    ((tone, float("nan")), "rate of recording 0 is nan"),
    ((tone, "16000"), "no sampling rate"),
    ([(tone, True)], "rate of recording 0 is True"),
    ([(tone, "16000")], "rate of recording 0 is '16000'"),
    ([(np.ma.masked_array(tone, tone > 0.5), 16000)], "recording 0", "masked", "compressed()"),
]:
    refused(lambda: ser_rs.features(given), *words)
for rate in (np.int64(16000), np.float32(16000), np.array(16000)):
    assert len(rows((tone, rate))) == len(rows([(tone, rate)])) == 1
for given in (paths, paths[0], {"path": paths}):
    refused(lambda: ser_rs.features(given, rate=16000), "rate", "leave out rate")
assert len(rows([paths[0], tone], rate=16000)) == 2


class Tensor:
    """As of PyTorch, with a gradient."""

    def __array__(self, *_, **__):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


refused(lambda: ser_rs.features([(tone, 16000), (Tensor(), 16000)]), "recording 1", "requires grad", "detach()")
narrow = (tone * 30000).astype("i4")
_, said = heard(lambda: ser_rs.features([(tone, 16000), (narrow, 16000), (narrow, 16000)]))
assert any("2 recordings of int32 look" in text and "recording 1" in text for text in said), said
for given in (narrow.astype("i2"), narrow << 16, np.zeros(8000, "i4")):
    assert not any("int32" in text for text in heard(lambda: ser_rs.features((given, 16000)))[1])
for call in (ser_rs.features, model.predict):
    for wrong, words in [(np.zeros(10), "10 samples"), (np.full(8000, np.nan), "not a finite number")]:
        given = [(tone, 16000)] * 5 + [(wrong, 16000)]
        try:
            heard(lambda: call(given))
            raise AssertionError("nothing was raised")
        except ser_rs.DataError as error:
            assert "recording 5" in str(error) and words in str(error) and "given bytes" not in str(error), error
        (file, _, reason), = heard(lambda: call(given, errors="skip"))[0].excluded
        assert file == "5" and "recording 5" in reason, reason

# Arguments.
for options, words in [({"jobs": "2"}, "'2'"), ({"jobs": 1.5}, "1.5"), ({"set": None}, "None"), ({"set": ["issa193"]}, "issa193")]:
    refused(lambda: ser_rs.features(paths, **options), words)
refused(lambda: model.predict(paths, window="2.6"), "window is '2.6'")
refused(lambda: ser_rs.load("small/svm", encoder="e"), "leave out encoder=", kind=ser_rs.UsageError)
_, said = heard(lambda: model.predict(paths, window=0.1))
assert any("window=" in text for text in said) and not any("--" in text for text in said), said
speakers = ser_rs.load("small/speakers")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    refused(lambda: speakers.predict(paths), "one_speaker=True")

# A root.
Path("lists").mkdir(exist_ok=True)
Path("lists/m.csv").write_bytes(Path("corpus/manifest.csv").read_bytes())
manifest = pd.read_csv("lists/m.csv")
refused(lambda: ser_rs.features("lists/m.csv"), "lists/m.csv", 'root="DIR"', kind=ser_rs.MissingError)
at_root = rows("lists/m.csv", root="corpus")
assert sorted(row[0] for row in at_root) == paths and at_root == rows(manifest, root=Path("corpus"))
assert len(heard(lambda: model.predict("lists/m.csv", root="corpus"))[0]) == len(paths)
for given, options in [(paths, {}), (tone, {"rate": 16000})]:
    refused(lambda: ser_rs.features(given, root="corpus", **options), "root")

# Rows go with their recordings, whatever was excluded or cut.
frame = pd.DataFrame({"path": [paths[0], "gone.wav", *paths[1:3]], "note": list("abcd")}, index=[7, 5, 3, 1])
for call in (ser_rs.features, model.predict):
    for given in (frame, frame["path"]):
        table, _ = heard(lambda: call(given, errors="skip"))
        found = table.to_pandas()
        assert table.positions == [0, 2, 3] and found.index.tolist() == [7, 3, 1]
        assert frame.join(found, how="inner").eval("path == file").all()
windows, _ = heard(lambda: model.predict(frame, window=0.2, hop=0.2, errors="skip"))
assert windows.positions == [0, 0, 2, 2, 3, 3] and windows.to_pandas().index.tolist() == [7, 7, 3, 3, 1, 1]
assert ser_rs.features(paths[:2]).to_pandas().index.tolist() == ser_rs.features(paths[:2]).positions == [0, 1]
by_folder = ser_rs.features(pd.Series(["corpus"], index=[9]))
assert by_folder.to_pandas().index.tolist() == by_folder.positions == list(range(len(paths)))

# Models: as the command names them; what they say is of the time of loading.
for name in ["small/svm", "data/models/small/svm", Path("small/svm/fold-00-seed-0/model.json"), "data/models/small/svm/fold-00-seed-0/model.json"]:
    loaded = ser_rs.load(name)
    assert all(folder.is_absolute() and folder.exists() for folder in loaded.folders)
    assert loaded.tested == json.loads((loaded.folders[0] / "tested.json").read_text())
for name in ["small/ensemble", "data/models/small/ensemble"]:
    refused(lambda: ser_rs.load(name), "ensembles are not saved", "logistic, knn", kind=ser_rs.MissingError)
refused(lambda: ser_rs.load("small/swm"), "svm", "logistic", kind=ser_rs.MissingError)
refused(lambda: ser_rs.load("small"), "svm", kind=ser_rs.MissingError)
refused(lambda: ser_rs.load(""), "empty")
refused(lambda: ser_rs.load("corpus/manifest.csv"), "is a file")
refused(lambda: ser_rs.Model("small/svm"), "use ser_rs.load('small/svm')")
_, said = heard(lambda: model.predict(paths))
assert any('read_report("small")["predictions"]' in text and "tones" in text for text in said), said
alone = ser_rs.load("small/svm/fold-00-seed-0")
assert not any("folds" in text for text in heard(lambda: alone.predict(paths))[1])
kept = Path("data/models/small/svm/fold-00-seed-0/README.md")
text = kept.read_text()
kept.write_text("other")
assert alone.card == text and alone.info["labels"] == alone.labels
kept.write_text(text)
for one, words in [(alone, "load it in the worker"), (ser_rs.features(paths[0]), "to_pandas()")]:
    for call in (pickle.dumps, copy.copy):
        try:
            call(one)
            raise AssertionError("pickled")
        except TypeError as error:
            assert words in str(error), error
