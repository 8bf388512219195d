"""The house rules that a program can check, as a test.

usage: tidy.py ROOT

Every finding is a line `path:line: [rule] message`. A waiver in waivers.txt beside this file lets an
old finding stand at the number that was measured; it must go when the finding goes, and shrink with it.
"""

import collections
import fnmatch
import os
import re
import subprocess
import sys

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
COMPLEXITY_MAX = 20

RANKS = {
    'base': 0,
    'net': 1, 'model': 1,
    'config': 2, 'exposition': 2, 'tsdb': 2,
    'promql': 3, 'discovery': 3,
    'scrape': 4, 'rules': 4, 'remote': 4,
    'api': 5,
    'server': 6, 'tool': 6,
}

# What other folders may include; a folder that is missing here has public headers only.
PUBLIC_HEADERS = {
    'config': {'config.h', 'yaml_tree.h', 'binding.h'},
    'exposition': {'exposition.h'},
    'tsdb': {'tsdb.h', 'appender.h', 'querier.h', 'wal_tail.h',
             # for tool, which works on blocks while no server runs:
             'block.h', 'block_meta.h', 'block_writer.h', 'directory.h', 'merged_view.h', 'tombstones.h'},
    'promql': {'promql.h', 'value.h'},
    'discovery': {'discovery.h', 'client_profile.h'},
    'scrape': {'scrape.h'},
    'rules': {'rules.h', 'notifier.h',
              'rule_file.h'},  # for tool, which reads rule files without a server
    'remote': {'remote.h'},
    'api': {'api.h'},
    'server': set(),
    'tool': set(),
}

# A header of the first column belongs to the library of the second.
LIBRARIES = (
    ('microhttpd.h', 'libmicrohttpd'), ('curl/', 'libcurl'), ('lz4', 'liblz4'), ('yaml.h', 'libyaml'),
    ('re2/', 're2'), ('snappy', 'libsnappy'), ('jansson', 'jansson'), ('zlib.h', 'zlib'),
    ('libdeflate.h', 'libdeflate'), ('crypt.h', 'libcrypt'), ('ares', 'c-ares'), ('xxhash.h', 'xxhash'),
    ('gnutls/', 'gnutls'), ('zstd.h', 'libzstd'), ('nettle/', 'nettle'), ('charconv', 'charconv'),
)

SYSTEM_HEADERS = set('''
    assert.h ctype.h dirent.h dlfcn.h endian.h errno.h fcntl.h fenv.h float.h fnmatch.h getopt.h glob.h
    grp.h ifaddrs.h immintrin.h inttypes.h langinfo.h libgen.h limits.h locale.h malloc.h math.h
    mntent.h netdb.h nmmintrin.h poll.h pthread.h pwd.h sched.h semaphore.h setjmp.h signal.h
    spawn.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h
    strings.h syslog.h termios.h time.h uchar.h unistd.h wchar.h wctype.h x86intrin.h cpuid.h
'''.split())
SYSTEM_FOLDERS = ('sys/', 'netinet/', 'arpa/', 'net/', 'linux/', 'asm/', 'bits/', 'sanitizer/')

BANNED_CALLS = {
    'strcpy': 'memcpy or a buf', 'strcat': 'a buf', 'sprintf': 'snprintf or a buf', 'gets': 'fgets',
    'vsprintf': 'vsnprintf', 'strtok': 'slices', 'atoi': 'a parser that reports errors',
    'atol': 'a parser that reports errors', 'atoll': 'a parser that reports errors',
    'atof': 'base/float_text.h', 'alloca': 'an arena', 'rand': 'base/rand.h', 'srand': 'base/rand.h',
    'random': 'base/rand.h', 'localtime': 'localtime_r', 'gmtime': 'gmtime_r', 'ctime': 'strftime',
    'asctime': 'strftime', 'setjmp': 'enum err', 'longjmp': 'enum err',
}
HEAP_CALLS = {'malloc', 'calloc', 'realloc', 'free', 'strdup', 'strndup', 'asprintf', 'vasprintf',
              'reallocarray', 'aligned_alloc', 'posix_memalign'}
HEAP_OWNER = 'base/alloc.c'

BANNED_WORDS = ('TO' 'DO', 'FIX' 'ME', 'X' 'XX', 'HA' 'CK')
BANNED_NAMES = {'util', 'utils', 'misc', 'common', 'helper', 'helpers'}
MACHINE_PATHS = ('/wo' 'rk/', '/home/', '/root/')

