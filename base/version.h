/* Who we say we are: the version whose behaviour clients may expect, and our own. Constants. */
#pragma once

#define FERULA_COMPATIBLE_VERSION "3.14.0"
extern const char *const ferula_version;
extern const char *const ferula_revision;
extern const char *const ferula_build_date;
