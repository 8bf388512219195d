/* Basic and token credentials as header values. */
#include "net/http_auth.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void http_auth_base64(struct slice data, struct buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < data.len; i += 3) {
        size_t left = data.len - i;
        uint32_t word = (uint32_t)(unsigned char)data.ptr[i] << 16;
        if (left > 1)
            word |= (uint32_t)(unsigned char)data.ptr[i + 1] << 8;
        if (left > 2)
            word |= (unsigned char)data.ptr[i + 2];
        char four[4] = {
            digits[word >> 18],
            digits[word >> 12 & 63],
            left > 1 ? digits[word >> 6 & 63] : '=',
            left > 2 ? digits[word & 63] : '=',
        };
        buf_append(out, four, sizeof(four));
    }
}

static enum err set_file_error(struct errbuf *err, struct slice path, const char *call, int number)
{
    char reason[128];
    snprintf(reason, sizeof(reason), "%s", strerror(number));
    reason[0] = (char)tolower((unsigned char)reason[0]);
    return errbuf_set(err, ERR_IO, "unable to read file %.*s: %s %.*s: %s", SLICE_ARG(path), call,
                      SLICE_ARG(path), reason);
}

static enum err read_all(int descriptor, struct slice path, struct buf *out, struct errbuf *err)
{
    for (;;) {
        char piece[4096];
        ssize_t got = read(descriptor, piece, sizeof(piece));
        if (got == 0)
            return ERR_NONE;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return set_file_error(err, path, "read", errno);
        if (out->len + (size_t)got > HTTP_SECRET_SIZE_MAX || !buf_append(out, piece, (size_t)got))
            return errbuf_set(err, ERR_LIMIT, "unable to read file %.*s: it is too large",
                              SLICE_ARG(path));
    }
}

enum err http_auth_read_file(struct slice path, struct buf *out, struct errbuf *err)
{
    int descriptor = open(path.ptr, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return set_file_error(err, path, "open", errno);
    struct buf content CLEANUP(buf_release);
    buf_init(&content, HTTP_SECRET_SIZE_MAX);
    enum err failed = read_all(descriptor, path, &content, err);
    close(descriptor);
    if (failed == ERR_NONE)
        buf_append_slice(out, slice_trim(buf_slice(&content)));
    return failed;
}

/* From the file when there is one, else the text. */
static enum err read_secret(struct slice text, struct slice file, const char *what, struct buf *out,
                            struct errbuf *err)
{
    if (file.len == 0) {
        buf_append_slice(out, text);
        return ERR_NONE;
    }
    enum err failed = http_auth_read_file(file, out, err);
    if (failed != ERR_NONE)
        errbuf_prefix(err, "unable to read %s: ", what);
    return failed;
}

static enum err basic_header(const struct http_client_profile *profile, struct buf *out,
                             struct errbuf *err)
{
    struct buf pair CLEANUP(buf_release);
    buf_init(&pair, 3 * HTTP_SECRET_SIZE_MAX);
    enum err failed =
        read_secret(profile->username, profile->username_file, "basic auth username", &pair, err);
    if (failed != ERR_NONE)
        return failed;
    buf_append_byte(&pair, ':');
    failed =
        read_secret(profile->password, profile->password_file, "basic auth password", &pair, err);
    if (failed != ERR_NONE)
        return failed;
    buf_append_str(out, "Basic ");
    http_auth_base64(buf_slice(&pair), out);
    return ERR_NONE;
}

enum err http_auth_header(const struct http_client_profile *profile, struct buf *out,
                          struct errbuf *err)
{
    if (profile->credentials.len > 0 || profile->credentials_file.len > 0) {
        if (profile->authorization_type.len > 0)
            buf_append_slice(out, profile->authorization_type);
        else
            buf_append_str(out, "Bearer");
        buf_append_byte(out, ' ');
        return read_secret(profile->credentials, profile->credentials_file,
                           "authorization credentials", out, err);
    }
    if (profile->username.len > 0 || profile->username_file.len > 0 || profile->password.len > 0 ||
        profile->password_file.len > 0)
        return basic_header(profile, out, err);
    return ERR_NONE;
}
