/*
 * The label set of a series of the target that node_shape.h makes: its own labels, job and instance.
 */
#pragma once

#include "base/compiler.h"
#include "bench/node_shape.h"
#include "model/labels.h"

#include <stddef.h>

/* Of target number `target`; counted for the caller. */
struct labels *node_labels(const struct node_series *series, size_t target) MUST_CHECK;
