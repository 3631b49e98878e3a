#!/usr/bin/env bash
# From recordings to a report with a baseline, leave one speaker out, nothing kept from before: ser and nkululeko in turn.
#
#   end_to_end.sh EMODB [ROUNDS]
#
# EMODB is the folder of EMO-DB; NKULULEKO names a Python with nkululeko 1.14.1 (pip install nkululeko==1.14.1). Four emotions are used.
# nkululeko computes eGeMAPS with openSMILE and fits an SVM; ser fits one on the paper's 193 features, and one on its functionals.
set -euo pipefail

emodb=$(cd "$1" && pwd) rounds=${2:-3}
ser=$("$(dirname "$0")/../.ci/target-dir")/release/ser
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$ser" corpus init "$emodb" --name emodb --quiet >/dev/null
pipeline() {
  cat >"pipelines/$1.toml" <<TOML
name = "$1"
[corpus]
kind = "manifest"
name = "emodb"
path = "data/manifests/emodb.csv"
root = "$emodb"
labels = ["anger", "happiness", "neutral", "sadness"]
[features]
sets = ["$2"]
[[experiment]]
name = "svm"
protocol = { kind = "leave-one-speaker-out" }
require = "speaker-disjoint"
inputs = { $3 }
model = { kind = "svm", c = 10 }
TOML
}
pipeline issa193 issa193 'log_mel = true, scaler = "standard"'
pipeline functionals functionals 'scaler = "standard", clip = 10'
{
  echo file,emotion,speaker
  awk -F, -v root="$emodb" 'NR > 1 && ($2 == "anger" || $2 == "happiness" || $2 == "neutral" || $2 == "sadness") { print root "/" $1 "," $2 "," $3 }' data/manifests/emodb.csv
} >list.csv
cat >exp.ini <<INI
[EXP]
root = ./results/
name = loso
runs = 1
epochs = 1
[DATA]
databases = ['emo']
emo = ./list.csv
emo.type = csv
emo.absolute_path = True
emo.split_strategy = random
target = emotion
labels = ['anger', 'happiness', 'neutral', 'sadness']
[FEATS]
type = ['os']
scale = standard
no_reuse = True
[MODEL]
type = svm
logo = 10
INI
TIMEFORMAT='%R s wall, %U + %S s CPU'
for round in $(seq "$rounds"); do
  if [[ -n ${NKULULEKO:-} ]]; then
    rm -rf results
    echo "round $round, nkululeko: $({ time "$NKULULEKO" -m nkululeko.nkululeko --config exp.ini >nkululeko.log 2>&1; } 2>&1)"
  else
    echo "skipped: NKULULEKO names no Python"
  fi
  for name in issa193 functionals; do
    rm -rf runs
    echo "round $round, ser, $name: $({ time "$ser" run "$name" --data-dir runs/data --reports-dir runs/reports -q >ser.log; } 2>&1)"
    grep -o 'UAR [0-9.]* %' ser.log
  done
done
