/*
 * A directory tree in memory: taken once, written to disk as often as one likes, with or without
 * damage to one of its files. Taken from a database that is open, it is what a kill would leave.
 */
#pragma once

#include "base/rand.h"
#include "base/slice.h"
#include "base/vec.h"

#include <stddef.h>
#include <stdint.h>

struct image_file {
    char *name; /* relative, "wal/00000001" */
    uint8_t *data;
    size_t size;
};

struct directory_image {
    VEC(struct image_file) files; /* by name */
    VEC(char *) directories;      /* relative, those above first */
};

void directory_image_take(struct directory_image *image, const char *path);
void directory_image_write(const struct directory_image *image, const char *path);
void directory_image_release(struct directory_image *image);

enum damage_type {
    DAMAGE_FLIP,     /* a bit */
    DAMAGE_TRUNCATE, /* at any place */
    DAMAGE_ZERO,     /* a page, or a sector of a small file */
    DAMAGE_RUBBISH,  /* some bytes */
    DAMAGE_EMPTY,
    DAMAGE_GROW, /* zeros behind the end */
    DAMAGE_GONE,
    DAMAGE_TYPE_COUNT,
};

struct damage {
    enum damage_type type;
    size_t file;
    size_t offset;
    size_t size; /* bytes that are damaged */
};

/* A damage of a file that is not what was there; bytes from the generator. */
struct damage damage_random(const struct directory_image *image, size_t file, struct rand *rand);
/* Damages the file under `path`, where the image was written to. */
void damage_do(const struct directory_image *image, const struct damage *damage, const char *path,
               struct rand *rand);
const char *damage_name(enum damage_type type);
