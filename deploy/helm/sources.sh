#!/bin/sh
# A hash of everything that helm makes the examples from; the rendered files carry it, so that a test sees when they are stale.
cd "$(dirname "$0")" || exit 1
find tidegate examples -type f | LC_ALL=C sort | while read -r file; do
  echo "$file"
  cat "$file"
done | sha256sum | cut -d ' ' -f 1
