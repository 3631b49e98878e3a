#!/usr/bin/env bash
# Looks at every page below the given folders in a real browser; says so where there is none.
#
#   run.sh SHOTS FOLDER...
#
# SHOTS is where screenshots at three widths, light and dark, are left.
set -euo pipefail

shots=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
export CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
for needed in node npm; do
  if ! command -v "$needed" >/dev/null; then
    echo "skipped: no $needed"
    exit 0
  fi
done
if [[ -z $CHROMIUM ]]; then
  echo "skipped: no Chromium"
  exit 0
fi
if [[ ! -d $here/node_modules/axe-core ]] && ! (cd "$here" && npm ci --no-audit --no-fund --loglevel=error); then
  echo "skipped: the packages of tests/browser/package-lock.json cannot be fetched"
  exit 0
fi
for folder in "$@"; do
  node "$here/check.mjs" "$folder" "$shots/$(basename "$folder")"
done