CODE_ENDINGS = ('.c', '.h', '.cc')
TEXT_ENDINGS = CODE_ENDINGS + ('.py', '.md', '.txt', '.build', '.sh', '.ts', '.css', '.html', '.yml',
                               '.yaml', '.json', '.test', '.expected', '.in')
TEXT_NAMES = ('Makefile', 'LICENSE')

Finding = collections.namedtuple('Finding', 'rule path function number line message')
Token = collections.namedtuple('Token', 'text line')
Function = collections.namedtuple('Function', 'name line length complexity')

TOKEN = re.compile(r'''
    (?P<comment>/\*.*?\*/)
  | (?P<line_comment>//[^\n]*)
  | (?P<string>(?:R"\((?:.*?)\)"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.'])*)
  | (?P<word>[A-Za-z_]\w*)
  | (?P<newline>\n)
  | (?P<operator>->|&&|\|\||::|\.\.\.|[^\s\w])
''', re.S | re.X)


def tokens_of(text):
    """The code without comments and preprocessor lines; strings are kept as "". Also the // comments."""
    tokens = []
    line_comments = []
    line = 1
    directive = False  # inside of a # line
    fresh = True       # nothing but white space on this line yet
    previous_end = 0
    for match in TOKEN.finditer(text):
        kind = match.lastgroup
        value = match.group()
        if kind == 'newline':
            continued = text[:match.start()].endswith('\\')
            directive = directive and continued
            fresh = True
        elif kind == 'line_comment':
            line_comments.append(line)
        elif kind != 'comment':
            if fresh and value == '#':
                directive = True
            fresh = False
            if not directive and value != '\\':
                tokens.append(Token('""' if kind == 'string' else value, line))
        line += value.count('\n')
        previous_end = match.end()
    assert previous_end <= len(text)
    return tokens, line_comments


CLOSERS = {'(': ')', '[': ']', '{': '}'}


def skip_balanced(tokens, at):
    """The index behind the bracket that closes tokens[at]."""
    closer = CLOSERS[tokens[at].text]
    opener = tokens[at].text
    depth = 0
    while at < len(tokens):
        if tokens[at].text == opener:
            depth += 1
        elif tokens[at].text == closer:
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return at


BRANCHES = {'if', 'for', 'while', 'case', '&&', '||', '?', 'catch'}


def function_name(signature):
    """The name in the tokens before a body: what stands before the first round bracket that is no
    attribute; for a test, the name inside."""
    at = 0
    while at < len(signature):
        text = signature[at].text
        if text == '__attribute__' and at + 1 < len(signature):
            at = skip_balanced(signature, at + 1)
            continue
        if text == '(' and at > 0:
            name = signature[at - 1]
            if name.text in ('START_TEST', 'TEST') and at + 1 < len(signature):
                return signature[at + 1]
            return name
        at += 1
    return None


def functions_of(tokens, cxx):
    """Every function body at the outermost level (for C++: also in namespaces and classes)."""
    functions = []
    at = 0
    start = 0  # of the present declaration
    while at < len(tokens):
        text = tokens[at].text
        if text in ('(', '['):
            at = skip_balanced(tokens, at)
        elif text in (';', '}'):
            at += 1
            start = at
        elif text == ':' and at > start and tokens[at - 1].text in ('public', 'private', 'protected'):
            at += 1
            start = at
        elif text == '{':
            signature = tokens[start:at]
            words = {token.text for token in signature}
            opens_scope = cxx and ')' not in words and words & {'namespace', 'class', 'struct'}
            if opens_scope or (words & {'extern'} and len(signature) == 2):
                at += 1
                start = at
                continue
            end = skip_balanced(tokens, at)
            if ')' in words and '=' not in words:
                name = function_name(signature)
                if name is not None and not is_aggregate(signature):
                    functions.append(measure(name, tokens[at:end]))
                    start = end
            at = end
        else:
            at += 1
    return functions


def is_aggregate(signature):
    """Is it a struct, union or enum with attributes instead of a function?"""
    last = signature[-1].text
    return last not in (')', 'const', 'override', 'noexcept') and not re.match(r'[A-Z_]+$', last)


def measure(name, body):
    complexity = 1 + sum(token.text in BRANCHES for token in body)
    return Function(name.text, name.line, body[-1].line - name.line + 1, complexity)


