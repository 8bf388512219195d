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
        return protobuf_parse(body, sink, err);
    }
    return errbuf_set(err, ERR_UNSUPPORTED, "an unknown format");
}
