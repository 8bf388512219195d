/* The parsers of the two text formats; see exposition.h. Private to exposition/. */
#pragma once

#include "exposition/exposition.h"

enum err text_parse(struct slice body, const struct exposition_sink *sink,
                    struct errbuf *err) MUST_CHECK;
enum err openmetrics_parse(struct slice body, const struct exposition_sink *sink,
                           struct errbuf *err) MUST_CHECK;
/* Delimited io.prometheus.client.MetricFamily. */
enum err protobuf_parse(struct slice body, const struct exposition_sink *sink,
                        struct errbuf *err) MUST_CHECK;
