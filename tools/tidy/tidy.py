"""Rules of the house that a compiler does not check: one function each, over one file's text.

A rule yields (line, message) for each violation. A file is exempt from a rule when
exceptions.txt names both, with a reason.
"""

import os
import re
import subprocess
import sys

MAX_LINES = 600
BANNED_NAME = re.compile(r'(Manager|Helper|Util|Common)s?(?![a-z])')
BANNED_FILE_WORD = re.compile(r'(^|[^a-z])(manager|helper|util|common)s?($|[^a-z])')
TYPE = re.compile(r'^\s*(?:template\s*<.*>\s*)?(?:class|struct|union|enum(?:\s+class)?|concept|using'
                  r'|message|service)\s+(?:\w+\(.*?\)\s+|\[\[.*?\]\]\s+)?(\w+)')
LINK = re.compile(r'(?<!!)\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|!\[[^\]]*\]\(([^)\s]+)[^)]*\)')
# In two parts, so that this file passes its own rule.
UNFINISHED = re.compile(r'\b(TO' r'DO|FIX' r'ME)\b')


def lines_of(text):
    return enumerate(text.splitlines(), start=1)


def long_file(path, text, tree):
    """Files stay short enough to be read; over the limit needs a reason."""
    count = len(text.splitlines())
    if path.endswith(('.h', '.cc', '.proto', '.bzl', '.py')) and count > MAX_LINES:
        yield count, f'has {count} lines, over {MAX_LINES}'


def banned_name(path, text, tree):
    """A name says what a thing is; these words say nothing."""
    words = re.sub(r'([a-z])([A-Z])', r'\1_\2', path).lower()
    if BANNED_FILE_WORD.search(words):
        yield 1, 'file or folder named after a Manager, Helper, Util or Common'
    if not path.endswith(('.h', '.cc', '.proto')):
        return
    for number, line in lines_of(text):
        match = TYPE.match(line)
        if match and BANNED_NAME.search(match[1]):
            yield number, f'type {match[1]} is named Manager, Helper, Util or Common'


def include_guard(path, text, tree):
    """A header's guard is its path."""
    if not path.endswith('.h'):
        return
    guard = 'CAUSEWAY_' + re.sub(r'[^A-Z0-9]', '_', path.upper()) + '_'
    if not re.search(rf'^#ifndef {guard}\n#define {guard}$', text, re.M):
        yield 1, f'include guard is not {guard}'
    elif not text.endswith(f'#endif  // {guard}\n'):
        yield len(text.splitlines()), f'does not end with #endif  // {guard}'


def grpc_header(path, text, tree):
    """gRPC's headers cost seconds per translation unit: our headers do not hand them on."""
    if not path.endswith('.h'):
        return
    for number, line in lines_of(text):
        if re.match(r'\s*#\s*include\s+[<"](grpc(pp|\+\+)?/|.*\.grpc\.pb\.h)', line):
            yield number, 'a header includes gRPC'


def build_glob(path, text, tree):
    """BUILD files name what they build."""
    if os.path.basename(path) not in ('BUILD', 'BUILD.bazel'):
        return
    for number, line in lines_of(text):
        if re.search(r'\bglob\(', line.split('#')[0]):
            yield number, 'glob() in a BUILD file'


def unfinished(path, text, tree):
    """What is not done is an issue, not a comment."""
    for number, line in lines_of(text):
        match = UNFINISHED.search(line)
        if match:
            yield number, f'{match[0]} in the text'


def trailing_space(path, text, tree):
    for number, line in lines_of(text):
        if line != line.rstrip():
            yield number, 'white space at the end of the line'


def anchors(markdown):
    """The anchors that a rendered page has: its headings, lower case, with dashes for spaces."""
    found = set()
    for _, line in prose(markdown):
        heading = re.match(r'#+\s+(.*)', line)
        if heading:
            words = re.sub(r'[^\w\- ]', '', heading[1].strip().lower())
            found.add(words.replace(' ', '-'))
    return found


def prose(markdown):
    """The lines outside of code."""
    fenced = False
    for number, line in lines_of(markdown):
        if line.lstrip().startswith('```'):
            fenced = not fenced
        elif not fenced:
            yield number, re.sub(r'`[^`]*`', '', line) if not line.startswith('#') else line


def broken_link(path, text, tree):
    """Links to files and headings of this repository lead somewhere."""
    if not path.endswith('.md'):
        return
    for number, line in prose(text):
        for match in LINK.finditer(line):
            target = match[1] or match[2]
            if re.match(r'[a-z]+:', target):
                continue
            file, _, anchor = target.partition('#')
            file = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
            if not tree.has(file):
                yield number, f'link to {target}, which does not exist'
            elif anchor and file.endswith('.md') and anchor not in anchors(tree.read(file)):
                yield number, f'link to {target}: no such heading'


