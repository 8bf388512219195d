/*
 * A run of storage through everything that it does with files: rows of a group, loose samples,
 * histograms, exemplars, samples out of order, maintenance (which cuts, merges and truncates), sealing,
 * a deletion, a clean stop in between. What was acknowledged is remembered, so that whatever happens
 * to the files can be judged afterwards: a value follows from its series and time alone.
 *
 * Eleven hours pass in steps of five minutes; slot 2n is the sample at step n, slot 2n + 1 one that
 * came late, a second after it.
 */
#pragma once

#include "base/buf.h"
#include "tests/support/fault_fs.h"
#include "tsdb/appender.h"
#include "tsdb/tsdb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCENARIO_STEPS 132
#define SCENARIO_SLOTS (2 * SCENARIO_STEPS)
#define SCENARIO_SERIES 8
#define SCENARIO_STEP_MS 300000
#define SCENARIO_DELETIONS 2
/* The start of two hours. */
#define SCENARIO_FIRST_MS INT64_C(1699999200000)

enum scenario_fate {
    SCENARIO_ABSENT,  /* not sent, or refused: may not be there */
    SCENARIO_PRESENT, /* acknowledged */
    SCENARIO_EITHER,  /* an error came, after which it may be there or not */
};

struct scenario_slot {
    uint8_t fate;
    uint8_t commit; /* the step that brought it */
    bool seen;      /* at the last check */
    bool missing;   /* acknowledged and not seen at the last check */
};

struct storage_scenario {
    struct tsdb_options options;
    struct fault_fs *faults; /* NULL = none */
    bool is_power_cut;       /* ends with the first commit that fails */
    bool no_restart;         /* no clean stop in between */
    struct tsdb *db;
    struct sample_group *group;
    struct scenario_slot slots[SCENARIO_SERIES][SCENARIO_SLOTS];
    struct scenario_deletion {
        enum scenario_fate fate; /* PRESENT = the samples are gone */
        uint64_t segment;        /* of the log */
    } deletions[SCENARIO_DELETIONS];
    uint64_t segments[SCENARIO_STEPS]; /* in which the step's commit is */
};

/* What a check saw. */
struct scenario_findings {
    size_t wrong;      /* samples that may not be there, other values, halves of a commit */
    size_t missing;    /* of what was acknowledged */
    size_t unreadable; /* reads that ended in an error */
    struct buf text;   /* the first wrong and the first missing one, and all errors */
};

/* The directory is the caller's; `faults` may be NULL. */
void scenario_init(struct storage_scenario *scenario, const char *directory,
                   struct fault_fs *faults);
/* Everything, from opening to before the last close; false when a power cut ended it early. */
bool scenario_run(struct storage_scenario *scenario);
void scenario_open(struct storage_scenario *scenario);
void scenario_close(struct storage_scenario *scenario);

/* Reads everything, hour by hour, so that an error hides no more than it must. */
void scenario_check(struct storage_scenario *scenario, struct tsdb *db,
                    struct scenario_findings *out);
void scenario_findings_release(struct scenario_findings *findings);
int64_t scenario_slot_ms(size_t slot);
