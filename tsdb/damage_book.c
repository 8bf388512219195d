#include "tsdb/damage_book.h"

#include "base/alloc.h"

#include <string.h>

#define AGAIN_MS INT64_C(600000)

void damage_book_init(struct damage_book *book, const struct clock *clock)
{
    *book = (struct damage_book){.clock = clock};
    mutex_init(&book->lock, LOCK_RANK_BLOCK);
}

void damage_book_release(struct damage_book *book)
{
    for (size_t i = 0; i < book->places.len; i++)
        mem_free(book->places.items[i].text);
    vec_release(&book->places);
    mutex_release(&book->lock);
}

static struct damage_place *place_find(struct damage_book *book, const char *text)
{
    for (size_t i = 0; i < book->places.len; i++) {
        if (strcmp(book->places.items[i].text, text) == 0)
            return &book->places.items[i];
    }
    return NULL;
}

enum damage_news damage_book_note(struct damage_book *book, const char *text)
{
    int64_t now_ms = clock_now_ms(book->clock);
    MUTEX_GUARD(&book->lock);
    struct damage_place *place = place_find(book, text);
    if (place != NULL) {
        bool again = now_ms - place->said_ms >= AGAIN_MS || now_ms < place->said_ms;
        if (again)
            place->said_ms = now_ms;
        return again ? DAMAGE_AGAIN : DAMAGE_SAID;
    }
    book->place_count++;
    if (book->places.len == DAMAGE_BOOK_PLACES_MAX) {
        struct damage_place *last = &book->places.items[DAMAGE_BOOK_PLACES_MAX - 1];
        bool again = now_ms - last->said_ms >= AGAIN_MS;
        if (again)
            last->said_ms = now_ms;
        return again ? DAMAGE_NEW : DAMAGE_SAID;
    }
    vec_push(&book->places, (struct damage_place){mem_strdup(text), now_ms, now_ms});
    return DAMAGE_NEW;
}

uint64_t damage_book_count(struct damage_book *book)
{
    MUTEX_GUARD(&book->lock);
    return book->place_count;
}

void damage_book_visit(struct damage_book *book,
                       void (*each)(void *context, const char *text, int64_t since_ms),
                       void *context, uint64_t *out_more)
{
    MUTEX_GUARD(&book->lock);
    for (size_t i = 0; i < book->places.len; i++)
        each(context, book->places.items[i].text, book->places.items[i].since_ms);
    *out_more = book->place_count - book->places.len;
}