class Tree:
    """The files of a source tree, read once, and what was found in them."""

    def __init__(self, root):
        self.root = root
        self.paths = list_files(root)
        self.findings = []
        self.texts = {}
        for path in self.paths:
            if path.endswith(TEXT_ENDINGS) or os.path.basename(path) in TEXT_NAMES:
                with open(os.path.join(root, path), encoding='utf-8', errors='replace') as file:
                    self.texts[path] = file.read()
        self.code = {path: text for path, text in self.texts.items() if path.endswith(CODE_ENDINGS)}
        self.tokens = {}
        self.line_comments = {}
        for path, text in self.code.items():
            self.tokens[path], self.line_comments[path] = tokens_of(text)

    def find(self, rule, path, line, message, function='', number=None):
        self.findings.append(Finding(rule, path, function, number, line, message))


def list_files(root):
    try:
        listed = subprocess.run(['git', '-C', root, 'ls-files', '--cached', '--others',
                                 '--exclude-standard', '-z'],
                                check=True, capture_output=True).stdout.decode().split('\0')
        paths = [path for path in listed if path and os.path.isfile(os.path.join(root, path))]
        if paths:
            return sorted(paths)
    except (OSError, subprocess.CalledProcessError):
        pass
    return sorted(walk_files(root))


def walk_files(root):
    """For trees without git: everything but builds, data and hidden folders."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders
                      if not name.startswith(('.', 'build')) and name not in ('data', 'node_modules')]
        for name in files:
            yield os.path.relpath(os.path.join(folder, name), root)


INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"\n]+)[>"]', re.M)


def includes_of(text):
    """(is it in quotes, path, line, is there an empty line before it)"""
    result = []
    for match in INCLUDE.finditer(text):
        line = text.count('\n', 0, match.start()) + 1
        before = text[:match.start()].rstrip(' \t')
        result.append((match.group(1) == '"', match.group(2), line, before.endswith('\n\n')))
    return result


def folder_of(path):
    return path.split('/')[0]


def check_sizes(tree):
    for path, text in tree.texts.items():
        if path.endswith(CODE_ENDINGS + ('.py', '.ts', '.sh')):
            lines = text.count('\n')
            if lines > FILE_LINES_MAX:
                tree.find('file-length', path, 1, f'{lines} lines, at most {FILE_LINES_MAX}',
                          number=lines)
    for path in tree.code:
        for function in functions_of(tree.tokens[path], path.endswith('.cc')):
            if function.length > FUNCTION_LINES_MAX:
                tree.find('function-length', path, function.line,
                          f'{function.name} has {function.length} lines, at most {FUNCTION_LINES_MAX}',
                          function.name, function.length)
            if function.complexity > COMPLEXITY_MAX:
                tree.find('complexity', path, function.line,
                          f'{function.name} has a complexity of {function.complexity}, '
                          f'at most {COMPLEXITY_MAX}', function.name, function.complexity)


def check_layers(tree):
    for path, text in tree.code.items():
        folder = folder_of(path)
        for quoted, target, line, _ in includes_of(text):
            if not quoted:
                continue
            if path.startswith('tests/') and 'tests/' + target in tree.code:
                target = 'tests/' + target
            if target not in tree.code and target + '.in' not in tree.texts:
                tree.find('include-missing', path, line, f'there is no {target}')
                continue
            check_layer(tree, path, folder, target, line)


def check_layer(tree, path, folder, target, line):
    other = folder_of(target)
    if folder == other or other not in RANKS:
        if folder in RANKS and other not in RANKS:
            tree.find('layer', path, line, f'{folder} includes {target}, which is no part of the program')
        return
    if folder in RANKS and RANKS[folder] <= RANKS[other]:
        tree.find('layer', path, line, f'{folder} (rank {RANKS[folder]}) includes {target} '
                                       f'(rank {RANKS[other]}): only lower ranks')
    public = PUBLIC_HEADERS.get(other)
    name = target.split('/', 1)[1]
    # tests of a module see its private headers, and so does what they share
    own_tests = path.startswith((f'tests/{other}/', 'tests/fuzz/', 'tests/support/'))
    if public is not None and name not in public and not own_tests and folder != 'bench':
        tree.find('private-header', path, line, f'{target} is private to {other}')


def check_cycles(tree):
    """Header includes must not lead back to where they started."""
    edges = {path: [target for quoted, target, _, _ in includes_of(text) if quoted and target in tree.code]
             for path, text in tree.code.items() if path.endswith('.h')}
    state = {}

    def visit(path, trail):
        state[path] = 'open'
        for target in edges.get(path, ()):
            if state.get(target) == 'open':
                cycle = trail[trail.index(target):] if target in trail else [path]
                tree.find('header-cycle', path, 1, ' -> '.join(cycle + [target]))
            elif target not in state:
                visit(target, trail + [target])
        state[path] = 'done'

    for path in sorted(edges):
        if path not in state:
            visit(path, [path])


def own_header(tree, path):
    """The header that a source file must include first, None if it has none."""
    header = re.sub(r'\.(c|cc)$', '.h', path)
    return header if header in tree.code else None


def check_includes(tree):
    for path, text in tree.code.items():
        includes = includes_of(text)
        if not includes:
            continue
        start = 0
        own = None if path.endswith('.h') else own_header(tree, path)
        if own is not None:
            if includes[0][1] not in (own, own.removeprefix('tests/')):
                tree.find('include-order', path, includes[0][2], f'{own} comes first')
            elif len(includes) > 1 and includes[1][2] == includes[0][2] + 1:
                tree.find('include-order', path, includes[1][2],
                          'an empty line follows the own header')
            start = 1
        check_include_groups(tree, path, includes[start:])


def check_include_groups(tree, path, includes):
    group = []
    for include in includes + [(None, '', 0, True)]:
        if group and include[3]:
            names = [name for _, name, _, _ in group]
            if len({quoted for quoted, _, _, _ in group}) > 1:
                tree.find('include-order', path, group[0][2], 'a group mixes <...> and "..."')
            if names != sorted(names):
                tree.find('include-order', path, group[0][2], 'the includes of a group are sorted')
            if len(set(names)) != len(names):
                tree.find('include-order', path, group[0][2], 'a header is included twice')
            group = []
        group.append(include)


def library_of(name):
    if name in SYSTEM_HEADERS or name.startswith(SYSTEM_FOLDERS):
        return None
    for prefix, library in LIBRARIES:
        if name.startswith(prefix):
            return library
    return None if '.' not in name else name


def check_libraries(tree):
    users = collections.defaultdict(list)
    for path, text in tree.code.items():
        if folder_of(path) not in RANKS:
            continue
        for quoted, name, line, _ in includes_of(text):
            library = None if quoted else library_of(name)
            if library is not None and path not in [user for user, _ in users[library]]:
                users[library].append((path, line))
    for library, places in users.items():
        for path, line in places:
            if path.endswith('.h'):
                tree.find('library', path, line, f'{library} is included by a header')
            if len(places) > 1:
                others = ', '.join(sorted(user for user, _ in places if user != path))
                tree.find('library', path, line, f'{library} has more than one user: also {others}')


def check_headers(tree):
    for path, text in tree.code.items():
        if not path.endswith('.h'):
            continue
        if not text.lstrip().startswith('/*'):
            tree.find('opening-comment', path, 1, 'a header opens with a comment that says what it is')
        if not re.search(r'^#pragma once$', text, re.M):
            tree.find('pragma-once', path, 1, 'a header has #pragma once')


def check_line_comments(tree):
    for path, lines in tree.line_comments.items():
        for line in lines:
            tree.find('comment-style', path, line, 'only /* */ comments')


def check_calls(tree):
    for path, tokens in tree.tokens.items():
        heap_is_free = folder_of(path) not in RANKS or path == HEAP_OWNER
        for at in range(len(tokens) - 1):
            name = tokens[at].text
            before = tokens[at - 1].text if at > 0 else ''
            if tokens[at + 1].text != '(' or before in ('.', '->', '::'):
                continue
            if name in BANNED_CALLS:
                tree.find('banned-call', path, tokens[at].line, f'{name}: use {BANNED_CALLS[name]}')
            elif name in HEAP_CALLS and not heap_is_free:
                tree.find('banned-call', path, tokens[at].line, f'{name}: use base/alloc.h')


def must_check_exempt(name):
    """Functions that return the code they were given, for `return errbuf_set(...)`."""
    return name.startswith('errbuf_set')


def check_must_check(tree):
    """Prototypes in headers that return enum err carry MUST_CHECK."""
    for path, tokens in tree.tokens.items():
        if not path.endswith('.h') or folder_of(path) not in RANKS:
            continue
        at = 0
        while at + 3 < len(tokens):
            words = [token.text for token in tokens[at:at + 4]]
            starts = at == 0 or tokens[at - 1].text in (';', '}', '{')
            if words[:2] == ['enum', 'err'] and words[3] == '(' and starts:
                end = skip_balanced(tokens, at + 3)
                behind = []
                while end < len(tokens) and tokens[end].text not in (';', '{'):
                    behind.append(tokens[end].text)
                    end += 1
                if 'MUST_CHECK' not in behind and not must_check_exempt(words[2]):
                    tree.find('must-check', path, tokens[at].line, f'{words[2]} lacks MUST_CHECK')
                at = end
            at += 1


def check_names(tree):
    for path in tree.paths:
        stem = os.path.basename(path).split('.')[0]
        if set(re.split(r'[_-]', stem)) & BANNED_NAMES or folder_of(path) in BANNED_NAMES:
            tree.find('file-name', path, 1, 'the name says nothing: name the noun')


def check_words(tree):
    words = re.compile(r'\b(' + '|'.join(BANNED_WORDS) + r')\b')
    for path, text in tree.texts.items():
        for number, line in enumerate(text.split('\n'), 1):
            match = words.search(line)
            if match and not path.startswith('tests/tidy/'):
                tree.find('banned-word', path, number, f'{match.group()}: do it or leave it')
            for machine in MACHINE_PATHS:
                if re.search(r'(?<![\w.}$)])' + machine, line) and not path.startswith('tests/tidy/'):
                    tree.find('machine-path', path, number, f'a path of one machine: {machine}')


def expand_braces(text):
    match = re.search(r'\{([^{}]*)\}', text)
    if not match:
        return [text]
    return [name for part in match.group(1).split(',')
            for name in expand_braces(text[:match.start()] + part.strip() + text[match.end():])]


def guide_name_exists(tree, name):
    """A path or file name in backquotes; * and {a,b} stand for several, all of which must be there."""
    names = tree.paths if '/' in name else [os.path.basename(path) for path in tree.paths]
    return all(fnmatch.filter(names, each) for each in expand_braces(name))


def check_guides(tree):
    """What the pages for readers call by name is there: `folder/file.c` and `some_function()`."""
    code = '\n'.join(text for path, text in tree.code.items() if not path.startswith('tests/'))
    for path, text in tree.texts.items():
        if path != 'ARCHITECTURE.md' and not path.startswith('docs/guide/'):
            continue
        for number, line in enumerate(text.split('\n'), 1):
            for name in re.findall(r'`([^`\s]+\.(?:c|cc|h|py|sh|md|js|txt|test))`', line):
                if not guide_name_exists(tree, name):
                    tree.find('guide-name', path, number, f'there is no {name}')
            for name in re.findall(r'`(\w+)\(\)`', line):
                if not re.search(r'\b' + name + r'\(|"' + name + '"', code):
                    tree.find('guide-name', path, number, f'there is no function {name}()')


CHECKS = (check_sizes, check_layers, check_cycles, check_includes, check_libraries, check_headers,
          check_line_comments, check_calls, check_must_check, check_names, check_words, check_guides)


def findings_of(root):
    tree = Tree(root)
    for check in CHECKS:
        check(tree)
    return sorted(tree.findings, key=lambda finding: (finding.path, finding.line, finding.rule))


def read_waivers(path):
    """{(rule, path, function): number}; lines are `rule path[:function] number`, # starts a comment."""
    waivers = {}
    with open(path, encoding='utf-8') as file:
        for line in file:
            fields = line.split('#')[0].split()
            if not fields:
                continue
            rule, place, number = fields
            place, _, function = place.partition(':')
            waivers[rule, place, function] = int(number)
    return waivers


def apply_waivers(findings, waivers):
    """The findings that stand, as texts, and the complaints about waivers."""
    measured = collections.defaultdict(int)
    for finding in findings:
        key = finding.rule, finding.path, finding.function
        measured[key] = finding.number if finding.number is not None else measured[key] + 1
    problems = []
    for finding in findings:
        key = finding.rule, finding.path, finding.function
        if measured[key] > waivers.get(key, 0):
            problems.append(f'{finding.path}:{finding.line}: [{finding.rule}] {finding.message}')
    for key, number in sorted(waivers.items()):
        rule, path, function = key
        place = f'{path}:{function}' if function else path
        if key not in measured:
            problems.append(f'waivers.txt: {rule} {place} is no longer needed: take it out')
        elif number > measured[key]:
            problems.append(f'waivers.txt: {rule} {place} is {measured[key]} now, not {number}: lower it')
    return problems


def main():
    root = sys.argv[1]
    waivers = read_waivers(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'waivers.txt'))
    problems = apply_waivers(findings_of(root), waivers)
    for problem in problems:
        print(problem)
    print(f'{len(problems)} problems, {len(waivers)} waivers')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
