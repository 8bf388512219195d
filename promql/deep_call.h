/*
 * Walking trees by recursion. A tree of ordinary height is walked on the caller's stack; one that a long
 * chain of operators has made high gets a thread with a stack of its own for as long as it takes. Its
 * memory is address space until it is touched.
 */
#pragma once

#include "base/compiler.h"
#include "promql/ast.h"

#include <stdbool.h>

/* Runs `run(context)` where recursion as deep as the tree at `root` is safe, and waits for its end.
 * false when there is no memory for it: nothing was run. */
bool deep_call(const struct node *root, void (*run)(void *context), void *context) MUST_CHECK;
