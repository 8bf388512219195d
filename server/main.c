/* ferula: parse the command line, start the server, wait for signals. */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "server/options.h"
#include "server/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Signals are taken by sigwait in this thread only; every other thread inherits the mask. */
static void block_signals(sigset_t *out_signals)
{
    sigemptyset(out_signals);
    sigaddset(out_signals, SIGTERM);
    sigaddset(out_signals, SIGINT);
    sigaddset(out_signals, SIGHUP);
    sigset_t blocked = *out_signals;
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
}

static void log_start(const struct options *options)
{
    struct utsname host = {0};
    uname(&host);
    log_info("Starting ferula", log_str("version", ferula_version),
             log_str("revision", ferula_revision),
             log_str("compatible_with", "Prometheus " FERULA_COMPATIBLE_VERSION));
    log_info("operational information", log_str("host_details", host.release),
             log_str("machine", host.machine), log_int("pid", getpid()));
    for (size_t i = 0; i < options->warning_count; i++)
        log_warn(options->warnings[i].message, log_str("flag", options->warnings[i].flag));
}

static void serve(struct server *server, const sigset_t *signals)
{
    for (;;) {
        int signal_number = 0;
        if (sigwait(signals, &signal_number) != 0)
            continue;
        if (signal_number != SIGHUP) {
            log_warn("Received an OS signal, exiting gracefully...",
                     log_str("signal", signal_number == SIGINT ? "interrupt" : "terminated"));
            return;
        }
        struct buf text CLEANUP(buf_release);
        buf_init(&text, (size_t)1 << 20);
        server_reload(server, &text);
    }
}

int main(int argc, char **argv)
{
    mem_keep_large_apart();
    struct options options;
    struct buf text CLEANUP(buf_release);
    buf_init(&text, (size_t)4 << 20);
    int exit_code = 0;
    switch (options_parse(argc, argv, &options, &text, &exit_code)) {
    case OPTIONS_EXIT:
        fputs(buf_cstr(&text), stdout);
        return EXIT_SUCCESS;
    case OPTIONS_FAIL:
        fputs(buf_cstr(&text), stderr);
        return exit_code;
    case OPTIONS_RUN:
        break;
    }
    log_set_level(options.log_level);
    log_set_format(options.log_format);
    sigset_t signals;
    block_signals(&signals);
    log_start(&options);
    struct server *server;
    exit_code = server_start(&options, &server);
    if (exit_code == SERVER_EXIT_OK) {
        serve(server, &signals);
        server_stop(server);
        log_info("See you next time!");
    }
    options_release(&options);
    return exit_code;
}
