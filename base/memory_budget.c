#include "base/memory_budget.h"

#include "base/assert.h"

#include <stdatomic.h>
#include <string.h>

#define BYTES_PER_MIB ((double)((uint64_t)1 << 20))
/* What is on its way in may have this part of the limit, and never has to do with less than that. */
#define INTAKE_SHARE 4
#define INTAKE_BYTES_MIN ((uint64_t)64 << 20)

#define HOLD_BYTES_FREE ((uint64_t)1 << 20)
#define HOLD_BYTES_STEP ((uint64_t)1 << 20)

void memory_budget_init(struct memory_budget *budget, uint64_t limit_bytes)
{
    *budget = (struct memory_budget){.limit_bytes = limit_bytes};
}

void memory_budget_note(struct memory_budget *budget, enum memory_part part, uint64_t bytes)
{
    ASSERT(part == MEMORY_STORAGE || part == MEMORY_BLOCKS);
    if (budget != NULL)
        budget->bytes[part] = bytes;
}

/* What storage leaves of the limit. */
static uint64_t left_by_storage(const struct memory_budget *budget)
{
    uint64_t storage = budget->bytes[MEMORY_STORAGE];
    uint64_t blocks = budget->bytes[MEMORY_BLOCKS];
    uint64_t limit = budget->limit_bytes;
    return storage > limit || blocks > limit - storage ? 0 : limit - storage - blocks;
}

static bool raise_within(_Atomic uint64_t *counter, uint64_t bytes, uint64_t limit)
{
    uint64_t taken = *counter;
    do {
        if (taken > limit || bytes > limit - taken)
            return false;
    } while (!atomic_compare_exchange_weak(counter, &taken, taken + bytes));
    return true;
}

static bool is_intake(enum memory_part part)
{
    return part == MEMORY_REQUESTS || part == MEMORY_SCRAPES;
}

bool memory_budget_take(struct memory_budget *budget, enum memory_part part, uint64_t bytes)
{
    ASSERT(part >= MEMORY_QUERIES && part < MEMORY_PARTS);
    if (budget == NULL)
        return true;
    bool limited = budget->limit_bytes > 0;
    if (is_intake(part)) {
        uint64_t share = MAX(budget->limit_bytes / INTAKE_SHARE, INTAKE_BYTES_MIN);
        if (!raise_within(&budget->bytes[part], bytes, limited ? share : UINT64_MAX))
            return false;
        budget->taken_bytes += bytes;
        return true;
    }
    if (!raise_within(&budget->taken_bytes, bytes, limited ? left_by_storage(budget) : UINT64_MAX))
        return false;
    budget->bytes[part] += bytes;
    return true;
}

void memory_budget_give(struct memory_budget *budget, enum memory_part part, uint64_t bytes)
{
    if (budget == NULL)
        return;
    uint64_t before = atomic_fetch_sub(&budget->bytes[part], bytes);
    ASSERT(before >= bytes);
    budget->taken_bytes -= bytes;
}

void memory_budget_refuse(struct memory_budget *budget, uint64_t bytes, struct buf *out_text)
{
    uint64_t storage = budget->bytes[MEMORY_STORAGE] + budget->bytes[MEMORY_BLOCKS];
    uint64_t queries = budget->bytes[MEMORY_QUERIES] + budget->bytes[MEMORY_ANSWERS];
    uint64_t intake = budget->bytes[MEMORY_REQUESTS] + budget->bytes[MEMORY_SCRAPES];
    budget->refused_count++;
    buf_printf(out_text,
               "query needs %.1f MiB of memory more than is free: of the %.0f MiB of "
               "--storage.memory-limit, storage holds %.1f MiB, running queries hold %.1f MiB and "
               "what comes in %.1f MiB",
               (double)bytes / BYTES_PER_MIB, (double)budget->limit_bytes / BYTES_PER_MIB,
               (double)storage / BYTES_PER_MIB, (double)queries / BYTES_PER_MIB,
               (double)intake / BYTES_PER_MIB);
}

const char *memory_part_name(enum memory_part part)
{
    static const char *const names[MEMORY_PARTS] = {"storage", "blocks",   "queries",
                                                    "answers", "requests", "scrapes"};
    return names[part];
}

void memory_hold_init(struct memory_hold *hold, struct memory_budget *budget, enum memory_part part)
{
    *hold = (struct memory_hold){.budget = budget, .part = part, .granted = HOLD_BYTES_FREE};
}

void memory_hold_release(struct memory_hold *hold)
{
    memory_budget_give(hold->budget, hold->part, hold->taken);
    *hold = (struct memory_hold){0};
}

enum err memory_hold_grow(struct memory_hold *hold, uint64_t bytes, struct errbuf *err)
{
    uint64_t missing = bytes - (hold->granted - hold->used);
    uint64_t taken = MAX(missing, HOLD_BYTES_STEP);
    if (!memory_budget_take(hold->budget, hold->part, taken)) {
        taken = missing;
        if (!memory_budget_take(hold->budget, hold->part, taken)) {
            struct buf text CLEANUP(buf_release);
            buf_init(&text, 1024);
            memory_budget_refuse(hold->budget, missing, &text);
            return errbuf_set(err, ERR_LIMIT, "%s", buf_cstr(&text));
        }
    }
    hold->taken += taken;
    hold->granted += taken;
    hold->used += bytes;
    return ERR_NONE;
}

/* What an arena adds to each piece, at most. */
#define ARENA_PIECE_BYTES 16

void *memory_hold_alloc(struct memory_hold *hold, struct arena *arena, size_t size,
                        struct errbuf *err)
{
    if (memory_hold_take(hold, (uint64_t)size + ARENA_PIECE_BYTES, err) != ERR_NONE)
        return NULL;
    void *room = arena_try_alloc(arena, size);
    if (room == NULL)
        errbuf_set(err, ERR_LIMIT, "the answer needs more than %zu bytes of memory",
                   arena->size_max);
    return room;
}

bool memory_hold_text(struct memory_hold *hold, struct arena *arena, struct slice text,
                      struct slice *out, struct errbuf *err)
{
    char *copy = memory_hold_alloc(hold, arena, text.len + 1, err);
    if (copy == NULL)
        return false;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *out = slice_from(copy, text.len);
    return true;
}
