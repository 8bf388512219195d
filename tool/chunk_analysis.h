/*
 * How full the chunks of a block of Prometheus are: the lists that promtool's extended analysis
 * prints.
 *
 * Thread-safety: one owner.
 */
#pragma once

#include "base/compiler.h"
#include "base/err.h"
#include "model/series_source.h"
#include "tool/prometheus_block.h"

/* Reads all chunks of the series of `list`, which is of the block's view, and prints. */
enum err chunk_analysis_print(struct prometheus_block *block, const struct series_list *list,
                              struct errbuf *err) MUST_CHECK;
