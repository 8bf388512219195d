"""After 10,000 random queries the server's memory is where it was.

usage: query_memory.py [--count N] [--seed S]

No peer is needed; it stands here because it takes the generator and the release build. Memory is what the
kernel counts as resident when all has been given back that is free, once after a warm-up of a quarter of the
queries and once at the end. Threads that share one heap make that exact: of heaps of their own the free end
stays, and which thread a large query meets is chance.
"""

import argparse
import time

import compare_random
import random_data as data
import random_queries

import lab

GROWTH_MAX_KIB = 1024
TRIM_INTERVAL_S = 1


def resident_kib(server):
    with open(f"/proc/{server.popen.pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def trimmed_kib(server):
    """The least of some intervals of maintenance, each of which gives back what is free."""
    least = resident_kib(server)
    for _ in range(10):
        time.sleep(TRIM_INTERVAL_S / 4)
        least = min(least, resident_kib(server))
    return least


def ask(server, seed, numbers):
    peer = compare_random.Peer(server.port)
    for number in numbers:
        maker = random_queries.Maker(f"{seed} {number}", True)
        node = maker.query()
        for when in compare_random.moments(maker.rand):
            parameters = {"query": node.text()}
            if len(when) == 1:
                path, parameters["time"] = "/api/v1/query", when[0]
            else:
                path = "/api/v1/query_range"
                parameters.update(zip(("start", "end", "step"), when))
            peer.ask(path, parameters)
            peer.take()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", default="1")
    options = parser.parse_args()
    checks = lab.Checks("query_memory")
    config = "global: {scrape_interval: 15s, evaluation_interval: 15s}\n"
    flags = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time=100y",
             f"--storage.tsdb.block-reload-interval={TRIM_INTERVAL_S}s", "--enable-feature=" + compare_random.FEATURES]
    server = lab.MonitoringServer(lab.ferula_binary(), config, flags, "ferula")
    server.environment = {"MALLOC_ARENA_MAX": "1"}
    server.start()
    data.load([server], data.Maker(options.seed, True).make())
    loaded = resident_kib(server)
    ask(server, options.seed, range(options.count // 4))
    before = trimmed_kib(server)
    ask(server, options.seed, range(options.count))
    after = trimmed_kib(server)
    print(f"resident: {loaded} KiB loaded, {before} KiB warm, {after} KiB after {options.count} more pairs of queries")
    checks.check(after - before < GROWTH_MAX_KIB, "memory stays", f"{before} KiB to {after} KiB")
    checks.equal(server.stop(), 0, "a clean stop")
    checks.finish()


if __name__ == "__main__":
    main()
