"""Every rule of tidy.py finds what breaks it, and says nothing about a tree that keeps it."""

import os
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy  # noqa: E402

GOOD = {
    'base/slice.h': '/* Bytes. */\n#pragma once\n\nenum err;\n',
    'base/err.h': '/* Errors. */\n#pragma once\n\nenum err { ERR_NONE };\n',
    'base/lz.c': '/* Packing. */\n#include <stdio.h>\n\n#include <lz4.h>\n\nint lz(void)\n{\n    return 1;\n}\n',
    'model/labels.h': '/* Labels. */\n#pragma once\n\n#include "base/slice.h"\n\n'
                      'enum err labels_parse(int x) MUST_CHECK;\n',
    'model/labels.c': '#include "model/labels.h"\n\n#include "base/err.h"\n#include "base/slice.h"\n\n'
                      '#include <stdio.h>\n#include <string.h>\n\n'
                      '/* "free(" and // in a comment or "strcpy(" are words */\n'
                      'const char *text = "malloc(1) // \\" TEXT";\nchar slash = \'"\';\n',
    'tsdb/tsdb.h': '/* Storage. */\n#pragma once\n',
    'tsdb/head.h': '/* Head. */\n#pragma once\n',
    'promql/promql.h': '/* Queries. */\n#pragma once\n',
    'tests/tsdb/test_head.c': '/* Head. */\n#include "tsdb/head.h"\n\n#include <check.h>\n',
    'README.md': '# x\n',
}


