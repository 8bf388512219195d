#!/bin/sh
# Runs every fuzz target for a while, two at a time, each from a copy of its corpus. A finding is kept
# in BUILD/findings and fails the run. usage: run.sh BUILD_FOLDER SECONDS [TARGET ...]
set -eu
build=$1
seconds=$2
shift 2
corpus=$(cd "$(dirname "$0")" && pwd)/corpus
findings=$build/findings
mkdir -p "$findings"

if [ $# = 0 ]; then
    set -- $(ls "$corpus")
fi

run_target() {
    name=$1
    work=$build/corpus/$name
    mkdir -p "$work"
    status=0
    "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=3072 \
        -max_len=65536 -artifact_prefix="$findings/$name-" -print_final_stats=1 \
        "$work" "$corpus/$name" >"$build/fuzz-$name.log" 2>&1 || status=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/fuzz-$name.log")
    echo "fuzz $name: ${executions:-?} executions in $seconds s, exit $status"
    return "$status"
}

failed=0
while [ $# -gt 0 ]; do
    first=$1
    shift
    run_target "$first" &
    first_pid=$!
    if [ $# -gt 0 ]; then
        second=$1
        shift
        run_target "$second" || failed=1
    fi
    wait "$first_pid" || failed=1
done
[ -z "$(ls -A "$findings")" ] || failed=1
exit "$failed"
