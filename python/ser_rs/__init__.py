"""Features of recorded speech, predictions of saved models, and results of runs.

Everything is computed by the library of the program `ser`: the same recordings give the same bytes.
Long calls release the interpreter's lock, use all cores, and end at Ctrl-C.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterable, Mapping
from numbers import Real
from operator import index
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn

from ser_rs import _ser
from ser_rs._errors import (
    BusyError,
    ConfigError,
    DataError,
    InternalError,
    IoError,
    MissingError,
    NetworkError,
    SchedulerError,
    SerError,
    SerWarning,
    TimedOutError,
    UsageError,
    exception,
    in_python,
    usage,
)
from ser_rs._find import find
from ser_rs._recordings import Given, Recordings, as_recordings
from ser_rs._table import Table

__all__ = [
    "BusyError",
    "ConfigError",
    "DataError",
    "FeatureSet",
    "InternalError",
    "IoError",
    "MissingError",
    "Model",
    "NetworkError",
    "Report",
    "SchedulerError",
    "SerError",
    "SerWarning",
    "Table",
    "TimedOutError",
    "UsageError",
    "feature_sets",
    "features",
    "load",
    "read_report",
    "results",
]

__version__ = _ser.version()
_log = logging.getLogger(__name__)
Errors = Literal["raise", "skip"]


class FeatureSet(NamedTuple):
    """A set of features.

    Attributes:
        version: changes whenever the same recording would give other numbers.
        columns: names of the features; of a sequence, those of one frame.
        is_sequence: whether a row has as many frames as its recording.
    """

    version: int
    columns: list[str]
    is_sequence: bool


def feature_sets() -> dict[str, FeatureSet]:
    """The feature sets that :func:`features` computes, by name."""
    return {name: FeatureSet(*about) for name, *about in _ser.feature_sets()}


def features(
    recordings: Recordings,
    set: str = "issa193",
    *,
    rate: float | None = None,
    root: str | os.PathLike[str] | None = None,
    encoder: str | os.PathLike[str] | None = None,
    errors: Errors = "raise",
    jobs: int | None = None,
) -> Table:
    """Computes features: a row for each recording, in order.

    Args:
        recordings: one of

            - paths, or a single one: recordings, folders (all audio files below them, sorted by
              path) and manifests (.csv, .tsv, .parquet, .jsonl with a column `path`)
            - a data frame of pandas, polars or pyarrow, or a dict of lists, with a column `path` (or
              `file`) and, where rows are segments, `start` and `end` (or `start_s` and `end_s`) in
              seconds or as durations
            - pairs of samples and their rate in Hz, or a single one; or arrays with `rate`. Samples have
              one dimension: floats with full scale at 1, or int16 or int32.
        set: name of a feature set, see :func:`feature_sets`.
        rate: sampling rate in Hz of arrays that come without one; files say their own.
        root: folder from which the paths of manifests and data frames start, in place of the
            manifest's folder or the working directory.
        encoder: folder of a pretrained encoder, whose states are the features in place of `set`.
        errors: "raise" raises at the first recording that cannot be used; "skip" leaves it out,
            warns, and names it in `Table.excluded`.
        jobs: threads; all cores by default.

    Returns:
        A table with the columns `file` (the path as given, or the position of an array), `start_s`
        and `end_s` (seconds), and a 32-bit float for each feature. Sequences and encoders have
        `frames` and `values` in place of these: a list of `frames` times as many numbers as a frame
        has, frame after frame; of an encoder, the means and deviations over time of each state.
        `Table.positions` says which recording each row is of, and `to_pandas()` keeps the index of
        a data frame: join by these, since excluded recordings have no row.

    Raises:
        ConfigError: there is no such feature set.
        IoError: a recording is missing or cannot be opened.
        DataError: a recording is damaged, too short, or in a format that is not read.
        UsageError: `recordings` is none of the above.
        MissingError: there is no encoder in the folder.
    """
    if not isinstance(set, str):
        raise usage(f"set is {set!r}", "name one feature set, such as issa193; feature_sets() has all")
    skips, threads = _skips(errors), _threads(jobs)
    given = as_recordings(recordings, rate, root)
    return _heard(given, *_ser.features(given.recordings, set, encoder, given.root, skips, threads))


def load(
    model: str | os.PathLike[str],
    *,
    encoder: str | os.PathLike[str] | None = None,
    features: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] = "data",
) -> Model:
    """Loads a saved model, of any kind.

    Most models of an experiment were trained on any given recording of their corpus: predictions on
    that corpus measure nothing. `read_report(...)["predictions"]` has those of the test folds, by
    models that were not trained on them.

    Args:
        model: folder of a model (`data/models/ravdess/svm/fold-00-seed-0`) or its `model.json`; or
            the folder of an experiment (`data/models/ravdess/svm`, or `ravdess/svm`): then the mean
            probability of all its models counts. Ensembles are not saved: load their members.
        encoder: folder of the pretrained encoder of a model that has one; by default where it was
            in training.
        features: table (CSV, TSV, Parquet or .npz) with the features of the recordings that will be
            predicted, for a model on imported features.
        data_dir: folder that holds `models/`, for names such as `ravdess/svm`.

    Raises:
        MissingError: there is no model, or not its encoder; or it is an ensemble.
        UsageError: it needs a table of features and none is named, or the reverse.
        DataError: it is damaged, or was trained on features that this version does not compute.
    """
    return Model(_ser.Model(find(model, data_dir).absolute(), encoder, features))


class Model:
    """A saved model; made by :func:`load`."""

    def __init__(self, native: _ser.Model) -> None:
        if not isinstance(native, _ser.Model):
            raise usage("a model is not made by its class", f"use ser_rs.load({native!r})")
        self._native = native
        self.folders = [Path(folder) for folder in native.folders]
        """The folders of the models whose mean counts, or that of the only one."""
        self.card = self.folders[0].joinpath("README.md").read_text(encoding="utf-8")
        """The card of the (first) model, in Markdown: data, protocol, limits."""
        self.info: dict[str, Any] = self._json("model.json")
        """`model.json` of the (first) model: settings, inputs, origin."""
        is_tested = self.folders[0].joinpath("tested.json").exists()
        self.tested: dict[str, Any] | None = self._json("tested.json") if is_tested else None
        """What holds for the test speakers of the (first) model, where it was tested."""

    def _json(self, name: str) -> Any:
        return json.loads(self.folders[0].joinpath(name).read_text(encoding="utf-8"))

    @property
    def labels(self) -> list[str]:
        """Class names in the order of the probabilities."""
        return self._native.labels

    def predict(
        self,
        recordings: Recordings,
        *,
        rate: float | None = None,
        root: str | os.PathLike[str] | None = None,
        window: float | None = None,
        hop: float | None = None,
        one_speaker: bool = False,
        errors: Errors = "raise",
        jobs: int | None = None,
    ) -> Table:
        """Predicts recordings, as `ser predict` does.

        Args:
            recordings: as for :func:`features`. A data frame may have a column `speaker`, which a
                model that scales speakers needs.
            rate: sampling rate in Hz of arrays that come without one; files say their own.
            root: folder from which the paths of manifests and data frames start, in place of the
                manifest's folder or the working directory.
            window: predict windows of this many seconds in place of whole recordings.
            hop: seconds from the beginning of a window to that of the next; half a window by
                default.
            one_speaker: all recordings are of one speaker, for a model that scales speakers.
            errors: "raise" raises at the first recording that cannot be used; "skip" leaves it out,
                warns, and names it in `Table.excluded`.
            jobs: threads; all cores by default.

        Returns:
            A table with a row for each recording or window: `file`, `start_s`, `end_s` (seconds),
            `emotion`, `in_domain`, `domain_reason`, and `prob_<label>` (32-bit, 0 to 1) for each
            of `labels`. Join it by `Table.positions` or the index, as for :func:`features`.

        Raises:
            UsageError: the model scales speakers and nothing says who speaks, or `recordings` is
                none that can be read.
            IoError, DataError: as for :func:`features`.
        """
        if hop is not None and window is None:
            raise usage("hop is the distance of windows, of which there are none", "give window as well")
        for name, value in (("window", window), ("hop", hop)):
            if value is not None and not isinstance(value, Real):
                raise usage(f"{name} is {value!r}", "give seconds, such as 2.5")
        windows = None if window is None else (window, hop)
        skips, threads = _skips(errors), _threads(jobs)
        given = as_recordings(recordings, rate, root)
        if len({folder.name.split("-seed-")[0] for folder in self.folders}) > 1:
            given.warnings.append(self._caution())
        found = self._native.predict(given.recordings, windows, one_speaker, given.root, skips, threads)
        return _heard(given, *found)

    def _caution(self) -> str:
        corpus, pipeline = self.info["corpus"], self.info["pipeline"]
        return (
            f"the mean of {len(self.folders)} models of folds: most were trained on any given recording of {corpus}, so that predictions on "
            f'that corpus measure nothing; read_report("{pipeline}")["predictions"] has those of the test folds'
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("a ser_rs.Model cannot be pickled: load it in the worker, and return predict(...).to_pandas()")

    def __repr__(self) -> str:
        return f"<ser_rs.Model {self.folders[0]} of {len(self.labels)} classes>"


class Report(Mapping[str, Table]):
    """The report of a run: its CSV files as tables by name, and `report.json` as `data`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "report.json"
        try:
            self.data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            hint = "name a pipeline that was run (ser report PIPELINE), or the folder of its report"
            raise exception("Missing", f"there is no report in {folder}", hint, 5) from None
        except ValueError as error:
            hint = "make the report again: ser report PIPELINE"
            raise exception("Data", f"{path} cannot be read: {error}", hint, 4) from None

    def __getitem__(self, name: str) -> Table:
        if name not in set(self):
            raise KeyError(name)
        return Table(_ser.report_table("pipeline", [(self.data["name"], self.folder / f"{name}.csv")]))

    def __iter__(self) -> Any:
        return iter(sorted(path.stem for path in self.folder.glob("*.csv")))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"<ser_rs.Report {self.folder}: {', '.join(self)}>"


