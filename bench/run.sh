#!/bin/sh
# Builds the load generators in a release build and sets ferula beside prometheus and victoria-metrics.
# usage: run.sh RELEASE_BUILD [--full] [other options of side_by_side.py]
#        run.sh RELEASE_BUILD disk [HOURS [PREFIX]] [--shapes LIST]    what samples cost on disk
set -eu
build=$1
shift
if [ "${1:-}" = disk ]; then
    shift
    ninja -C "$build" --quiet bench/disk_figures
    exec python3 "$(dirname "$0")/disk_sizes.py" "$build" "$@"
fi
ninja -C "$build" --quiet bench/bench_targets bench/bench_remote_writer bench/bench_query_client
exec python3 "$(dirname "$0")/side_by_side.py" --build "$build" --json "$build/side_by_side.json" "$@"
