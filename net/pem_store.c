/* Memory files, found by their text. */
#include "net/pem_store.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/vec.h"

struct pem_file {
    struct slice text; /* owned */
    int descriptor;
    char path[32];
};

struct pem_store {
    VEC(struct pem_file *) files;
};

struct pem_store *pem_store_new(void)
{
    return mem_zalloc(sizeof(struct pem_store));
}

void pem_store_free(struct pem_store *store)
{
    if (store == NULL)
        return;
    for (size_t i = 0; i < store->files.len; i++) {
        struct pem_file *file = store->files.items[i];
        close(file->descriptor);
        mem_free((char *)file->text.ptr);
        mem_free(file);
    }
    vec_release(&store->files);
    mem_free(store);
}

/* The descriptor of a file in memory with that text, negative on failure. */
static int memory_file(struct slice text)
{
    int descriptor = memfd_create("pem", MFD_CLOEXEC);
    if (descriptor < 0)
        return -1;
    size_t written = 0;
    while (written < text.len) {
        ssize_t count = write(descriptor, text.ptr + written, text.len - written);
        if (count <= 0) {
            close(descriptor);
            return -1;
        }
        written += (size_t)count;
    }
    return descriptor;
}

enum err pem_store_path(struct pem_store *store, struct slice pem, const char **out,
                        struct errbuf *err)
{
    for (size_t i = 0; i < store->files.len; i++) {
        if (slice_eq(store->files.items[i]->text, pem)) {
            *out = store->files.items[i]->path;
            return ERR_NONE;
        }
    }
    if (store->files.len == PEM_STORE_COUNT_MAX)
        return errbuf_set(err, ERR_LIMIT, "more than %d certificates and keys in the configuration",
                          PEM_STORE_COUNT_MAX);
    int descriptor = memory_file(pem);
    if (descriptor < 0)
        return errbuf_set_errno(err, errno, "a file in memory for a certificate");
    struct pem_file *file = mem_zalloc(sizeof(*file));
    file->text = slice_from(mem_strndup(pem.ptr, pem.len), pem.len);
    file->descriptor = descriptor;
    snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", descriptor);
    vec_push(&store->files, file);
    *out = file->path;
    return ERR_NONE;
}
