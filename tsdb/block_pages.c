#include "tsdb/block_pages.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "tsdb/block_internal.h"
#include "tsdb/value_chunk.h"

#define PAGE_STORED_MAX (PAGE_RAW_SIZE_MAX + (1u << 20))
/* Who reads one page after another gets so many bytes of them at once. */
#define READ_AHEAD_MAX 65536

void block_pages_init(struct block_pages *pages, const struct block *block)
{
    *pages = (struct block_pages){.block = block, .at_hand = SIZE_MAX};
}

void block_pages_release(struct block_pages *pages)
{
    for (size_t i = 0; i < BLOCK_PAGES_KEPT; i++) {
        if (pages->kept[i] == NULL)
            continue;
        buf_release(&pages->kept[i]->stored);
        page_release(&pages->kept[i]->page);
        mem_free(pages->kept[i]);
    }
}

static struct unpacked_page *slot(struct block_pages *pages, size_t index)
{
    if (pages->kept[index] == NULL) {
        struct unpacked_page *page = mem_zalloc(sizeof(*page));
        buf_init(&page->stored, PAGE_STORED_MAX);
        page->number = SIZE_MAX;
        pages->kept[index] = page;
    }
    return pages->kept[index];
}

static enum err read_pages(const struct block *block, struct unpacked_page *into, size_t first,
                           size_t end, struct errbuf *err)
{
    const struct block_page *pages = block->pages;
    into->stored_first = into->stored_end = 0;
    enum err code =
        paged_file_read(&block->chunks, pages[first].offset,
                        (size_t)(pages[end].offset - pages[first].offset), &into->stored, err);
    if (code != ERR_NONE)
        return code;
    into->stored_first = first;
    into->stored_end = end;
    return ERR_NONE;
}

/* With those behind it, when the one before it was read last. */
static enum err store_page(const struct block *block, struct unpacked_page *into, size_t number,
                           struct errbuf *err)
{
    size_t end = number + 1;
    if (number >= into->stored_first && number < into->stored_end)
        return ERR_NONE;
    if (number > 0 && number == into->stored_end) {
        while (end < block->page_count &&
               block->pages[end + 1].offset - block->pages[number].offset <= READ_AHEAD_MAX)
            end++;
    }
    /* the damage may be in a page that nobody asked for */
    if (end > number + 1 && read_pages(block, into, number, end, NULL) == ERR_NONE)
        return ERR_NONE;
    return read_pages(block, into, number, number + 1, err);
}

static enum err load(const struct block *block, struct unpacked_page *into, size_t number,
                     struct errbuf *err)
{
    if (into->number == number)
        return ERR_NONE;
    const struct block_page *page = &block->pages[number];
    into->number = SIZE_MAX;
    enum err code = store_page(block, into, number, err);
    if (code != ERR_NONE)
        return code;
    size_t at = (size_t)(page->offset - block->pages[into->stored_first].offset);
    struct slice bytes = slice_sub(buf_slice(&into->stored), at, page->stored_len);
    code = page_open(&into->page, bytes, err);
    if (code != ERR_NONE) {
        errbuf_prefix(err, "%s: at offset %llu: ", block->chunks.path,
                      (unsigned long long)page->offset);
        return code;
    }
    into->number = number;
    return ERR_NONE;
}

static bool page_has(const struct block *block, size_t page, uint64_t chunk)
{
    return page < block->page_count && block->pages[page].chunk_first <= chunk &&
           chunk < block->pages[page + 1].chunk_first;
}

/* Mostly it is the one at hand or the next. */
static size_t page_of(const struct block *block, size_t at_hand, uint64_t chunk)
{
    if (page_has(block, at_hand, chunk))
        return at_hand;
    if (at_hand != SIZE_MAX && page_has(block, at_hand + 1, chunk))
        return at_hand + 1;
    size_t low = 0, high = block->page_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (block->pages[middle].chunk_first <= chunk)
            low = middle;
        else
            high = middle;
    }
    return low;
}

enum err block_pages_chunk(struct block_pages *pages, uint64_t number, bool of_family,
                           struct chunk_place *out, struct errbuf *err)
{
    const struct block *block = pages->block;
    ASSERT(number < block->pages[block->page_count].chunk_first);
    size_t page = page_of(block, pages->at_hand, number);
    pages->at_hand = page;
    struct unpacked_page *unpacked = slot(pages, of_family ? page % BLOCK_PAGES_KEPT : 0);
    enum err code = load(block, unpacked, page, err);
    if (code != ERR_NONE)
        return code;
    *out = (struct chunk_place){.page = &unpacked->page,
                                .page_first = block->pages[page].chunk_first,
                                .page_offset = block->pages[page].offset,
                                .number = (uint32_t)(number - block->pages[page].chunk_first)};
    out->chunk = page_chunk(out->page, out->number);
    if (out->chunk == NULL || out->chunk->count == 0 || out->chunk->count > VALUE_CHUNK_COUNT_MAX)
        return paged_file_damaged(&block->chunks, out->page_offset,
                                  "a chunk of the page is missing", err);
    return ERR_NONE;
}