def read_report(name: str | os.PathLike[str], *, reports_dir: str | os.PathLike[str] = "reports") -> Report:
    """Reads the report of a run.

    Args:
        name: name of a pipeline or variant, or folder of a report.
        reports_dir: folder of the reports.

    Returns:
        A mapping from the names of the report's CSV files (`results`, `metrics`, `predictions`,
        `confusion`, ...) to tables, with a column `pipeline` before the others; empty cells are
        null. `.data` is `report.json`.

    Raises:
        MissingError: there is no such report.
        DataError: it cannot be read.
    """
    folder = Path(reports_dir, name)
    return Report(Path(name) if Path(name, "report.json").exists() else folder)


def results(*names: str | os.PathLike[str], reports_dir: str | os.PathLike[str] = "reports") -> Table:
    """The results of several runs, or of all in `reports_dir`: one table of their `results.csv`.

    Raises:
        MissingError: there is no report, or none with one of the names.
        DataError: one cannot be read.
    """
    found = names or tuple(sorted(path.parent.name for path in Path(reports_dir).glob("*/report.json")))
    if not found:
        raise exception("Missing", f"there is no report in {reports_dir}", "run a pipeline: ser run PIPELINE", 5)
    reports = [read_report(name, reports_dir=reports_dir) for name in found]
    return Table(_ser.report_table("pipeline", [(one.data["name"], one.folder / "results.csv") for one in reports]))


def _skips(errors: str) -> bool:
    if errors not in ("raise", "skip"):
        raise usage(f"errors is {errors!r}", 'say "raise" or "skip"')
    return errors == "skip"


def _threads(jobs: int | None) -> int | None:
    try:
        threads = None if jobs is None else index(jobs)
    except TypeError:
        threads = 0
    if threads is not None and not 1 <= threads <= 1024:
        raise usage(f"jobs is {jobs!r}", "take 1 to 1024 threads, a whole number")
    return threads


def _heard(given: Given, native: _ser.Table, positions: list[int], messages: Iterable[tuple[bool, str]]) -> Table:
    for is_warning, text in [*((True, text) for text in given.warnings), *messages]:
        if is_warning:
            warnings.warn(in_python(text), SerWarning, stacklevel=3)
        else:
            _log.info(in_python(text))
    table = Table(native, positions, given.index)
    if table.excluded:
        count, (file, _, reason) = len(table.excluded), table.excluded[0]
        noun = "recording was" if count == 1 else "recordings were"
        warnings.warn(f"{count} {noun} excluded (the first: {file}: {reason})", SerWarning, stacklevel=3)
    return table
