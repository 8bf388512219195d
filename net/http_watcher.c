/* One list for every state, ordered by the time of entry, so that deadlines and victims are at its
 * head. */
#include "net/http_watcher.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "base/vec.h"

/* Well below half a second, within which a client that left has to be noticed. */
#define TICK_NS ((int64_t)200 * 1000 * 1000)
#define STUCK_INTERVAL_NS ((int64_t)1000 * 1000 * 1000)
#define MS_NS ((int64_t)1000 * 1000)
/* Connections that are looked at in one tick, at least; all of them within a second. */
#define CHECKS_MIN 256
#define CLOSING_MAX 64
#define POLL_BATCH 256
/* TCP_CLOSE_WAIT of <netinet/tcp.h>, which cannot stand beside <linux/tcp.h>. */
#define TCP_CLOSE_WAIT 8

struct http_watched_list {
    struct http_watched *head;
    struct http_watched *tail;
    size_t count;
};

struct http_watcher {
    /* immutable */
    struct http_watcher_options options;
    struct thread thread;
    struct mutex lock;
    struct condition changed;
    /* guarded by lock: */
    VEC(struct http_watched *) connections;
    struct http_watched_list lists[HTTP_WATCHED_STATE_COUNT];
    size_t cursor;
    int64_t stuck_told_ns; /* 0 = never */
    bool stopping;
};

static int64_t now_ns(void)
{
    return clock_monotonic_ns(clock_system);
}

static void list_remove(struct http_watched_list *list, struct http_watched *watched)
{
    if (watched->previous != NULL)
        watched->previous->next = watched->next;
    else
        list->head = watched->next;
    if (watched->next != NULL)
        watched->next->previous = watched->previous;
    else
        list->tail = watched->previous;
    list->count--;
}

static void list_append(struct http_watched_list *list, struct http_watched *watched)
{
    watched->next = NULL;
    watched->previous = list->tail;
    if (list->tail != NULL)
        list->tail->next = watched;
    else
        list->head = watched;
    list->tail = watched;
    list->count++;
}

static void set_locked(struct http_watcher *watcher, struct http_watched *watched,
                       enum http_watched_state state)
{
    list_remove(&watcher->lists[watched->state], watched);
    watched->state = state;
    watched->since_ns = now_ns();
    watched->left_told = false;
    if (state == HTTP_WATCHED_IDLE_USED)
        watched->received_bytes = UINT64_MAX;
    list_append(&watcher->lists[state], watched);
}

static void shut_down_locked(struct http_watcher *watcher, struct http_watched *watched)
{
    shutdown(watched->descriptor, SHUT_RDWR);
    set_locked(watcher, watched, HTTP_WATCHED_CLOSING);
}

/* The connection that will be missed least: the longest idle, else the one that is slowest to ask.
 */
static struct http_watched *victim_locked(struct http_watcher *watcher)
{
    struct http_watched *fresh = watcher->lists[HTTP_WATCHED_IDLE_NEW].head;
    struct http_watched *used = watcher->lists[HTTP_WATCHED_IDLE_USED].head;
    if (fresh != NULL && (used == NULL || fresh->since_ns <= used->since_ns))
        return fresh;
    if (used != NULL)
        return used;
    if (watcher->lists[HTTP_WATCHED_HEADER].head != NULL)
        return watcher->lists[HTTP_WATCHED_HEADER].head;
    return watcher->lists[HTTP_WATCHED_BODY].head;
}

static void make_room_locked(struct http_watcher *watcher)
{
    size_t closing = watcher->lists[HTTP_WATCHED_CLOSING].count;
    while (watcher->connections.len - closing > watcher->options.connection_count_max) {
        struct http_watched *victim = victim_locked(watcher);
        if (victim == NULL)
            return;
        shut_down_locked(watcher, victim);
        closing++;
    }
}