EXAMPLE = re.compile(r'^<!-- example: (\S+) -->\n```cpp\n(.*?)^```$', re.M | re.S)
EXAMPLE_SECTION = re.compile(r'^// \[example\]\n(.*?)^// \[example\]$', re.M | re.S)


def stale_example(path, text, tree):
    """Code after `<!-- example: FILE -->` is what stands between the marks of that file."""
    if not path.endswith('.md'):
        return
    for match in EXAMPLE.finditer(text):
        section = EXAMPLE_SECTION.search(tree.read(match[1]) if tree.has(match[1]) else '')
        if section is None or section[1] != match[2]:
            yield text.count('\n', 0, match.start()) + 1, f'differs from the example in {match[1]}'


CAST = re.compile(r'\b(reinterpret|static)_cast<\s*((?:[^<>]|<[^<>]*>)*?)\s*>|(?<![\w>])\((?:const )?'
                  r'((?:SharedWord<\w+>|(?:Page|Segment)Header|LanePage|CursorPage)\s*[*&])\)')
SHARED = re.compile(r'(SharedWord<\w+>|(?:Page|Segment)Header|LanePage|CursorPage)[*&]*$')
HARMLESS = re.compile(r'((unsigned )?char|(std::)?(byte|uint8_t)|void|sockaddr)[*&]+$|'
                      r'(std::)?uintptr_t$')


def mapped_word(path, text, tree):
    """Mapped bytes become words through PageAt() and HeaderWordAt() alone: both give SharedWords."""
    if not path.endswith(('.h', '.cc')):
        return
    for number, line in lines_of(blank(text)):
        if 'atomic_ref' in line:
            yield number, 'std::atomic_ref; words of a mapping are SharedWord (PageAt, HeaderWordAt)'
        for match in CAST.finditer(line):
            target = re.sub(r'\b(const|volatile|causeway::)\s*|\s*(?=[*&])', '', match[2] or match[3])
            refused = not HARMLESS.match(target) if match[1] == 'reinterpret' else SHARED.match(
                target)
            if refused:
                yield number, f'a cast to {target}; from mapped bytes use PageAt or HeaderWordAt'


LOAD = re.compile(r'\bLoad(?:Relaxed|Acquire)\(\)')
# What may stand before it: names, members, calls and indices, without operators around them.
POSTFIX_PART = re.compile(r'(?:[\w\])]|::|->|\.)$')
SCOPE = re.compile(r'\b(namespace|class|struct|union|enum|extern)\b[^;{}()]*$|\bextern\s+""\s*$')


def second_load(path, text, tree):
    """A function that loads a shared word twice may find two values, and must say why it does.

    It looks at one function's text at a time, and takes two loads for the same if the words are
    spelled the same. Behind `// Again:` stands the reason, on the same line or above.
    """
    if not path.endswith(('.h', '.cc')):
        return
    reasons = text.splitlines()
    for begin, body in functions(blank(text)):
        seen = set()
        for match in LOAD.finditer(body):
            word = loaded_word(body, match.start())
            number = body.count('\n', 0, match.start()) + begin
            if word in seen and not says_again(reasons, number):
                yield number, (f'{word} is loaded again in one function; load it once into a local, '
                               'or say why behind `// Again:`')
            seen.add(word)


def blank(text):
    """C++ without its comments and the insides of its literals; lines stay where they are."""
    token = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)

    def blanked(match):
        if match[0][0] in '"\'':
            return match[0][0] * 2
        return '\n' * match[0].count('\n')

    return token.sub(blanked, text)


def functions(code):
    """Yields (line, text) of each outermost block that is no namespace and no type."""
    outer = []  # of the open braces: whether functions may stand inside
    start = 0
    last = 0  # end of the statement, or of the brace, before
    for match in re.finditer(r'[{};]', code):
        if match[0] == '{':
            inside = all(outer) and bool(SCOPE.search(code[last:match.start()]))
            if not inside and all(outer):
                start = match.start()
            outer.append(inside)
        elif match[0] == '}' and outer:
            if not outer.pop() and all(outer):
                yield code.count('\n', 0, start) + 1, code[start:match.end()]
        if all(outer):
            last = match.end()


