#!/bin/sh
# Starts ferula with a configuration that works at once: it scrapes itself, and a node_exporter where
# one listens. usage: run.sh BINARY PORT DATA_FOLDER
set -eu

binary=$1
port=$2
data=$3

mkdir -p "$data"
config=$data/prometheus.yml
if [ ! -e "$config" ]; then
    {
        cat <<CONFIG
global:
  scrape_interval: 5s

scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ["localhost:$port"]
CONFIG
        if (exec 3<>/dev/tcp/127.0.0.1/9100) 2>/dev/null ||
            python3 -c 'import socket; socket.create_connection(("127.0.0.1", 9100), 1)' 2>/dev/null; then
            cat <<CONFIG
  - job_name: node
    static_configs:
      - targets: ["localhost:9100"]
CONFIG
        fi
    } >"$config"
fi

cat <<HINT
ferula starts with $config and keeps its data in $data. Look at
  http://localhost:$port/                               the pages: queries, targets, alerts
  http://localhost:$port/api/v1/targets                 what is scraped
  http://localhost:$port/api/v1/query?query=up          a first query
  http://localhost:$port/metrics                        what ferula says of itself
In Grafana: Connections, Prometheus, URL http://localhost:$port, Save & Test.
HINT
exec "$binary" --config.file="$config" --storage.tsdb.path="$data/tsdb" \
    --web.listen-address="0.0.0.0:$port" --web.enable-lifecycle --web.enable-remote-write-receiver
