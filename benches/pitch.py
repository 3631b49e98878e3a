#!/usr/bin/env python3
"""Pitch and voice quality of `functionals` and of openSMILE's eGeMAPSv02, each beside Praat's.

    pitch.py FOLDER...

Takes recordings (WAV) at equal distances from each folder and prints, for each quantity, the correlation with Praat's value over the recordings,
the mean difference (bias) and the mean absolute difference (MAD). Needs praat-parselmouth, opensmile, numpy and pyarrow, and a built `ser`.

Praat: pitch by autocorrelation from 60 to 600 Hz, otherwise its defaults; jitter (local) and shimmer (local, dB) of the pulses of
"To PointProcess (cc)"; the mean of "To Harmonicity (cc)". openSMILE: F0 of the low-level descriptors' voiced frames; jitterLocal, shimmerLocaldB and
HNRdBACF of the functionals.
The voiced share is that of all frames of a recording.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import opensmile
import parselmouth
import pyarrow.parquet
from parselmouth.praat import call

LOWEST_HZ, HIGHEST_HZ = 60, 600
SEMITONES = 12 / np.log(2)
# Name, unit, and the factor that brings natural logarithms to it.
QUANTITIES = {
    "f0_mean": ("mean of log F0", "semitones", SEMITONES),
    "f0_sd": ("deviation of log F0", "semitones", SEMITONES),
    "f0_p95": ("95th percentile of log F0", "semitones", SEMITONES),
    "voiced": ("voiced share", "%", 100),
    "jitter": ("jitter (local)", "%", 100),
    "shimmer_db": ("shimmer (local)", "dB", 1),
    "hnr": ("HNR", "dB", 1),
}
COLUMNS = {
    "f0_mean": "voiced_f0_mean",
    "f0_sd": "voiced_f0_sd",
    "f0_p95": "voiced_f0_p95",
    "jitter": "jitter_local",
    "shimmer_db": "shimmer_local_db",
    "hnr": "hnr_mean",
}
PIPELINE = """name = "pitch"
[corpus]
kind = "manifest"
path = "manifest.csv"
root = "/"
[features]
sets = ["functionals"]
[[experiment]]
name = "any"
protocol = { kind = "stratified-kfold", folds = 2 }
inputs = { set = "functionals" }
model = { kind = "majority" }
"""


def spread(log_f0):
    """The three statistics of the logarithms of F0 in voiced frames."""
    return {"f0_mean": log_f0.mean(), "f0_sd": log_f0.std(), "f0_p95": np.percentile(log_f0, 95)}


def praat(path):
    sound = parselmouth.Sound(str(path)).convert_to_mono()
    pitch = sound.to_pitch_ac(pitch_floor=LOWEST_HZ, pitch_ceiling=HIGHEST_HZ)
    hz = pitch.selected_array["frequency"]
    voiced = hz[hz > 0]
    if len(voiced) < 3:
        return None
    pulses = call([sound, pitch], "To PointProcess (cc)")
    periods = (0, 0, 0.0001, 0.02, 1.3)
    harmonicity = sound.to_harmonicity_cc(time_step=0.01, minimum_pitch=LOWEST_HZ).values
    return spread(np.log(voiced)) | {
        "voiced": len(voiced) * pitch.dx / sound.duration,
        "jitter": call(pulses, "Get jitter (local)", *periods),
        "shimmer_db": call([sound, pulses], "Get shimmer (local_dB)", *periods, 1.6),
        "hnr": harmonicity[harmonicity > -200].mean(),
    }


def opensmile_egemaps(paths):
    frames_of, values_of = (
        opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, level).process_file
        for level in [opensmile.FeatureLevel.LowLevelDescriptors, opensmile.FeatureLevel.Functionals]
    )
    for path in paths:
        semitones = frames_of(path)["F0semitoneFrom27.5Hz_sma3nz"].to_numpy()
        values = values_of(path).iloc[0]
        yield spread(np.log(27.5) + semitones[semitones > 0] / SEMITONES) | {
            "voiced": (semitones > 0).mean(),
            "jitter": values["jitterLocal_sma3nz_amean"],
            "shimmer_db": values["shimmerLocaldB_sma3nz_amean"],
            "hnr": values["HNRdBACF_sma3nz_amean"],
        }


def ser(program, paths):
    with tempfile.TemporaryDirectory(prefix="ser-pitch-") as name:
        folder = Path(name)
        (folder / "pitch.toml").write_text(PIPELINE)
        with (folder / "manifest.csv").open("w", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(["id", "path", "emotion", "speaker"])
            rows.writerows([f"{i:04}", str(path.resolve()).lstrip("/"), f"emotion {i % 2}", f"speaker {i}"] for i, path in enumerate(paths))
        run = subprocess.run(
            [program, "features", "./pitch.toml", "--data-dir", "data", "--reports-dir", "reports"], cwd=folder, capture_output=True, text=True
        )
        if run.returncode != 0:
            sys.exit(f"{program} failed:\n{run.stderr[-2000:]}")
        table = pyarrow.parquet.read_table(folder / "data/tables/pitch/features-functionals.parquet").to_pydict()
    place = {int(utterance): row for row, utterance in enumerate(table["utterance_id"])}
    for i in range(len(paths)):
        value = lambda column: table[column][place[i]] if column in table else np.nan
        yield {name: value(column) for name, column in COLUMNS.items()} | {"voiced": value("voiced_share") * value("active_share")}


def every(folder, wanted):
    """So many recordings of a folder, at equal distances."""
    paths = sorted(path for path in folder.rglob("*.wav"))
    if not paths:
        sys.exit(f"no recordings (*.wav) under {folder}")
    wanted = min(wanted, len(paths))
    return [paths[(2 * i + 1) * len(paths) // (2 * wanted)] for i in range(wanted)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of recordings")
    parser.add_argument("--files", type=int, default=50, help="recordings in all (50)")
    parser.add_argument("--ser", help="the program; without it, the one that cargo has built last")
    parser.add_argument("--csv", type=Path, help="write the values of each recording there")
    args = parser.parse_args()
    if args.ser is None:
        target = subprocess.check_output([Path(__file__).parent.parent / ".ci/target-dir"], text=True).strip()
        args.ser = Path(target, "release", "ser")
    paths = [path for folder in args.folders for path in every(folder, args.files // len(args.folders))]
    reference = {path: praat(path) for path in paths}
    paths = [path for path in paths if reference[path]]
    values = {
        "Praat": [reference[path] for path in paths],
        "openSMILE": list(opensmile_egemaps(paths)),
        "ser": list(ser(os.path.abspath(args.ser), paths)),
    }
    if args.csv:
        with args.csv.open("w", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(["path"] + [f"{tool} {name}" for tool in values for name in QUANTITIES])
            rows.writerows([path] + [found[i][name] for found in values.values() for name in QUANTITIES] for i, path in enumerate(paths))

    print(f"{len(paths)} recordings; Praat {parselmouth.PRAAT_VERSION}, openSMILE {opensmile.__version__} (eGeMAPSv02)\n")
    print("| quantity | unit | Praat's mean | openSMILE: r | bias | MAD | ser: r | bias | MAD |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    for name, (title, unit, factor) in QUANTITIES.items():
        found = {tool: factor * np.array([row[name] for row in rows]) for tool, rows in values.items()}
        level = f"{found['Praat'].mean():.2f}" if name not in ("f0_mean", "f0_p95") else f"{np.exp(found['Praat'].mean() / factor):.1f} Hz"
        cells = [title, unit, level]
        for tool in ["openSMILE", "ser"]:
            apart = found[tool] - found["Praat"]
            cells += [f"{np.corrcoef(found[tool], found['Praat'])[0, 1]:.3f}", f"{apart.mean():+.2f}", f"{np.abs(apart).mean():.2f}"]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
