#!/bin/sh
# Runs every peer test and prints one line a test: "peers NAME: N passed, N failed".
set -u
cd "$(dirname "$0")"
status=0
for name in compare_scrape compare_expressions compare_native compare_random compare_random_storage query_memory compare_alerts migration pages \
    walk_through; do
    log=$(mktemp)
    /usr/bin/python3 "$name.py" >"$log" 2>&1 || status=1
    sed '$d' "$log"
    tail -n 1 "$log" | grep -Eq '^[0-9]+ passed, [0-9]+ failed' || {
        tail -n 1 "$log"
        echo "0 passed, 1 failed" >>"$log"
    }
    echo "peers ${name#compare_}: $(tail -n 1 "$log")"
    rm -f "$log"
done
exit "$status"
