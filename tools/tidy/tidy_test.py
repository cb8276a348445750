"""Each rule finds a planted violation, and leaves alone what looks like one."""

import unittest

from tools.tidy import tidy


class FakeTree:
    def __init__(self, **files):
        self.files = {path.replace('__', '/') + '.md': text for path, text in files.items()}
        self.paths = sorted(self.files)

    def has(self, path):
        return path in self.files

    def read(self, path):
        return self.files.get(path, '')


def lines(rule, path, text, tree=None):
    return [line for line, _ in rule(path, text, tree or FakeTree())]


class Headers(FakeTree):
    def __init__(self, **files):
        self.files = {f'{name}.h': text for name, text in files.items()}
        self.paths = sorted(self.files)


class TidyTest(unittest.TestCase):

    def test_type_twice(self):
        one = 'namespace a::b {\nclass Lane;\nstruct Lane final : public X {\n};\n'
        tree = Headers(lane=one, other=one)
        self.assertEqual(lines(tidy.type_twice, 'other.h', one, tree), [3])
        self.assertEqual(lines(tidy.type_twice, 'lane.h', one, tree), [])
        for text in ('namespace a {\nstruct Lane {\n', 'namespace a::b {\nclass Lane;\n',
                     'namespace a::b {\nclass X {\n  class Lane {\n'):
            tree = Headers(lane=one, other=text)
            self.assertEqual(lines(tidy.type_twice, 'other.h', text, tree), [], text)

    def test_long_file(self):
        self.assertEqual(lines(tidy.long_file, 'a/b.cc', 'x\n' * 601), [601])
        self.assertEqual(lines(tidy.long_file, 'a/b.cc', 'x\n' * 600), [])
        self.assertEqual(lines(tidy.long_file, 'a/testdata.txt', 'x\n' * 601), [])

    def test_banned_name_of_files(self):
        for path in ('a/string_util.h', 'common/a.h', 'a/SessionManager.cc', 'a/test_helpers.h'):
            self.assertEqual(lines(tidy.banned_name, path, ''), [1], path)
        for path in ('a/utilization.h', 'a/commonly.h', 'a/unmanaged.h'):
            self.assertEqual(lines(tidy.banned_name, path, ''), [], path)

    def test_banned_name_of_types(self):
        for text in ('class LaneManager {', 'struct FrameHelper final {', 'enum class UtilKind {',
                     'class ABSL_LOCKABLE(x) CommonLock {', 'message HelperReply {',
                     'template <class T> class Utils;', 'using StringUtils = int;'):
            self.assertEqual(lines(tidy.banned_name, 'a/b.h', text), [1], text)
        for text in ('class Utilization {', 'struct Managed {', '// a class Manager would', 'int x;'):
            self.assertEqual(lines(tidy.banned_name, 'a/b.h', text), [], text)

    def test_include_guard(self):
        good = '#ifndef CAUSEWAY_A_B_C_H_\n#define CAUSEWAY_A_B_C_H_\n#endif  // CAUSEWAY_A_B_C_H_\n'
        self.assertEqual(lines(tidy.include_guard, 'a/b_c.h', '// Why.\n\n' + good), [])
        self.assertEqual(lines(tidy.include_guard, 'a/other.h', good), [1])
        self.assertEqual(lines(tidy.include_guard, 'a/b_c.h', '#pragma once\n'), [1])
        self.assertEqual(lines(tidy.include_guard, 'a/b_c.h', good.replace('  //', ' //')), [3])

    def test_grpc_header(self):
        for name in ('<grpcpp/grpcpp.h>', '"grpcpp/server.h"', '"control/api/v1/agents.grpc.pb.h"'):
            self.assertEqual(lines(tidy.grpc_header, 'a/b.h', f'\n#include {name}\n'), [2], name)
            self.assertEqual(lines(tidy.grpc_header, 'a/b.cc', f'\n#include {name}\n'), [], name)
        self.assertEqual(
            lines(tidy.grpc_header, 'a/b.h', '#include "control/api/v1/agents.pb.h"\n'), [])

    def test_build_glob(self):
        self.assertEqual(lines(tidy.build_glob, 'a/BUILD.bazel', '\nsrcs = glob(["*.cc"]),'), [2])
        self.assertEqual(lines(tidy.build_glob, 'a/BUILD.bazel', '# no glob() here'), [])
        self.assertEqual(lines(tidy.build_glob, 'a/b.bzl', 'glob(["*.cc"])'), [])

    def test_unfinished(self):
        for word in ('TO' 'DO', 'FIX' 'ME'):
            self.assertEqual(lines(tidy.unfinished, 'a/b.cc', f'\n// {word}: later\n'), [2], word)
        self.assertEqual(lines(tidy.unfinished, 'a/b.cc', 'kToDoList, METODO'), [])

    def test_trailing_space(self):
        self.assertEqual(lines(tidy.trailing_space, 'a/b.cc', 'a\nb \nc\t\n'), [2, 3])
        self.assertEqual(lines(tidy.trailing_space, 'a/b.cc', '  a\n\nb\n'), [])

    def test_broken_link(self):
        tree = FakeTree(README='# Start here\n', docs__a='# A `b`, and c\n\n## Next\n')

        def broken(text):
            return lines(tidy.broken_link, 'docs/a.md', text, tree)

        for text in ('[x](b.md)', '[x](../docs/b.md)', '![x](b.png)', '[x](../README.md#nowhere)',
                     '[ok](../README.md) [x](b.md)', 'text [x](#nowhere)'):
            self.assertEqual(broken('\n' + text), [2], text)
        for text in ('[x](../README.md)', '[x](../README.md#start-here)', '[x](https://nowhere)',
                     '```\n[x](b.md)\n```', '`[x](b.md)`'):
            self.assertEqual(broken(text), [], text)
        self.assertEqual(
            lines(tidy.broken_link, 'README.md', '[x](docs/a.md#a-b-and-c)', tree), [])

    def test_stale_example(self):
        tree = FakeTree(a='int x;\n// [example]\nint y;\n// [example]\n')

        def stale(code, file='a.md'):
            text = f'\n<!-- example: {file} -->\n```cpp\n{code}```\n'
            return lines(tidy.stale_example, 'b.md', text, tree)

        self.assertEqual(stale('int y;\n'), [])
        self.assertEqual(stale('int z;\n'), [2])
        self.assertEqual(stale('int y;\n', 'none.md'), [2])

    def test_mapped_word(self):
        for text in ('auto& page = *reinterpret_cast<const LanePage*>(mapping.data());',
                     'auto* w = reinterpret_cast<uint64_t*>(bytes + 8);',
                     'auto* w = reinterpret_cast<const volatile std::uint32_t *>(bytes);',
                     'auto& w = *reinterpret_cast<SharedWord<uint64_t>*>(bytes);',
                     'auto* w = reinterpret_cast<std::atomic<uint64_t>*>(bytes);',
                     'auto* h = reinterpret_cast<MyHeader*>(bytes);',
                     'auto* p = static_cast<const causeway::CursorPage*>(anything);',
                     'auto* p = static_cast<SharedWord<uint32_t>*>(anything);',
                     'auto* p = (const SegmentHeader*)(bytes);',
                     'auto* p = (LanePage *)bytes;',
                     'std::atomic_ref<uint64_t> word(x);'):
            self.assertEqual(lines(tidy.mapped_word, 'a/b.cc', '\n' + text), [2], text)
            self.assertEqual(lines(tidy.mapped_word, 'a/b.md', '\n' + text), [], text)
        for text in ('PageAt<LanePage>(mapping.data()).doorbell.LoadRelaxed()',
                     'HeaderWordAt(bytes, 8).LoadAcquire()',
                     'bind(fd, reinterpret_cast<const sockaddr*>(&address), size)',
                     'std::string_view(reinterpret_cast<const char*>(bytes), 5)',
                     'reinterpret_cast<unsigned char*>(bytes)', 'reinterpret_cast<std::byte *>(x)',
                     'reinterpret_cast<uintptr_t>(address)', 'reinterpret_cast<void*>(begin)',
                     'static_cast<uint64_t>(x)', 'static_cast<void>(x)', 'static_cast<T*>(x)',
                     'void Look(const LanePage* page);', 'bool Same(LanePage&);',
                     '// reinterpret_cast<LanePage*>(x)', '"reinterpret_cast<LanePage*>(x)"'):
            self.assertEqual(lines(tidy.mapped_word, 'a/b.cc', '\n' + text), [], text)

    def test_second_load(self):
        def found(body, before='void F() {\n'):
            return lines(tidy.second_load, 'a/b.cc', f'namespace a {{\n{before}{body}\n}}\n}}\n')

        once = 'const auto x = page_->position.LoadAcquire();\n'
        for again in ('if (page_->position.LoadAcquire() > 1) return;',
                      'if (page_->position.LoadRelaxed() > 1) return;',
                      'if (1 < page_\n     ->position\n  .LoadRelaxed()) return;',
                      'auto f = [&] { return page_->position.LoadRelaxed(); };',
                      '// It seems odd.\nG(page_->position.LoadRelaxed());',
                      '// Again: why.\n\nG(page_->position.LoadRelaxed());',
                      'for (;;) {\n  G(page_->position.LoadRelaxed());\n}'):
            self.assertEqual(len(found(once + again)), 1, again)
        for text in ('G(HeaderWordAt(s, Next(o, 1)).LoadAcquire(),'
                     ' HeaderWordAt(s,  Next(o, 1)).LoadAcquire());',
                     'G(words[Of(i)].LoadAcquire(), words[Of(i)].LoadAcquire());',
                     'G((*segment)->header().generation.LoadAcquire(),'
                     ' (*segment)->header().generation.LoadAcquire());'):
            self.assertEqual(found(text), [3], text)
        self.assertEqual(found(once + 'int y;\n' + once), [5])
        # In a class, and in a constructor with initialisers.
        self.assertEqual(found(once + once, 'class A {\n A() : a_{0}, b_(1) {\n') + ['end'],
                         [5, 'end'])

        for other in ('// Again: they are compared.\nG(page_->position.LoadRelaxed());',
                      '// Again: they are compared,\n// as in a sequence lock.\n'
                      'G(page_->position.LoadRelaxed());',
                      'G(page_->position.LoadRelaxed());  // Again: they are compared.',
                      'G(page_->parked.LoadRelaxed());',
                      'G(other.page_->position.LoadRelaxed());',
                      'G(other->page_->position.LoadRelaxed());',
                      'G(HeaderWordAt(s, 1).LoadAcquire(), HeaderWordAt(s, 2).LoadAcquire());',
                      'page_->position.StoreRelaxed(1);',
                      'G(x);\n}\nvoid H() {\nG(page_->position.LoadRelaxed());',
                      '// G(page_->position.LoadRelaxed());',
                      'G("page_->position.LoadRelaxed()");'):
            self.assertEqual(found(once + other), [], other)
        # One place in a loop is one look of many at a word that changes.
        self.assertEqual(found('while (word.LoadAcquire() == 0) Wait();'), [])
        # Two functions of one class may look at the same word.
        self.assertEqual(
            found('}\n int B() { return w.LoadRelaxed(); }', 'class A : public B<int> {\n'
                  'int A() {\n return w.LoadRelaxed();\n'), [])

    def test_exception_exempts_one_file_from_one_rule(self):
        tree = FakeTree(a='x \n', b='y \n')
        self.assertEqual(
            [(path, rule) for path, _, rule, _ in
             tidy.violations(tree, {('trailing_space', 'a.md')})],
            [('b.md', 'trailing_space')])

    def test_exception_that_exempts_nothing_is_reported(self):
        found = list(tidy.violations(FakeTree(a='x\n'), {('trailing_space', 'a.md')}))
        self.assertEqual([path for path, _, _, _ in found], ['a.md'])

    def test_exception_needs_a_reason(self):
        self.assertEqual(tidy.parse_exceptions('# text\n\nlong_file a.cc one table\n'),
                         {('long_file', 'a.cc')})
        with self.assertRaises(ValueError):
            tidy.parse_exceptions('long_file a.cc\n')


if __name__ == '__main__':
    unittest.main()