bool http_watcher_add(struct http_watcher *watcher, struct http_watched *watched, int descriptor)
{
    *watched = (struct http_watched){
        .descriptor = descriptor,
        .state = HTTP_WATCHED_IDLE_NEW,
        .since_ns = now_ns(),
    };
    MUTEX_GUARD(&watcher->lock);
    watched->index = watcher->connections.len;
    vec_push(&watcher->connections, watched);
    list_append(&watcher->lists[watched->state], watched);
    make_room_locked(watcher);
    if (watcher->connections.len == 1)
        condition_signal(&watcher->changed);
    return watcher->lists[HTTP_WATCHED_CLOSING].count > CLOSING_MAX;
}

void http_watcher_remove(struct http_watcher *watcher, struct http_watched *watched)
{
    MUTEX_GUARD(&watcher->lock);
    ASSERT(watcher->connections.items[watched->index] == watched);
    list_remove(&watcher->lists[watched->state], watched);
    struct http_watched *last = vec_pop(&watcher->connections);
    if (last != watched) {
        watcher->connections.items[watched->index] = last;
        last->index = watched->index;
    }
}

void http_watcher_set(struct http_watcher *watcher, struct http_watched *watched,
                      enum http_watched_state state)
{
    MUTEX_GUARD(&watcher->lock);
    if (watched->state == HTTP_WATCHED_CLOSING)
        return;
    set_locked(watcher, watched, state);
    struct http_watched_list *used = &watcher->lists[HTTP_WATCHED_IDLE_USED];
    if (state == HTTP_WATCHED_IDLE_USED && used->count > USED_IDLE_MAX)
        shut_down_locked(watcher, used->head);
}

void http_watcher_each(struct http_watcher *watcher,
                       void (*each)(struct http_watched *watched, void *context), void *context)
{
    MUTEX_GUARD(&watcher->lock);
    for (size_t i = 0; i < watcher->connections.len; i++)
        each(watcher->connections.items[i], context);
}

size_t http_watcher_count(struct http_watcher *watcher)
{
    MUTEX_GUARD(&watcher->lock);
    return watcher->connections.len;
}

size_t http_watcher_busy_count(struct http_watcher *watcher)
{
    MUTEX_GUARD(&watcher->lock);
    return watcher->lists[HTTP_WATCHED_BUSY].count + watcher->lists[HTTP_WATCHED_SUSPENDED].count;
}

/* What the kernel knows of a connection; false when it does not tell. */
static bool ask_kernel(int descriptor, struct tcp_info *out)
{
    *out = (struct tcp_info){0};
    socklen_t len = sizeof(*out);
    return getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, out, &len) == 0;
}

/* libmicrohttpd misses the end of a connection that arrives together with data (it takes a short
 * read for a drained socket), so such a connection would stay. Seen twice, to give it time to read
 * what is there. */
static bool is_left_behind_locked(struct http_watched *watched, const struct tcp_info *info,
                                  int unread)
{
    if (info->tcpi_state != TCP_CLOSE_WAIT || unread > 0)
        return false;
    bool seen_before = watched->left_told;
    watched->left_told = true;
    return seen_before;
}

static void tell_stuck_locked(struct http_watcher *watcher)
{
    int64_t now = now_ns();
    if (watcher->stuck_told_ns != 0 && now - watcher->stuck_told_ns < STUCK_INTERVAL_NS)
        return;
    watcher->stuck_told_ns = now;
    watcher->options.stuck(watcher->options.stuck_context);
}

static void check_quiet_locked(struct http_watcher *watcher, struct http_watched *watched)
{
    bool idle = watched->state == HTTP_WATCHED_IDLE_NEW || watched->state == HTTP_WATCHED_IDLE_USED;
    struct tcp_info info;
    int unread = 0;
    if (watched->state == HTTP_WATCHED_CLOSING && watched->since_ns < now_ns() - 2 * TICK_NS)
        tell_stuck_locked(watcher);
    if (!idle && watched->state != HTTP_WATCHED_HEADER && watched->state != HTTP_WATCHED_BODY)
        return;
    if (!ask_kernel(watched->descriptor, &info) ||
        ioctl(watched->descriptor, FIONREAD, &unread) != 0)
        return;
    if (unread > 0 && watched->unread_seen)
        tell_stuck_locked(watcher);
    watched->unread_seen = unread > 0;
    if (is_left_behind_locked(watched, &info, unread))
        shut_down_locked(watcher, watched);
    else if (idle && watched->received_bytes == UINT64_MAX)
        watched->received_bytes = info.tcpi_bytes_received;
    else if (idle && info.tcpi_bytes_received > watched->received_bytes)
        set_locked(watcher, watched, HTTP_WATCHED_HEADER);
}

