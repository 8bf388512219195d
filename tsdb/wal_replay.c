/* stand-in until the next file: nothing to read yet */
#include "tsdb/tsdb_internal.h"
enum err tsdb_replay(struct tsdb *db, struct errbuf *err)
{
    return ERR_NONE;
}
