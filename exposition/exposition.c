#include "exposition/exposition.h"

#include "exposition/text.h"

enum err exposition_parse(enum exposition_format format, struct slice body,
                          const struct exposition_sink *sink, struct errbuf *err)
{
    switch (format) {
    case EXPOSITION_TEXT:
        return text_parse(body, sink, err);
    case EXPOSITION_OPENMETRICS:
        return openmetrics_parse(body, sink, err);
    case EXPOSITION_PROTOBUF:
        break;
    }
    return errbuf_set(
        err, ERR_UNSUPPORTED,
        "the target answered with the protobuf format, which was not asked for and is "
        "not read; make it answer with text/plain or application/openmetrics-text");
}
