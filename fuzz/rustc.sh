#!/usr/bin/env bash
# Stands in for rustc (RUSTC_WRAPPER) in a build to fuzz with, where cargo-fuzz and its nightly toolchain are not wanted: coverage and
# AddressSanitizer in the crates that look at foreign bytes, and in nothing else, so that the other four hundred compile as fast as ever.
set -euo pipefail
rustc=$1
shift
name= optimised=
previous=
for argument in "$@"; do
  [[ $previous == --crate-name ]] && name=$argument
  [[ $argument == opt-level=3 ]] && optimised=yes
  previous=$argument
done
coverage=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares)
# AddressSanitizer is an unstable option; SANITIZER= leaves it out.
address=()
[[ -n ${SANITIZER-address} ]] && address=("-Zsanitizer=${SANITIZER-address}")
case $name in
  # These hold little unsafe code and much else, which need not be fast.
  ser | ser_fuzz) options=("${coverage[@]}" -Cdebug-assertions=on -Coverflow-checks=on -Copt-level=1) ;;
  symphonia* | parquet | csv | csv_core | zip)
    options=("${coverage[@]}" "${address[@]}") ;;
  archive | audio | labels | manifest | model | pipeline | table) options=("${address[@]}") ;;
  *) options=() ;;
esac
# Build scripts and what they use run on this machine while it compiles.
[[ -z $optimised ]] && options=()
[[ ${#options[@]} -gt 0 ]] && export RUSTC_BOOTSTRAP=1
exec "$rustc" "$@" "${options[@]}"
