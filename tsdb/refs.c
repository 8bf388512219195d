/* The directory grows by copying; readers may still hold the old one, so it is retired. */
#include "tsdb/refs.h"

#include "base/alloc.h"
#include "base/assert.h"

#define REFS_DIRECTORY_FIRST 16

static struct refs_directory *directory_new(size_t count)
{
    struct refs_directory *directory =
        mem_zalloc(sizeof(*directory) + count * sizeof(directory->pages[0]));
    directory->count = count;
    return directory;
}

void refs_init(struct refs *refs, struct isolation *isolation)
{
    refs->isolation = isolation;
    refs->directory = directory_new(REFS_DIRECTORY_FIRST);
    refs->next = 1;
}

void refs_release(struct refs *refs)
{
    struct refs_directory *directory = refs->directory;
    for (size_t i = 0; i < directory->count; i++)
        mem_free(directory->pages[i]);
    mem_free(directory);
    refs->directory = NULL;
}

series_ref refs_take(struct refs *refs)
{
    return refs->next++;
}

static void directory_grow(struct refs *refs, size_t page_index)
{
    struct refs_directory *old = refs->directory;
    struct refs_directory *grown = directory_new(MAX(old->count * 2, page_index + 1));
    for (size_t i = 0; i < old->count; i++)
        grown->pages[i] = (struct refs_page *)old->pages[i];
    refs->directory = grown;
    isolation_retire(refs->isolation, old, mem_free);
}

void refs_set(struct refs *refs, series_ref ref, struct series *series)
{
    size_t page_index = ref >> REFS_PAGE_BITS;
    if (page_index >= ((struct refs_directory *)refs->directory)->count)
        directory_grow(refs, page_index);
    struct refs_directory *directory = refs->directory;
    struct refs_page *page = directory->pages[page_index];
    if (page == NULL) {
        page = mem_zalloc(sizeof(*page));
        directory->pages[page_index] = page;
    }
    ASSERT(page->series[ref & (REFS_PAGE_SIZE - 1)] == NULL);
    page->series[ref & (REFS_PAGE_SIZE - 1)] = series;
    page->live++;
}

void refs_clear(struct refs *refs, series_ref ref)
{
    struct refs_directory *directory = refs->directory;
    struct refs_page *page = directory->pages[ref >> REFS_PAGE_BITS];
    ASSERT(page != NULL && page->series[ref & (REFS_PAGE_SIZE - 1)] != NULL);
    page->series[ref & (REFS_PAGE_SIZE - 1)] = NULL;
    bool complete = ref >> REFS_PAGE_BITS < refs->next >> REFS_PAGE_BITS;
    if (--page->live > 0 || !complete)
        return;
    directory->pages[ref >> REFS_PAGE_BITS] = NULL;
    isolation_retire(refs->isolation, page, mem_free);
}

size_t refs_memory(const struct refs *refs)
{
    const struct refs_directory *directory = refs->directory;
    size_t bytes = sizeof(*directory) + directory->count * sizeof(directory->pages[0]);
    for (size_t i = 0; i < directory->count; i++)
        bytes += directory->pages[i] == NULL ? 0 : sizeof(struct refs_page);
    return bytes;
}

struct series *refs_next(const struct refs *refs, series_ref *ref)
{
    const struct refs_directory *directory = refs->directory;
    series_ref end = MIN((series_ref)refs->next, (series_ref)directory->count << REFS_PAGE_BITS);
    while (*ref < end) {
        struct refs_page *page = directory->pages[*ref >> REFS_PAGE_BITS];
        if (page == NULL) {
            *ref = ((*ref >> REFS_PAGE_BITS) + 1) << REFS_PAGE_BITS;
            continue;
        }
        struct series *series = page->series[(*ref)++ & (REFS_PAGE_SIZE - 1)];
        if (series != NULL)
            return series;
    }
    return NULL;
}
