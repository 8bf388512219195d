/* The distance of words, and the nearest of a list. */
#include "promql/spelling.h"

#include "base/assert.h"
#include "base/compiler.h"

#include <ctype.h>

#define DISTANCE_MAX 2
/* Shorter ones are all alike. */
#define LEN_MIN 3

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* How many letters must be put in, taken away or changed to make one of the other. */
static size_t edit_distance(struct slice a, struct slice b)
{
    ASSERT(b.len <= SPELLING_LEN_MAX);
    size_t row[SPELLING_LEN_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t changed = diagonal + !same_letter(a.ptr[i - 1], b.ptr[j - 1]);
            diagonal = row[j];
            size_t shifted = MIN(row[j], row[j - 1]) + 1;
            row[j] = MIN(changed, shifted);
        }
    }
    return row[b.len];
}

void spelling_init(struct spelling *spelling, struct slice word)
{
    *spelling = (struct spelling){word, SLICE_EMPTY, DISTANCE_MAX + 1};
}

void spelling_consider(struct spelling *spelling, struct slice candidate)
{
    struct slice word = spelling->word;
    if (word.len < LEN_MIN || candidate.len < LEN_MIN || word.len > SPELLING_LEN_MAX)
        return;
    size_t distance = edit_distance(word, candidate);
    if (distance > MIN(spelling->distance, (size_t)DISTANCE_MAX) || distance * 3 > candidate.len)
        return;
    /* of two that are as near, the one whose end was forgotten */
    if (distance == spelling->distance && !slice_has_prefix(candidate, word))
        return;
    spelling->best = candidate;
    spelling->distance = distance;
}
