#!/usr/bin/env bash
# Builds the fuzz targets as an ordinary release build, which shares what the program has compiled, and runs each once over the seeds and
# over what earlier campaigns found. Takes seconds where the program is built.
set -euo pipefail
cd "$(dirname "$0")/.."
# libFuzzer is C++.
if ! command -v "${CXX:-c++}" >/dev/null; then
  if command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
    apt-get -o DPkg::Lock::Timeout=300 -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends g++ >/dev/null
  else
    echo "skipped: no C++ compiler for libFuzzer (install g++)"
    exit 0
  fi
fi
"${CARGO:-cargo}" build --release -p ser-fuzz --bins --example seeds
built=$(.ci/target-dir)/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$built/examples/seeds" "$work/seeds"
for source in fuzz/fuzz_targets/*.rs; do
  target=$(basename "$source" .rs)
  inputs=("$work/seeds/$target")
  [[ -d fuzz/regressions/$target ]] && inputs+=("fuzz/regressions/$target")
  # A file for each input: libFuzzer reads a folder's files in any order and stops at the first that fails, without its name.
  mapfile -t files < <(find "${inputs[@]}" -type f | LC_ALL=C sort)
  if ! "$built/$target" -timeout=10 -rss_limit_mb=2048 "${files[@]}" >"$work/log" 2>&1; then
    tail -n 40 "$work/log"
    echo "error: the fuzz target $target fails on an input" >&2
    exit 1
  fi
  echo "$target: ${#files[@]} inputs"
done
