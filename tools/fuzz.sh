#!/usr/bin/env bash
# tools/fuzz.sh BUILD_DIR NAME|all SECONDS: runs libFuzzer targets on a copy of their corpora.
set -euo pipefail
build=$1 name=$2 seconds=$3
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0 found=0
for target in "$build"/tests/fuzz/fuzz_*; do
  [ -x "$target" ] && [ -f "$target" ] || continue
  short=$(basename "$target")
  short=${short#fuzz_}
  [ "$name" = all ] || [ "$name" = "$short" ] || continue
  found=$((found + 1))
  mkdir -p "$scratch/$short" "$build/findings"
  corpus="$root/tests/fuzz/corpus/$short"
  [ -d "$corpus" ] || corpus=
  if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
      -artifact_prefix="$build/findings/$short-" "$scratch/$short" $corpus \
      >"$scratch/$short.log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/$short.log")
    # The edges of the code that some input has reached, as libFuzzer last told.
    edges=$(sed -n 's/.* cov: *\([0-9]*\) .*/\1/p' "$scratch/$short.log" | tail -n 1)
    printf '%-28s ok      %12s runs in %s s, %s edges covered\n' \
      "$short" "$runs" "$seconds" "${edges:-0}"
  else
    failed=$((failed + 1))
    printf '%-28s FAILED\n' "$short"
    tail -n 40 "$scratch/$short.log"
  fi
done
[ "$found" -gt 0 ] || { echo "no fuzz target is called '$name'" >&2; exit 2; }
echo "fuzz: $found targets, $failed failed"
[ "$failed" -eq 0 ]