/* Looks at connections from which nothing is known to come; at a part of them at every tick. */
static void check_some_locked(struct http_watcher *watcher)
{
    size_t count = watcher->connections.len;
    size_t checks = MIN(count, MAX((size_t)CHECKS_MIN, count / 5 + 1));
    for (size_t i = 0; i < checks; i++) {
        watcher->cursor = (watcher->cursor + 1) % count;
        check_quiet_locked(watcher, watcher->connections.items[watcher->cursor]);
    }
}

static void check_deadline_locked(struct http_watcher *watcher, enum http_watched_state state,
                                  int64_t timeout_ms)
{
    int64_t earliest_ns = now_ns() - timeout_ms * MS_NS;
    struct http_watched *head;
    while ((head = watcher->lists[state].head) != NULL && head->since_ns < earliest_ns)
        shut_down_locked(watcher, head);
}

/* `left` may change nothing in the table: it only tells the connection's owner. */
static void poll_batch_locked(struct http_watcher *watcher, struct pollfd *polls,
                              struct http_watched **polled, size_t count)
{
    int ready = poll(polls, count, 0);
    for (size_t i = 0; ready > 0 && i < count; i++) {
        if ((polls[i].revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) == 0)
            continue;
        bool closed = (polls[i].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
        if (polled[i]->left_told && !closed)
            continue;
        polled[i]->left_told = true;
        watcher->options.left(polled[i], closed);
    }
}

static void check_suspended_locked(struct http_watcher *watcher)
{
    struct pollfd polls[POLL_BATCH];
    struct http_watched *polled[POLL_BATCH];
    size_t count = 0;
    struct http_watched *next;
    for (struct http_watched *at = watcher->lists[HTTP_WATCHED_SUSPENDED].head; at != NULL;
         at = next) {
        next = at->next;
        polls[count] = (struct pollfd){.fd = at->descriptor, .events = POLLRDHUP};
        polled[count++] = at;
        if (count == POLL_BATCH) {
            poll_batch_locked(watcher, polls, polled, count);
            count = 0;
        }
    }
    if (count > 0)
        poll_batch_locked(watcher, polls, polled, count);
}

static void run(void *context)
{
    struct http_watcher *watcher = context;
    MUTEX_GUARD(&watcher->lock);
    while (!watcher->stopping) {
        if (watcher->connections.len == 0) {
            condition_wait(&watcher->changed, &watcher->lock);
            continue;
        }
        check_suspended_locked(watcher);
        check_some_locked(watcher);
        check_deadline_locked(watcher, HTTP_WATCHED_HEADER, watcher->options.header_timeout_ms);
        check_deadline_locked(watcher, HTTP_WATCHED_BODY, watcher->options.body_timeout_ms);
        condition_wait_until(&watcher->changed, &watcher->lock, now_ns() + TICK_NS);
    }
}

struct http_watcher *http_watcher_new(const struct http_watcher_options *options)
{
    struct http_watcher *watcher = mem_zalloc(sizeof(*watcher));
    watcher->options = *options;
    mutex_init(&watcher->lock, LOCK_RANK_HTTP_SERVER);
    condition_init(&watcher->changed);
    thread_start(&watcher->thread, "http-watcher", run, watcher);
    return watcher;
}

void http_watcher_free(struct http_watcher *watcher)
{
    if (watcher == NULL)
        return;
    mutex_lock(&watcher->lock);
    watcher->stopping = true;
    condition_signal(&watcher->changed);
    mutex_unlock(&watcher->lock);
    thread_join(&watcher->thread);
    ASSERT(watcher->connections.len == 0);
    vec_release(&watcher->connections);
    condition_release(&watcher->changed);
    mutex_release(&watcher->lock);
    mem_free(watcher);
}
