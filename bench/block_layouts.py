"""The query suite over the same samples in several layouts: in the head, in fresh blocks, in compacted ones,
mixed, and in many small blocks.

The layouts are made by the server itself, by its flags for the spans of blocks. Samples end where a range of 18 hours
begins, or six hours later, so that blocks fill the ranges into which they are merged.
"""

import json
import time

from query_suite import QUERIES, TARGETS_MS, load, normal, query_path, same, time_query

RANGE_S = 18 * 3600  # a multiple of the spans that blocks are merged into: 6 h and 4.5 h
WAIT_S = 240  # maintenance comes once a minute

# A layout: flags, whether later samples of other series push the last ones out of the head, and the hours that its
# blocks span in the end, oldest first, without the one of the first ten minutes.
LAYOUTS = {
    'head': (['31d', '31d'], False, []),
    'fresh': (['2h', '2h'], True, [2, 2, 2]),
    'compacted': (['2h', '6h'], True, [6]),
    'mix': (['30m', '4h30m'], False, [4.5, 0.5, 0.5]),
    '60 blocks': (['6m', '6m'], True, [0.1] * 60),
}


def end_of_data(run):
    """The same for all servers: the newest such time whose six hours are a day old."""
    return (int(time.time()) - 86400) // RANGE_S * RANGE_S + run.settings['hours'] * 3600


def spans_of_blocks(server):
    """Hours"""
    status, body = server.get('/api/v1/status/tsdb/blocks')
    if status != 200:
        raise RuntimeError(f'{server.name} answers {status} when it is asked for its blocks')
    blocks = json.loads(body)['data']['blocks']
    return [round((block['maxTime'] - block['minTime']) / 3600000, 1) for block in blocks]


def wait_for_blocks(server, hours):
    deadline = time.monotonic() + WAIT_S
    while (found := spans_of_blocks(server)[1:1 + len(hours)]) != hours:
        if time.monotonic() > deadline:
            raise RuntimeError(f'blocks span {found} hours, not {hours}')
        time.sleep(2)


def push_out(run, server, end_s):
    """Samples of other series, an hour apart, until none of the hosts' is in the head."""
    for hour in range(5):
        if run.output(*run.writer(server, 'node', 1, (end_s + 3600) * 1000, 3600000, hour, 1, 'stream'))[0]['failed']:
            raise RuntimeError(f'{server.name} refused later samples')


def span_flags(span_min, span_max):
    return [f'--storage.tsdb.min-block-duration={span_min}', f'--storage.tsdb.max-block-duration={span_max}']


def make_layout(run, server, layout, end_s):
    """Loads into the head alone, which with short blocks would refuse samples that come a little late."""
    spans, pushed, hours = LAYOUTS[layout]
    server.clear()
    server.start(flags=span_flags(*LAYOUTS['head'][0]))
    load(run, server, end_s)
    server.stop()
    server.start(flags=span_flags(*spans))
    if pushed:
        push_out(run, server, end_s)
    wait_for_blocks(server, hours)
    server.settle()


def ask_all(run, server, column, end_s):
    measured = run.layouts[column] = {}
    for name, expression, span in QUERIES:
        measured[name] = time_query(run, server, name, query_path(expression, span, end_s))
    _, anonymous = server.memory()
    measured['anonymous RSS after them, MB'] = anonymous / 1e6


def stage_blocks(run, server):
    """ferula in all layouts, others as they are."""
    end_s = end_of_data(run)
    if server.name != 'ferula':
        server.clear()
        server.start()
        load(run, server, end_s)
        server.settle()
        ask_all(run, server, server.name, end_s)
        return
    for layout in LAYOUTS:
        make_layout(run, server, layout, end_s)
        ask_all(run, server, layout, end_s)
        server.stop()


def compare_layouts(run):
    """Which answers from blocks are not those from the head, to the last digit, or not the reference's."""
    lines = []
    for name, _, _ in QUERIES:
        answers = {column: measured[name][2] for column, measured in run.layouts.items()}
        for column, answer in answers.items():
            if column in LAYOUTS and answer != answers['head']:
                lines.append(f'ANSWER DIFFERS: {name}: {column} and head')
        if 'prometheus' in answers and not same(answers['head'], answers['prometheus'], name.startswith('topk')):
            lines.append(f'ANSWER DIFFERS: {name}: head and prometheus')
    return lines


def layouts_figures(run):
    """Without the answers."""
    return {column: {name: value if isinstance(value, float) else value[:2] for name, value in measured.items()}
            for column, measured in run.layouts.items()}


def cell(measured):
    latency_ms, cpu_ms, _ = measured
    return '-' if latency_ms is None else f'{latency_ms:.3g} ({cpu_ms:.3g})'


def layouts_table(run):
    """Medians and in brackets CPU times."""
    if not run.layouts:
        return []
    lines = ['', '| ms (CPU ms) | target | ' + ' | '.join(run.layouts) + ' |', '|---' * (2 + len(run.layouts)) + '|']
    for name, _, _ in QUERIES:
        cells = [cell(measured[name]) for measured in run.layouts.values()]
        lines.append(f'| {name} | {TARGETS_MS[name]} | ' + ' | '.join(cells) + ' |')
    memory = [f'{measured["anonymous RSS after them, MB"]:.0f}' for measured in run.layouts.values()]
    lines.append('| anonymous RSS after them, MB | | ' + ' | '.join(memory) + ' |')
    return lines
