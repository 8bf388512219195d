/*
 * How much memory this process may have: the smallest of the limits of its control groups and the
 * memory of the machine. Thread-safety: no state.
 */
#pragma once

#include <stdint.h>

/* In bytes. */
uint64_t memory_limit_available(void);
/* The same from folders that a test provides: the text of the process's control groups
 * (/proc/self/cgroup) and where they are mounted (/sys/fs/cgroup). */
uint64_t memory_limit_of_groups(const char *groups_path, const char *mount_path);
