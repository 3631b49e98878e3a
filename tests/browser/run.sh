#!/usr/bin/env bash
# Looks at every page below the given folders in a real browser; says so where there is none, or fails there where SER_REQUIRE contains "browser".
#
#   run.sh SHOTS FOLDER...
#
# SHOTS is where screenshots at three widths, light and dark, are left.
set -euo pipefail

shots=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
lacks() {
  if [[ " ${SER_REQUIRE:-} " == *" browser "* ]]; then
    echo "failed: $1, and SER_REQUIRE demands a browser" >&2
    exit 1
  fi
  echo "skipped: $1"
  exit 0
}
# A browser in a snap, as chromium-browser often is, sees neither /tmp nor hidden folders: it comes last.
export CHROMIUM=${CHROMIUM:-$(command -v google-chrome || command -v chromium || command -v chromium-browser || true)}
for needed in node npm; do
  command -v "$needed" >/dev/null || lacks "no $needed"
done
[[ -n $CHROMIUM ]] || lacks "no Chromium"
if [[ ! -d $here/node_modules/axe-core ]] && ! (cd "$here" && npm ci --no-audit --no-fund --loglevel=error); then
  lacks "the packages of tests/browser/package-lock.json cannot be fetched"
fi
for folder in "$@"; do
  node "$here/check.mjs" "$folder" "$shots/$(basename "$folder")"
done