def function(lines=3, branches=0):
    body = '    if (a && b) c();\n' * (branches // 2) + '    if (a) c();\n' * (branches % 2)
    body += '    x++;\n' * (lines - 3 - body.count('\n'))
    return 'static int work(int a)\n{\n' + body + '}\n'


class Rules(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()

    def tearDown(self):
        shutil.rmtree(self.root)

    def found(self, changes):
        for path, text in {**GOOD, **changes}.items():
            place = os.path.join(self.root, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, 'w', encoding='utf-8') as file:
                file.write(text)
        return tidy.findings_of(self.root)

    def expect(self, changes, rule, path, line=None):
        findings = self.found(changes)
        self.assertEqual({(f.rule, f.path) for f in findings}, {(rule, path)}, findings)
        if line is not None:
            self.assertIn(line, [f.line for f in findings])

    def test_a_good_tree_has_no_findings(self):
        self.assertEqual(self.found({}), [])

    def test_file_length(self):
        self.expect({'base/long.c': '\n' * 801}, 'file-length', 'base/long.c')
        self.assertEqual(self.found({'base/long.c': '\n' * 800}), [])

    def test_function_length(self):
        self.expect({'base/f.c': function(71)}, 'function-length', 'base/f.c', 1)
        self.assertEqual(self.found({'base/f.c': function(70)}), [])

    def test_function_length_of_a_test_is_that_of_its_body(self):
        text = 'START_TEST(a_name)\n{\n' + '    x++;\n' * 69 + '}\nEND_TEST\n\nSTART_TEST(b)\n{\n}\nEND_TEST\n'
        findings = self.found({'tests/base/test_f.c': text})
        self.assertEqual([(f.rule, f.function, f.number) for f in findings],
                         [('function-length', 'a_name', 72)])

    def test_complexity(self):
        self.expect({'base/f.c': function(30, 20)}, 'complexity', 'base/f.c', 1)
        self.assertEqual(self.found({'base/f.c': function(30, 19)}), [])

    def test_functions_in_namespaces_and_behind_attributes_are_seen(self):
        text = 'extern "C" {\nnamespace {\nclass c {\npublic:\n    int deep()\n    {\n' + '    x++;\n' * 80 + \
               '    }\n};\n}\n}\n'
        findings = self.found({'base/f.cc': text})
        self.assertEqual([f.function for f in findings], ['deep'])
        text = '__attribute__((target("sse4.2"))) static int\nlate(int a)\n{\n' + '    x++;\n' * 80 + '}\n'
        findings = self.found({'base/f.cc': text})
        self.assertEqual([f.function for f in findings], ['late'])

    def test_layers(self):
        text = '/* x */\n#pragma once\n\n#include "tsdb/tsdb.h"\n'
        self.expect({'model/labels.h': text + 'enum err labels_parse(int x) MUST_CHECK;\n'},
                    'layer', 'model/labels.h', 4)
        self.expect({'exposition/x.h': text}, 'layer', 'exposition/x.h')
        self.assertEqual(self.found({'promql/x.h': text, 'tsdb/x.h': text, 'exposition/x.h': '/* */\n#pragma once\n',
                                     'model/labels.h': GOOD['model/labels.h']}), [])

    def test_the_program_includes_no_tests(self):
        self.expect({'tests/support/fake.h': '/* x */\n#pragma once\n',
                     'promql/x.c': '#include "tests/support/fake.h"\n'}, 'layer', 'promql/x.c')

    def test_private_headers(self):
        self.expect({'promql/x.c': '#include "tsdb/head.h"\n'}, 'private-header', 'promql/x.c', 1)
        self.expect({'promql/x.c': '', 'tests/promql/test_x.c': '#include "tsdb/head.h"\n'},
                    'private-header', 'tests/promql/test_x.c')

    def test_header_cycles(self):
        self.expect({'base/a.h': '/* a */\n#pragma once\n#include "base/b.h"\n',
                     'base/b.h': '/* b */\n#pragma once\n#include "base/a.h"\n'},
                    'header-cycle', 'base/b.h')

    def test_own_header_comes_first(self):
        self.expect({'model/labels.c': '#include "base/err.h"\n\n#include "model/labels.h"\n'},
                    'include-order', 'model/labels.c', 1)

    def test_include_groups_are_sorted_and_pure(self):
        self.expect({'base/x.c': '#include <string.h>\n#include <stdio.h>\n'}, 'include-order', 'base/x.c')
        self.expect({'base/x.c': '#include "base/err.h"\n#include <stdio.h>\n'}, 'include-order', 'base/x.c')
        self.expect({'base/x.c': '#include <stdio.h>\n#include <stdio.h>\n'}, 'include-order', 'base/x.c')

    def test_an_include_names_a_file(self):
        self.expect({'base/x.c': '#include "base/none.h"\n'}, 'include-missing', 'base/x.c', 1)

    def test_a_library_has_one_user(self):
        findings = self.found({'base/x.c': '#include <lz4hc.h>\n'})
        self.assertEqual([(f.rule, f.path) for f in findings],
                         [('library', 'base/lz.c'), ('library', 'base/x.c')])
        self.expect({'base/x.c': '', 'base/x.h': '/* x */\n#pragma once\n\n#include <zlib.h>\n'},
                    'library', 'base/x.h')

    def test_headers(self):
        self.expect({'base/x.h': '#pragma once\n'}, 'opening-comment', 'base/x.h')
        self.expect({'base/x.h': '/* x */\n'}, 'pragma-once', 'base/x.h')

    def test_line_comments(self):
        self.expect({'base/x.c': 'int x; // why\n'}, 'comment-style', 'base/x.c', 1)

    def test_banned_calls(self):
        for call in ('strcpy(a, b)', 'x = atoi(s)', 'malloc(1)', 'free(p)', 'rand()', 'gmtime(&t)'):
            self.expect({'base/x.c': f'int f(void)\n{{\n    {call};\n}}\n'}, 'banned-call', 'base/x.c', 3)
        self.assertEqual(self.found({
            'base/x.c': 'int f(void)\n{\n    x->free(p);\n    rand_u64(r);\n}\n',
            'base/alloc.c': 'int f(void)\n{\n    free(p);\n}\n',
            'tests/base/test_x.c': 'int f(void)\n{\n    free(p);\n}\n'}), [])

    def test_must_check(self):
        self.expect({'base/x.h': '/* x */\n#pragma once\n\nenum err x_open(void);\n'}, 'must-check', 'base/x.h', 4)

    def test_names(self):
        self.expect({'base/string_utils.py': ''}, 'file-name', 'base/string_utils.py')
        self.expect({'base/string_utils.py': '', }, 'file-name', 'base/string_utils.py')

    def test_words(self):
        self.expect({'README.md': 'line\n' + 'TO' + 'DO: more\n'}, 'banned-word', 'README.md', 2)
        self.expect({'README.md': 'see /wo' + 'rk/trees\n'}, 'machine-path', 'README.md', 1)

    def test_guides_name_what_exists(self):
        self.expect({'docs/guide/a.md': '# a\nsee `base/none.c`\n'}, 'guide-name', 'docs/guide/a.md', 2)
        self.expect({'docs/guide/a.md': 'see `x_none()`\n'}, 'guide-name', 'docs/guide/a.md', 1)
        self.expect({'docs/guide/a.md': 'see `base/{err,none}.h`\n'}, 'guide-name', 'docs/guide/a.md', 1)

    def test_guides_may_name_files_and_functions(self):
        self.assertEqual(self.found({
            'base/x.c': 'int x_open(void)\n{\n    return 1;\n}\n',
            'docs/guide/a.md': '`base/x.c`, `x.c`, `base/*.c`, `x_open()`, `rate(x[5m])`\n'}), [])

    def test_waivers_only_shrink(self):
        findings = self.found({'base/f.c': function(80)})
        key = ('function-length', 'base/f.c', 'work')
        self.assertEqual(len(tidy.apply_waivers(findings, {})), 1)
        self.assertEqual(tidy.apply_waivers(findings, {key: 80}), [])
        self.assertEqual(len(tidy.apply_waivers(findings, {key: 79})), 1)
        self.assertIn('lower it', tidy.apply_waivers(findings, {key: 81})[0])
        self.assertIn('take it out', tidy.apply_waivers([], {key: 80})[0])

    def test_waivers_count_findings_without_a_number(self):
        findings = self.found({'base/x.c': 'int x; // a\nint y; // b\n'})
        key = ('comment-style', 'base/x.c', '')
        self.assertEqual(tidy.apply_waivers(findings, {key: 2}), [])
        self.assertEqual(len(tidy.apply_waivers(findings, {key: 1})), 2)


if __name__ == '__main__':
    unittest.main()
