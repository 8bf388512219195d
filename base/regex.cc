/*
 * Regular expressions by RE2. What Go's package does otherwise is evened out before compiling
 * (named groups, \C) and after it (the words of errors).
 */
#include "base/regex.h"

#include <re2/re2.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>

struct regex {
    regex(const re2::StringPiece &pattern, const RE2::Options &options, bool is_anchored)
        : re(pattern, options), anchored(is_anchored)
    {
    }
    RE2 re;
    bool anchored;
};

namespace {

/* Program and automata of one expression; RE2 falls back to a slower matcher before it takes more. */
const int64_t regex_memory_max = 32 << 20;

struct errors_of_go {
    RE2::ErrorCode code;
    const char *text;
};

const errors_of_go error_texts[] = {
    {RE2::ErrorBadEscape, "invalid escape sequence"},
    {RE2::ErrorBadCharClass, "invalid character class"},
    {RE2::ErrorBadCharRange, "invalid character class range"},
    {RE2::ErrorMissingBracket, "missing closing ]"},
    {RE2::ErrorMissingParen, "missing closing )"},
    {RE2::ErrorUnexpectedParen, "unexpected )"},
    {RE2::ErrorTrailingBackslash, "trailing backslash at end of expression"},
    {RE2::ErrorRepeatArgument, "missing argument to repetition operator"},
    {RE2::ErrorRepeatSize, "invalid repeat count"},
    {RE2::ErrorRepeatOp, "invalid nested repetition operator"},
    {RE2::ErrorBadPerlOp, "invalid or unsupported Perl syntax"},
    {RE2::ErrorBadUTF8, "invalid UTF-8"},
    {RE2::ErrorBadNamedCapture, "invalid named capture"},
    {RE2::ErrorPatternTooLarge, "expression too large"},
};

const char *error_text(RE2::ErrorCode code)
{
    for (const errors_of_go &entry : error_texts) {
        if (entry.code == code)
            return entry.text;
    }
    return "regexp/syntax: internal error";
}

enum err error_set(struct errbuf *err, const char *text, const std::string &argument)
{
    /* a long expression is cut in the middle of the message, which is a fixed array */
    return errbuf_set(err, ERR_INVALID, "error parsing regexp: %s: `%.*s`", text,
                      static_cast<int>(argument.size() < 1024 ? argument.size() : 1024),
                      argument.c_str());
}

/* Steps through an expression and knows which bytes are operators: neither escaped, nor quoted by
 * \Q...\E, nor inside of brackets. */
class pattern_walk {
public:
    explicit pattern_walk(struct slice text) : pattern(text), index(0), bracket(-1)
    {
    }
    bool done() const
    {
        return index >= pattern.len;
    }
    size_t at() const
    {
        return index;
    }
    bool starts(const char *text) const
    {
        size_t len = strlen(text);
        return pattern.len - index >= len && memcmp(pattern.ptr + index, text, len) == 0;
    }
    bool in_brackets() const
    {
        return bracket >= 0;
    }
    void next()
    {
        if (starts("\\Q") && !in_brackets()) {
            skip_quoted();
        } else if (pattern.ptr[index] == '\\') {
            index += index + 1 < pattern.len ? 2 : 1;
        } else if (in_brackets()) {
            next_in_brackets();
        } else if (pattern.ptr[index] == '[') {
            index += starts("[^") ? 2 : 1;
            bracket = static_cast<ptrdiff_t>(index);
        } else {
            index++;
        }
    }

private:
    void skip_quoted()
    {
        const void *end = memmem(pattern.ptr + index, pattern.len - index, "\\E", 2);
        index = end == nullptr
                    ? pattern.len
                    : static_cast<size_t>(static_cast<const char *>(end) - pattern.ptr) + 2;
    }
    void next_in_brackets()
    {
        /* a bracket that closes right behind the opening one is a literal */
        if (pattern.ptr[index] == ']' && static_cast<ptrdiff_t>(index) > bracket)
            bracket = -1;
        if (starts("[:") && in_brackets()) {
            const void *end = memmem(pattern.ptr + index, pattern.len - index, ":]", 2);
            if (end != nullptr)
                index = static_cast<size_t>(static_cast<const char *>(end) - pattern.ptr) + 1;
        }
        index++;
    }

