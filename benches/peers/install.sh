#!/usr/bin/env bash
# Makes a virtual environment target/peers/NAME for every requirements-NAME.txt beside this file.
#
#   install.sh PYTHON FOLDER [NAME...]
#
# One that was made from the same requirements by the same Python is left as it is. One that cannot be made does not stop the others: why
# is kept in FOLDER/NAME.why, and `make bench` shows it.
set -uo pipefail

python=$1 folder=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
if [[ $# -eq 0 ]]; then
  for file in "$here"/requirements-*.txt; do
    name=${file##*/requirements-}
    set -- "$@" "${name%.txt}"
  done
fi
if ! version=$("$python" -VV 2>&1); then
  echo "install.sh: $python does not run: install Python 3.11 with its venv module, or name another with PYTHON=" >&2
  exit 1
fi
mkdir -p "$folder" || exit 1

failed=0
for name in "$@"; do
  requirements=$here/requirements-$name.txt venv=$folder/$name log=$folder/$name.log why=$folder/$name.why
  if [[ ! -f $requirements ]]; then
    echo "install.sh: there is no $requirements" >&2
    exit 2
  fi
  wanted=$(echo "$version"; cat "$requirements")
  if [[ -x $venv/bin/python && -f $venv/made-from && $(<"$venv/made-from") == "$wanted" ]]; then
    echo "$name: up to date"
    continue
  fi
  echo "$name: installing into $venv (log: $log)"
  rm -rf "$venv" "$why"
  if "$python" -m venv "$venv" >"$log" 2>&1 && "$venv/bin/python" -m pip install --quiet -r "$requirements" >>"$log" 2>&1; then
    printf '%s\n' "$wanted" >"$venv/made-from"
  else
    failed=$((failed + 1))
    rm -rf "$venv"
    { grep -i error "$log" || cat "$log"; } | grep -v '^ *$' | tail -n 1 >"$why"
    [[ -s $why ]] || echo "without a message: see $log" >"$why"
    echo "$name: not installed: $(<"$why")" >&2
  fi
done
if [[ $failed -gt 0 ]]; then
  echo "$failed of $# peers could not be installed: make bench shows them as not measured" >&2
fi