def loaded_word(body, end):
    """The expression whose Load...() begins at `end`, without white space."""
    begin = end
    while begin > 0:
        if body[begin - 1].isspace():
            # A line break within a chain of members; a space between two names ends it.
            before = body[:begin].rstrip()
            if not before.endswith(('.', '->', '::')) and not body[begin:end].startswith(
                    ('.', '->')):
                break
            begin = len(before)
        elif body[begin - 1] in ')]':
            begin = opening(body, begin - 1)
        elif POSTFIX_PART.search(body[max(0, begin - 2):begin]):
            begin -= 2 if body[max(0, begin - 2):begin] in ('->', '::') else 1
        else:
            break
    return re.sub(r'\s+', '', body[begin:end]).rstrip('.').removesuffix('->')


def opening(body, at):
    """Where the bracket is that the one at `at` closes."""
    depth = 0
    for begin in range(at, -1, -1):
        depth += (body[begin] in ')]') - (body[begin] in '([')
        if depth == 0:
            return begin
    return 0


def says_again(lines, number):
    """Whether `// Again:` stands on line `number`, or in the comment that ends right above."""
    if '// Again:' in lines[number - 1]:
        return True
    above = number - 2
    while above >= 0 and lines[above].lstrip().startswith('//'):
        if lines[above].lstrip().startswith('// Again:'):
            return True
        above -= 1
    return False


def types(text):
    """Yields (line, namespace, name) of each type that is defined outside of others."""
    namespace = ''
    for number, line in lines_of(text):
        if match := re.match(r'namespace ([\w:]+) \{', line):
            namespace = match[1]
        elif match := re.match(r'(?:class|struct|union|enum class) (?:\[\[\w+\]\] )?(\w+)(?: final)?'
                               r'(?: :[^:].*)? \{', line):
            yield number, namespace, match[1]


def type_twice(path, text, tree):
    """Two types of one name are one to the linker, which keeps the functions of either for both."""
    if not path.endswith('.h'):
        return
    if not hasattr(tree, 'homes'):
        tree.homes = {}  # of types: the first header
        for header in tree.paths:
            if header.endswith('.h'):
                for _, *name in types(tree.read(header)):
                    tree.homes.setdefault('::'.join(name), header)
    for number, *name in types(text):
        name = '::'.join(name)
        if tree.homes.get(name, path) != path:
            yield number, f'{name} is defined in {tree.homes[name]}, too'


RULES = (long_file, banned_name, include_guard, grpc_header, build_glob, unfinished,
         trailing_space, broken_link, stale_example, mapped_word, second_load, type_twice)


class Tree:
    """The workspace's files that git tracks or would track."""

    def __init__(self, root):
        self.root = root
        listed = subprocess.run(
            ['git', '-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others',
             '--exclude-standard'], cwd=root, check=True, capture_output=True, text=True).stdout
        self.paths = sorted(path for path in set(listed.split('\0'))
                            if path and os.path.isfile(os.path.join(root, path)))

    def has(self, path):
        return os.path.exists(os.path.join(self.root, path))

    def read(self, path):
        """The file's text; empty if it holds no text."""
        with open(os.path.join(self.root, path), 'rb') as file:
            content = file.read()
        try:
            return '' if b'\0' in content else content.decode()
        except UnicodeDecodeError:
            return ''


def parse_exceptions(text):
    """Lines of `rule path reason` as {(rule, path)}; a line without a reason is an error."""
    exceptions = set()
    for number, line in lines_of(text):
        if not line or line.startswith('#'):
            continue
        words = line.split(maxsplit=2)
        if len(words) < 3:
            raise ValueError(f'line {number}: expected `rule path reason`, found: {line}')
        exceptions.add((words[0], words[1]))
    return exceptions


def violations(tree, exceptions):
    """Yields (path, line, rule, message), and each exception that exempts nothing."""
    unused = set(exceptions)
    for path in tree.paths:
        text = tree.read(path)
        for rule in RULES:
            for line, message in rule(path, text, tree):
                if (rule.__name__, path) in exceptions:
                    unused.discard((rule.__name__, path))
                else:
                    yield path, line, rule.__name__, message
    for rule, path in sorted(unused):
        yield path, 1, rule, 'is an exception in tools/tidy/exceptions.txt, but is not needed'


def main():
    # Bazel links this file to the workspace's own: the real path leads to all the others.
    here = os.path.dirname(os.path.realpath(__file__))
    tree = Tree(os.path.dirname(os.path.dirname(here)))
    exceptions = parse_exceptions(tree.read('tools/tidy/exceptions.txt'))
    found = list(violations(tree, exceptions))
    for path, line, rule, message in found:
        print(f'{path}:{line}: {message} [{rule}]')
    print(f'{len(tree.paths)} files, {len(found)} violations')
    return 1 if found or not tree.paths else 0


if __name__ == '__main__':
    sys.exit(main())