    struct slice pattern;
    size_t index;
    ptrdiff_t bracket; /* index behind the [ that is open, -1 = none */
};

/* (?<name> becomes (?P<name>; false where there is a \C, which Go does not know. */
bool translate(struct slice pattern, std::string *out)
{
    out->reserve(pattern.len + 8);
    for (pattern_walk walk(pattern); !walk.done();) {
        if (walk.starts("\\C"))
            return false;
        size_t start = walk.at();
        if (!walk.in_brackets() && walk.starts("(?<")) {
            out->append("(?P<");
            walk.next();
            walk.next();
            walk.next();
            continue;
        }
        walk.next();
        out->append(pattern.ptr + start, walk.at() - start);
    }
    return true;
}

/* The part of the expression that the error is about, as the user wrote it. */
std::string error_argument(const RE2 &re, struct slice pattern, const std::string &translated)
{
    const std::string &argument = re.error_arg();
    if (argument == translated)
        return std::string(pattern.ptr, pattern.len);
    if (translated.size() != pattern.len && argument.compare(0, 4, "(?P<") == 0)
        return "(?<" + argument.substr(4);
    return argument;
}

enum err compile(struct slice pattern, bool anchored, struct regex **out, struct errbuf *err)
{
    std::string translated;
    if (!translate(pattern, &translated))
        return error_set(err, "invalid escape sequence", "\\C");
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(regex_memory_max);
    options.set_dot_nl(anchored);
    std::unique_ptr<struct regex> regex(new (std::nothrow)
                                            struct regex(translated, options, anchored));
    if (!regex->re.ok())
        return error_set(err, error_text(regex->re.error_code()),
                         error_argument(regex->re, pattern, translated));
    *out = regex.release();
    return ERR_NONE;
}

re2::StringPiece piece(struct slice text)
{
    return re2::StringPiece(text.ptr, text.len);
}

RE2::Anchor anchor(const struct regex *regex)
{
    return regex->anchored ? RE2::ANCHOR_BOTH : RE2::UNANCHORED;
}

/* Letters, digits and underscores at the start, by Unicode's classes. */
size_t name_length(const char *text, size_t len)
{
    static const RE2 *const name = new RE2("[\\p{L}\\p{Nd}_]+", RE2::Quiet);
    re2::StringPiece found;
    if (!name->Match(re2::StringPiece(text, len), 0, len, RE2::ANCHOR_START, &found, 1))
        return 0;
    return found.size();
}

/* Is the name a group number? Go refuses leading zeros and what has more than 8 digits. */
bool group_number(struct slice name, size_t *out)
{
    size_t number = 0;
    if (name.len > 8 || (name.len > 1 && name.ptr[0] == '0'))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return false;
        number = number * 10 + static_cast<size_t>(name.ptr[i] - '0');
    }
    *out = number;
    return true;
}

void append_group(const struct regex *regex, struct slice name, const struct regex_match *match,
                  struct buf *out)
{
    size_t number;
    if (group_number(name, &number)) {
        if (number < match->group_count && match->groups[number].ptr != nullptr)
            buf_append_slice(out, match->groups[number]);
        return;
    }
    for (const auto &group : regex->re.CapturingGroupNames()) {
        size_t index = static_cast<size_t>(group.first);
        if (group.second == std::string(name.ptr, name.len) && index < match->group_count &&
            match->groups[index].ptr != nullptr) {
            buf_append_slice(out, match->groups[index]);
            return;
        }
    }
}

/* The name behind a dollar and how many bytes it takes with its braces; 0 where there is none. */
size_t reference_length(struct slice text, struct slice *out_name)
{
    size_t brace = text.len > 0 && text.ptr[0] == '{' ? 1 : 0;
    size_t len = name_length(text.ptr + brace, text.len - brace);
    if (len == 0)
        return 0;
    if (brace != 0 && (brace + len >= text.len || text.ptr[brace + len] != '}'))
        return 0;
    *out_name = slice_sub(text, brace, len);
    return len + 2 * brace;
}

} /* namespace */

enum err regex_new(struct slice pattern, struct regex **out, struct errbuf *err)
{
    return compile(pattern, true, out, err);
}

enum err regex_new_unanchored(struct slice pattern, struct regex **out, struct errbuf *err)
{
    return compile(pattern, false, out, err);
}

void regex_free(struct regex *regex)
{
    delete regex;
}

bool regex_match(const struct regex *regex, struct slice text)
{
    return regex->re.Match(piece(text), 0, text.len, anchor(regex), nullptr, 0);
}

bool regex_match_groups(const struct regex *regex, struct slice text, struct regex_match *out)
{
    return regex_match_groups_from(regex, text, 0, out);
}

bool regex_match_groups_from(const struct regex *regex, struct slice text, size_t start,
                             struct regex_match *out)
{
    re2::StringPiece groups[REGEX_GROUPS_MAX];
    size_t count = regex_group_count(regex) + 1;
    if (count > REGEX_GROUPS_MAX)
        count = REGEX_GROUPS_MAX;
    /* RE2 reports an empty group at a NULL pointer as one that took no part */
    if (text.ptr == nullptr)
        text = SLICE_EMPTY;
    if (!regex->re.Match(piece(text), start, text.len, anchor(regex), groups,
                         static_cast<int>(count)))
        return false;
    out->group_count = count;
    for (size_t i = 0; i < count; i++)
        out->groups[i] = slice_from(groups[i].data(), groups[i].size());
    return true;
}

size_t regex_group_count(const struct regex *regex)
{
    return static_cast<size_t>(regex->re.NumberOfCapturingGroups());
}

void regex_expand(const struct regex *regex, struct slice template_text,
                  const struct regex_match *match, struct buf *out)
{
    struct slice left = template_text;
    for (size_t dollar; (dollar = slice_index(left, '$')) != SLICE_NONE;) {
        buf_append(out, left.ptr, dollar);
        left = slice_from_index(left, dollar + 1);
        struct slice name;
        size_t len = reference_length(left, &name);
        if (len > 0) {
            append_group(regex, name, match, out);
            left = slice_from_index(left, len);
            continue;
        }
        /* $$ is a dollar, and so is one that nothing useful follows */
        buf_append_byte(out, '$');
        if (left.len > 0 && left.ptr[0] == '$')
            left = slice_from_index(left, 1);
    }
    buf_append_slice(out, left);
}
