#include "base/memory_budget.h"

#include "base/assert.h"

#include <stdatomic.h>

#define BYTES_PER_MIB ((double)((uint64_t)1 << 20))

void memory_budget_init(struct memory_budget *budget, uint64_t limit_bytes)
{
    *budget = (struct memory_budget){.limit_bytes = limit_bytes};
}

void memory_budget_note_storage(struct memory_budget *budget, uint64_t bytes)
{
    if (budget != NULL)
        budget->storage_bytes = bytes;
}

bool memory_budget_take(struct memory_budget *budget, uint64_t bytes)
{
    if (budget == NULL)
        return true;
    uint64_t limit_bytes = budget->limit_bytes;
    uint64_t taken = budget->query_bytes;
    do {
        uint64_t storage = budget->storage_bytes;
        bool fits = storage <= limit_bytes && taken <= limit_bytes - storage &&
                    bytes <= limit_bytes - storage - taken;
        if (limit_bytes > 0 && !fits)
            return false;
    } while (!atomic_compare_exchange_weak(&budget->query_bytes, &taken, taken + bytes));
    return true;
}

void memory_budget_give(struct memory_budget *budget, uint64_t bytes)
{
    if (budget == NULL)
        return;
    uint64_t before = atomic_fetch_sub(&budget->query_bytes, bytes);
    ASSERT(before >= bytes);
}

void memory_budget_refuse(struct memory_budget *budget, uint64_t bytes, struct buf *out_text)
{
    budget->refused_count++;
    buf_printf(out_text,
               "query needs %.1f MiB of memory more than is free: of the %.0f MiB of "
               "--storage.memory-limit, storage holds %.1f MiB and running queries hold %.1f MiB",
               (double)bytes / BYTES_PER_MIB, (double)budget->limit_bytes / BYTES_PER_MIB,
               (double)budget->storage_bytes / BYTES_PER_MIB,
               (double)budget->query_bytes / BYTES_PER_MIB);
}
