/*
 * The damages that were found since the start: what is told to people, once each. Reading a damaged
 * page again and again says nothing new, so a place is logged when it is found and every ten
 * minutes as long as it is met.
 *
 * Ownership: texts are copied. Threads: any.
 */
#pragma once

#include "base/clock.h"
#include "base/mutex.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Further places are counted, not remembered. */
#define DAMAGE_BOOK_PLACES_MAX 64

struct damage_book {
    const struct clock *clock;
    struct mutex lock;
    /* guarded by lock: */
    VEC(struct damage_place {
        char *text;
        int64_t since_ms; /* since 1970 */
        int64_t said_ms;
    })
    places;
    uint64_t place_count; /* also of those that are not remembered */
};

void damage_book_init(struct damage_book *book, const struct clock *clock);
void damage_book_release(struct damage_book *book);

enum damage_news {
    DAMAGE_NEW,   /* not met before: to be counted and logged */
    DAMAGE_AGAIN, /* to be logged */
    DAMAGE_SAID,
};
/* `text` names the file and what is wrong there. */
enum damage_news damage_book_note(struct damage_book *book, const char *text);
uint64_t damage_book_count(struct damage_book *book);

/* Calls `each` for every place, oldest first; the text is valid during the call. `more` of them at
 * the end are not remembered. The lock is held. */
void damage_book_visit(struct damage_book *book,
                       void (*each)(void *context, const char *text, int64_t since_ms),
                       void *context, uint64_t *out_more);
