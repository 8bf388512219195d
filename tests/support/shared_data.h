/*
 * Test data that is not part of the project: corpora and conformance scripts in the folder that the
 * environment variable FERULA_SHARED names, else in ../shared beside the source tree. Where it is
 * not there a test skips and says so; where CI=true that is a failure.
 */
#pragma once

#include "base/buf.h"

#include <stdbool.h>

/* Reads a file by its path below the folder. false = skip; the reason has been printed. */
bool shared_data_read(const char *path, struct buf *out);
/* Calls `each` with the name and content of every file below `folder` that ends in `suffix`, in no
 * particular order. Returns their number; 0 = skip. */
size_t shared_data_each(const char *folder, const char *suffix,
                        void (*each)(const char *name, struct slice content, void *context),
                        void *context);
