#!/usr/bin/env bash
# Copies a report into the repository, for readers of a clone: pages, figures and tables of results, without what is large or leads to recordings.
#
#   reports/example.sh REPORT DEST
set -euo pipefail
from=$1
to=$2
left_out='predictions\.csv|features\.csv|report\.json|\.\./index\.html|[^"]*data/corpora/[^"]*'

rm -rf "$to"
mkdir -p "$to"
cp -R "$from/figures" "$to/"
cp "$from"/*.html "$from"/*.csv "$from"/*.md "$from"/*.tex "$from"/*.bib "$from/pipeline.toml" "$to/"
rm -f "$to/predictions.csv" "$to/features.csv"
# Links to what is not here become text.
for page in "$to"/*.html; do
  sed -E -i.bak "s#<a [^>]*href=\"($left_out)\"[^>]*>([^<]*)</a>#\2#g" "$page"
  rm "$page.bak"
  if grep -E -o "href=\"($left_out)\"" "$page"; then
    echo "$page still links to these" >&2
    exit 1
  fi
done
