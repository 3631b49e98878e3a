#!/usr/bin/env python3
"""Peak memory and CPU seconds of a training on a table of many rows: see docs/scale.md.

Makes a corpus of ROWS utterances (a few short sounds under other names, whose features are imported from a generated table of COLUMNS
columns, so that nothing but the training is measured) and runs one fold of logistic regression and of the perceptron on it.
"""

import argparse
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent))
from scale import measure

CLASSES, SOUNDS, SPEAKERS = 8, 50, 1000
PIPELINE = """name = "large"
[corpus]
kind = "manifest"
path = "manifest.csv"
root = "corpus"
allow_outside = true
[features]
sets = ["table"]
[[features.import]]
name = "table"
path = "table.parquet"
[[experiment]]
name = "logistic"
protocol = { kind = "hold-out", test_fraction = 0.2 }
inputs = { set = "table", scaler = "standard" }
model = { kind = "logistic", c = 0.01 }
[[experiment]]
name = "perceptron"
protocol = { kind = "hold-out", test_fraction = 0.2 }
inputs = { set = "table", scaler = "standard" }
model = { kind = "perceptron" }
train = { epochs = 2 }
[[experiment]]
name = "majority"
protocol = { kind = "hold-out", test_fraction = 0.2 }
inputs = { set = "table", scaler = "standard" }
model = { kind = "majority" }
"""


def make(folder, rows, columns):
    rng = np.random.default_rng(0)
    (folder / "corpus").mkdir()
    (folder / "sounds").mkdir()
    for i in range(SOUNDS):
        with wave.open(str(folder / f"sounds/{i}.wav"), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(16_000)
            out.writeframes((rng.normal(0, 3000, 3200)).astype("<i2").tobytes())
    classes = rng.integers(CLASSES, size=rows)
    with (folder / "manifest.csv").open("w") as out:
        out.write("path,emotion,speaker\n")
        for i in range(rows):
            (folder / f"corpus/u{i:07}.wav").symlink_to(folder / f"sounds/{i % SOUNDS}.wav")
            out.write(f"u{i:07}.wav,e{classes[i]},s{i % SPEAKERS:04}\n")
    centres = rng.normal(0, 0.1, (CLASSES, columns)).astype("f4")
    names = ["id"] + [f"f{i:04}" for i in range(columns)]
    schema = pa.schema([("id", pa.string())] + [(name, pa.float32()) for name in names[1:]])
    with pq.ParquetWriter(folder / "table.parquet", schema, compression="none") as out:
        for first in range(0, rows, 4096):
            part = classes[first : first + 4096]
            x = rng.normal(0, 1, (len(part), columns)).astype("f4") + centres[part]
            ids = pa.array([f"u{first + i:07}" for i in range(len(part))])
            out.write_batch(pa.record_batch([ids] + [pa.array(c) for c in x.T.copy()], schema=schema))
    (folder / "large.toml").write_text(PIPELINE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ser", help="the program; without it, the one that cargo has built last")
    parser.add_argument("--rows", type=int, nargs="+", default=[27_000, 270_000])
    parser.add_argument("--columns", type=int, default=2482)
    args = parser.parse_args()
    if args.ser is None:
        target = subprocess.check_output([Path(__file__).parent.parent / ".ci/target-dir"], text=True).strip()
        args.ser = Path(target, "release", "ser")
    program = str(Path(args.ser).resolve())
    print(f"{'experiment':12}{'rows':>9}{'columns':>9}{'table MiB':>11}{'peak MiB':>10}{'ratio':>7}{'wall s':>9}{'CPU s':>9}")
    for rows in args.rows:
        with tempfile.TemporaryDirectory(prefix="ser-large-") as name:
            # A child's peak counts from its parent's size on: the table is made by another process.
            subprocess.run([sys.executable, __file__, "--make", name, str(rows), str(args.columns)], check=True)
            table = rows * args.columns * 4 / 2**20
            for experiment in ["majority", "logistic", "perceptron"]:
                command = ["/usr/bin/env", "-C", name, program, "run", "./large.toml", "-e", experiment, "--json", "--jobs", "1"]
                wall, cpu, peak, _ = measure(command, name)
                print(f"{experiment:12}{rows:>9,}{args.columns:>9}{table:>11.0f}{peak:>10.0f}{peak / table:>7.2f}{wall:>9.1f}{cpu:>9.1f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
