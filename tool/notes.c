#include "tool/notes.h"

#include <stdarg.h>

#include "base/buf.h"

#define NOTE_SIZE_MAX 16384

void notes_add(struct notes *notes, bool is_damage, const char *format, ...)
{
    if (notes == NULL)
        return;
    notes->damaged += is_damage;
    if (notes->texts.len == NOTES_KEPT_MAX) {
        notes->left_out++;
        return;
    }
    struct buf text;
    buf_init(&text, NOTE_SIZE_MAX);
    va_list arguments;
    va_start(arguments, format);
    buf_vprintf(&text, format, arguments);
    va_end(arguments);
    vec_push(&notes->texts, buf_take(&text));
}

void notes_release(struct notes *notes)
{
    for (size_t i = 0; i < notes->texts.len; i++)
        mem_free(notes->texts.items[i]);
    vec_release(&notes->texts);
    *notes = (struct notes){0};
}
