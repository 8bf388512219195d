/*
 * Root may use the tool on the data directory of a server that runs as somebody else. What root
 * makes there must belong to that somebody, or the server cannot write it.
 *
 * Thread-safety: no state.
 */
#pragma once

/* Gives what root owns in the data directory `path` to the owner of the directory; where that is
 * root too and the directory lies in one of Prometheus, to the owner of the latter. Nothing is done
 * for others than root. */
void owner_restore(const char *path);
