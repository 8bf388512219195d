#include "tool/block_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "model/duration.h"

#define COLUMNS 8
#define COLUMN_WIDTH_MIN 13
#define COLUMN_GAP 2
#define CELL_SIZE_MAX 256

static const char *const titles[COLUMNS] = {
    "BLOCK ULID",  "MIN TIME",   "MAX TIME",   "DURATION",
    "NUM SAMPLES", "NUM CHUNKS", "NUM SERIES", "SIZE",
};

struct row {
    struct buf cells[COLUMNS];
};

static void print_time(int64_t time_ms, bool human_readable, struct buf *out)
{
    struct tm parts;
    char text[64];
    time_t seconds = (time_t)(time_ms / 1000);
    if (!human_readable)
        buf_append_int(out, time_ms);
    else if (gmtime_r(&seconds, &parts) != NULL &&
             strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S +0000 UTC", &parts) > 0)
        buf_append_str(out, text);
}

/* 1GiB20MiB3B: each unit that is there. */
static void print_bytes(uint64_t bytes, bool human_readable, struct buf *out)
{
    static const char *const units[] = {"EiB", "PiB", "TiB", "GiB", "MiB", "KiB", "B"};
    if (!human_readable) {
        buf_append_uint(out, bytes);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        uint64_t part = bytes >> (10 * (ARRAY_SIZE(units) - 1 - i)) & (i == 0 ? UINT64_MAX : 1023);
        if (part > 0 || (bytes == 0 && i == ARRAY_SIZE(units) - 1))
            buf_printf(out, "%" PRIu64 "%s", part, units[i]);
    }
}

static void fill_row(const struct data_block *block, bool human_readable, struct row *row)
{
    const struct block_meta *meta = &block->meta;
    for (size_t i = 0; i < COLUMNS; i++)
        buf_init(&row->cells[i], CELL_SIZE_MAX);
    buf_append_str(&row->cells[0], meta->ulid.text);
    print_time(meta->min_ms, human_readable, &row->cells[1]);
    print_time(meta->max_ms, human_readable, &row->cells[2]);
    duration_print_go((meta->max_ms - meta->min_ms) * 1000000, &row->cells[3]);
    buf_append_uint(&row->cells[4], meta->stats.samples);
    buf_append_uint(&row->cells[5], meta->stats.chunks);
    buf_append_uint(&row->cells[6], meta->stats.series);
    print_bytes(block->size_bytes, human_readable, &row->cells[7]);
}

static void print_cell(const char *text, size_t width, bool is_last)
{
    printf("%-*s", is_last ? 0 : (int)width, text);
    if (is_last)
        putchar('\n');
}

void block_table_print(const struct data_block *blocks, size_t count, bool header,
                       bool human_readable)
{
    struct row *rows = mem_alloc_array(count, sizeof(*rows));
    size_t widths[COLUMNS];
    for (size_t k = 0; k < COLUMNS; k++)
        widths[k] = MAX((size_t)COLUMN_WIDTH_MIN, header ? strlen(titles[k]) + COLUMN_GAP : 0);
    for (size_t i = 0; i < count; i++) {
        fill_row(&blocks[i], human_readable, &rows[i]);
        for (size_t k = 0; k < COLUMNS; k++)
            widths[k] = MAX(widths[k], rows[i].cells[k].len + COLUMN_GAP);
    }
    for (size_t k = 0; header && k < COLUMNS; k++)
        print_cell(titles[k], widths[k], k == COLUMNS - 1);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < COLUMNS; k++) {
            print_cell(buf_cstr(&rows[i].cells[k]), widths[k], k == COLUMNS - 1);
            buf_release(&rows[i].cells[k]);
        }
    }
    mem_free(rows);
}
