"""The query suite: hosts of the Time Series Benchmark Suite, 17 queries over them, and what equal answers are."""

import json
import urllib.parse

TSBS_STEP_MS = 10000
TSBS_OFFSET_MS = 3000  # so that no sample lies on the edge of a window or of a look-back

BUCKETS = 'histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))'
RATE = 'rate(net_bytes_total[5m])'

# name, expression, hours and step in seconds (None = instant)
QUERIES = (
    ('one series', 'cpu_usage_user{hostname="host_7"}', None),
    ('raw hour', 'cpu_usage_user[1h]', None),
    ('ten names', '{__name__=~"cpu_usage_.*"}', None),
    ('rate', RATE, None),
    ('rate, 1 h', RATE, (1, 60)),
    ('sum by host of rate, 6 h', f'sum by (hostname) ({RATE})', (6, 60)),
    ('avg by region, 6 h', 'avg by (region) (cpu_usage_user)', (6, 60)),
    ('topk of avg_over_time, 1 h', 'topk(5, avg_over_time(cpu_usage_user[5m]))', (1, 60)),
    ('histogram_quantile, 6 h', BUCKETS, (6, 60)),
    ('histogram_quantile', BUCKETS, None),
    ('max_over_time, 5 h by 1 h', 'max_over_time(cpu_usage_user[1h])', (5, 3600)),
    ('count with regexes', 'count by (region) ({__name__=~"cpu_usage_(user|system)",hostname=~"host_1.*",'
                           'region!~"eu-.*"})', None),
    ('quantile, 1 h by 15 s', 'quantile(0.9, cpu_usage_user)', (1, 15)),
    ('join, 1 h', f'sum by (hostname) ({RATE}) * on (hostname) group_left (version) host_info', (1, 60)),
    ('subquery', 'max_over_time(rate(net_bytes_total[1m])[1h:30s])', None),
    ('filter, 1 h', 'cpu_usage_user > 90', (1, 60)),
    ('count of all', 'count({__name__=~".+"})', None),
)

DASHBOARD = (
    'avg by (region) (cpu_usage_user)',
    'sum by (region) (rate(net_bytes_total[5m]))',
    'max by (datacenter) (cpu_usage_system)',
    'histogram_quantile(0.99, sum by (le, region) (rate(http_request_duration_seconds_bucket[5m])))',
    'sum(rate(http_request_duration_seconds_sum[5m])) / sum(rate(http_request_duration_seconds_count[5m]))',
    'cpu_usage_user{hostname=~"host_1[0-9]"}',
    'topk(5, avg_over_time(cpu_usage_user[5m]))',
    'count by (version) (host_info)',
    'avg by (service) (cpu_usage_idle)',
    'sum by (hostname) (rate(net_packets_total{hostname=~"host_2.*"}[5m]))',
)

# What ferula may take at most for the full data: medians in ms.
TARGETS_MS = {
    'one series': 0.08, 'raw hour': 6, 'ten names': 6, 'rate': 1, 'rate, 1 h': 4, 'sum by host of rate, 6 h': 12,
    'avg by region, 6 h': 4, 'topk of avg_over_time, 1 h': 3, 'histogram_quantile, 6 h': 25, 'histogram_quantile': 4,
    'max_over_time, 5 h by 1 h': 3, 'count with regexes': 0.3, 'quantile, 1 h by 15 s': 4, 'join, 1 h': 6,
    'subquery': 4, 'filter, 1 h': 2, 'count of all': 5,
}


def load(run, server, end_s):
    """The hosts' samples up to end_s."""
    # some minutes more, so that no window reaches before the first sample
    rounds = (run.settings['hours'] * 3600 + 600) * 1000 // TSBS_STEP_MS
    start_ms = end_s * 1000 - rounds * TSBS_STEP_MS + TSBS_OFFSET_MS
    loaded = run.output(*run.writer(server, 'tsbs', run.settings['hosts'], start_ms, TSBS_STEP_MS, 0,
                                    rounds, 'stream'))[0]
    if loaded['failed'] or not loaded['samples']:
        raise RuntimeError(f'{server.name} refused {loaded["failed"]} requests of the load')
    return loaded['samples']


def query_path(expression, span, end_s):
    if span is None:
        # off the grid of subquery steps, since a window that holds its left edge has one step more
        parameters = {'query': expression, 'time': end_s - 4}
        return '/api/v1/query?' + urllib.parse.urlencode({**parameters, 'nocache': 1})
    hours, step = span
    parameters = {'query': expression, 'start': end_s - hours * 3600, 'end': end_s, 'step': step}
    return '/api/v1/query_range?' + urllib.parse.urlencode({**parameters, 'nocache': 1})


def normal(body):
    """An answer with its series in an order that does not depend on the server, numbers as numbers."""
    answer = json.loads(body)
    data = answer.get('data', {})
    result = data.get('result', [])
    if data.get('resultType') in ('vector', 'matrix'):
        rows = {}
        for row in result:
            key = json.dumps(row['metric'], sort_keys=True)
            rows[key] = [(at, float(value)) for at, value in row.get('values', [row.get('value')])]
        return rows
    return result


def by_time(rows):
    """What a query of the largest values says at each time, whichever of equal series it names."""
    times = {}
    for values in rows.values():
        for at, value in values:
            times.setdefault(at, []).append(value)
    return {str(at): [(at, value) for value in sorted(values)] for at, values in times.items()}


def same(left, right, any_of_equals=False):
    """Equal up to the order of additions."""
    if any_of_equals and isinstance(left, dict) and isinstance(right, dict):
        left, right = by_time(left), by_time(right)
    if type(left) is not type(right) or not isinstance(left, dict) or left.keys() != right.keys():
        return left == right
    for key, values in left.items():
        if len(values) != len(right[key]):
            return False
        for (time_a, a), (time_b, b) in zip(values, right[key]):
            if time_a != time_b or not (a == b or (a != a and b != b) or
                                        abs(a - b) <= 1e-9 * max(abs(a), abs(b))):
                return False
    return True


def time_query(run, server, name, path):
    """(median latency in ms, CPU time in ms, answer), None where it failed. Other work on the machine hardly touches
    the CPU time, which has the warm-up in it, too."""
    runs = run.settings['runs']
    before = server.thread_cpu_s()
    result = run.output(run.tool('bench_query_client'), str(server.port), 'turn', str(runs),
                        stdin=f'{name}\t{path}\n')[0]
    cpu_s = server.thread_cpu_s() - before
    status, body = server.get(path)
    if result['failed'] or result['status'] != 200 or status != 200:
        return None, None, None
    return result['median_ms'], cpu_s / (runs + 1) * 1000, normal(body)
