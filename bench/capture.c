/* A file of columns: u32 magic, series, rows, 0; the times; then each series' doubles. */
#include "bench/capture.h"

#include "base/alloc.h"
#include "base/codec.h"
#include "base/compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPTURE_MAGIC 0x31445354u
#define ABSENT_BITS UINT64_C(0x7ff8dead00000001)
#define SERIES_MAX 100000
#define ROWS_MAX 100000
#define NAME_SIZE 4096

bool capture_absent(double value)
{
    return codec_double_bits(value) == ABSENT_BITS;
}

static FILE *open_part(const char *name, const char *part)
{
    const char *shared = getenv("FERULA_SHARED");
    char command[600];
    snprintf(command, sizeof(command), "exec xz -dc '%s/corpus/series/%s.%s.xz' 2>/dev/null",
             shared == NULL ? "../shared" : shared, name, part);
    return popen(command, "r");
}

static bool read_columns(struct capture *capture, FILE *file)
{
    uint32_t head[4];
    if (fread(head, sizeof(head), 1, file) != 1 || head[0] != CAPTURE_MAGIC || head[1] == 0 ||
        head[1] > SERIES_MAX || head[2] == 0 || head[2] > ROWS_MAX)
        return false;
    size_t cells = (size_t)head[1] * head[2];
    capture->series_count = head[1];
    capture->row_count = head[2];
    capture->times_ms = mem_alloc_array(head[2], sizeof(*capture->times_ms));
    capture->values = mem_alloc_array(cells, sizeof(*capture->values));
    return fread(capture->times_ms, sizeof(*capture->times_ms), head[2], file) == head[2] &&
           fread(capture->values, sizeof(*capture->values), cells, file) == cells;
}

static bool read_names(struct capture *capture, FILE *file)
{
    char line[NAME_SIZE];
    capture->names = mem_zalloc_array(capture->series_count, sizeof(*capture->names));
    for (size_t i = 0; i < capture->series_count; i++) {
        if (fgets(line, sizeof(line), file) == NULL)
            return false;
        size_t len = strcspn(line, "\n");
        capture->names[i] = mem_zalloc(len + 1);
        memcpy(capture->names[i], line, len);
    }
    return true;
}

static bool read_part(struct capture *capture, const char *name, const char *part,
                      bool (*read)(struct capture *, FILE *))
{
    FILE *file = open_part(name, part);
    if (file == NULL)
        return false;
    bool whole = read(capture, file);
    pclose(file);
    return whole;
}

struct capture *capture_open(const char *name, bool with_names)
{
    struct capture *capture = mem_zalloc(sizeof(*capture));
    if (read_part(capture, name, "bin", read_columns) &&
        (!with_names || read_part(capture, name, "names", read_names)))
        return capture;
    capture_free(capture);
    return NULL;
}

void capture_free(struct capture *capture)
{
    for (size_t i = 0; capture->names != NULL && i < capture->series_count; i++)
        mem_free(capture->names[i]);
    mem_free(capture->names);
    mem_free(capture->times_ms);
    mem_free(capture->values);
    mem_free(capture);
}
