/*
 * The `_created` lines of OpenMetrics 1.0 as start timestamps of the samples beside them: a line of
 * a counter, histogram or summary that says since when it counts, and so is no sample of its own.
 *
 *     # TYPE a counter
 *     a_total{x="1"} 5
 *     a_created{x="1"} 1700000000      the sample above counts since then
 *
 * The line stands behind the samples that it is about, so the parser looks ahead: once for all
 * samples up to that line, or up to the end of the family.
 *
 * Private to exposition/. Thread-safety: one owner.
 */
#pragma once

#include "base/arena.h"
#include "exposition/exposition.h"
#include "exposition/lexer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct created_lines {
    struct arena arena;
    struct slice family; /* of the last TYPE line */
    /* private: what was found ahead holds for samples before `until` */
    size_t until;
    bool found;
    uint64_t key; /* of the metric that it is about */
    int64_t start_ms;
};

void created_lines_init(struct created_lines *lines);
void created_lines_release(struct created_lines *lines);
/* Is this series such a line? */
bool created_lines_is(struct created_lines *lines, const struct exposition_series *series);
/* Since when the sample of a series counts, 0 = not known. The lexer stands behind its line. */
int64_t created_lines_find(struct created_lines *lines, const struct exposition_lexer *lexer,
                           const struct exposition_series *series);
