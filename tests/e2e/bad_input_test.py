"""Mistakes: one clear line that says what and what to do, and nothing left."""

import json
import os
import subprocess
import sys
import unittest

from tests.e2e.causeway_test_case import CausewayTestCase, PROGRAM


class BadInputTest(CausewayTestCase):

    def assert_refused(self, words, *parts, status=2, **options):
        with self.subTest(words=[word[:60] for word in words]):
            done = self.run_to_end(*words, **options)
            self.assert_one_line_error(done, *parts, status=status)
            self.assert_nothing_left()

    # The program.

    def test_unknown_subcommand(self):
        self.assert_refused(['exchnage'], 'unknown subcommand exchnage', 'did you mean exchange?')
        self.assert_refused(['frobnicate'], 'causeway --help')
        self.assert_refused([''], 'unknown subcommand')
        self.assert_refused([b'\xff\x1b[31m'], '\\xff\\x1b')

    def test_unknown_flag(self):
        self.assert_refused(['exchange', '--frame_byte=4096'], 'did you mean --frame_bytes?')
        self.assert_refused(['publish', 's', '--reader=2'], 'did you mean --readers?')
        self.assert_refused(['ls', '--jsno'], 'did you mean --json?')
        self.assert_refused(['--consumer=3'], 'did you mean --consumers?')

    def test_surplus_and_missing_arguments(self):
        self.assert_refused(['exchange', 'file'], 'unexpected argument file')
        self.assert_refused(['publish'], 'STREAM')
        self.assert_refused(['subscribe', 'a', 'b'], 'unexpected argument b')
        self.assert_refused(['ls', 'lanes'], 'no list of lanes', 'extents')
        self.assert_refused(['evict', 'x'], status=None)

    # exchange.

    def test_inputs(self):
        missing = os.path.join(self.scratch, 'missing')
        self.assert_refused(['exchange', f'--input={missing}'], missing, status=1)
        self.assert_refused(['exchange', f'--input={self.scratch}'], 'is a directory')
        self.assert_refused(['exchange', '--input='], 'empty')
        with open(os.path.join(self.scratch, 'empty'), 'wb'):
            pass
        empty = f'--input={self.scratch}/empty'
        self.assert_refused(['exchange', empty, '--repeat=2'], 'empty', '--repeat')
        self.assert_refused(['exchange', '--input=-', '--repeat=2'], '--repeat', input=b'x')
        directory = os.open(self.scratch, os.O_RDONLY)
        self.assert_refused(['exchange', '--input=-'], 'directory', stdin=directory)
        os.close(directory)

    def test_unreadable_input(self):
        path = os.path.join(self.scratch, 'secret')
        with open(path, 'wb') as file:
            file.write(b'x')
        os.chmod(path, 0)
        if os.access(path, os.R_OK):
            self.skipTest('root may read everything')
        self.assert_refused(['exchange', f'--input={path}'], path, 'ermission', status=1)

    def test_numbers(self):
        self.assert_refused(['exchange', '--consumers=0'], '--consumers is 0', '1 to 64')
        self.assert_refused(['exchange', '--consumers=100000'], '100000', '1 to 64')
        self.assert_refused(['exchange', '--consumers=-1'], '--consumers')
        self.assert_refused(['exchange', '--frame_bytes=0'], '--frame_bytes is 0', '1 to ')
        self.assert_refused(['exchange', '--frame_bytes=2GiB'], '2147483648', '1 to ')
        self.assert_refused(['exchange', '--frame_bytes=99999999999G'], '--frame_bytes')
        self.assert_refused(['exchange', '--repeat=0'], '--repeat')
        self.assert_refused(['exchange', '--repeat=2', '--bytes=5'], '--bytes', '--repeat')
        self.assert_refused(['exchange', '--deadline=never'], '--deadline', 'inf')
        self.assert_refused(['exchange', '--capacity_bytes=4096'], 'capacity', status=None)

    def test_json_has_the_error_too(self):
        for words in (['--json', '--consumers=0'], ['--json', '--frame_byte=1'],
                      ['--json', '--input=/nowhere'], ['--json', '--dir=/nowhere']):
            with self.subTest(words=words):
                done = self.run_to_end('exchange', *words)
                self.assertNotEqual(done.returncode, 0)
                report = json.loads(done.stdout)
                self.assertFalse(report['ok'])
                self.assertTrue(report['error'])
        self.assert_nothing_left()

    def test_no_room_for_the_coordinator(self):
        missing = os.path.join(self.scratch, 'missing')
        self.assert_refused(['exchange', f'--volatile_dir={missing}'], status=1)
        self.environment['TMPDIR'] = missing
        done = self.exchange('--bytes=1')
        self.assertEqual(done.returncode, 1)
        self.assertIn(missing.encode(), done.stderr)

    def test_full_volatile_directory(self):
        mounted = os.path.join(self.scratch, 'small')
        os.mkdir(mounted)
        script = (f'mount -t tmpfs -o size=512k tmpfs {mounted} && '
                  f'exec "$0" exchange --json --volatile_dir={mounted}')
        unshare = ['unshare', '-m'] if os.geteuid() == 0 else ['unshare', '-rm']
        if subprocess.run([*unshare, 'sh', '-c', f'mount -t tmpfs tmpfs {mounted}'],
                          capture_output=True).returncode != 0:
            self.skipTest('no right to mount a tmpfs')
        done = subprocess.run([*unshare, 'sh', '-c', script, self.program()],
                              env=self.environment, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        report = json.loads(done.stdout)
        self.assertFalse(report['ok'])
        self.assertIn(mounted, report['error'])
        self.assert_nothing_left()

    # The coordinator's directory.

    def test_no_coordinator(self):
        missing = os.path.join(self.scratch, 'missing')
        for words in (['publish', 's'], ['subscribe', 's'], ['ls'], ['exchange'], ['create', 's'],
                      ['delete', 's'], ['evict', '1']):
            self.assert_refused([*words, f'--dir={missing}'], missing,
                                f'causeway coordinator --dir={missing}', status=1)
            self.assert_refused([*words, f'--dir={self.tmp}'], 'no coordinator serves',
                                'causeway coordinator', status=1)
            self.assert_refused([*words, '--dir='], '--dir is empty')
            self.assert_refused([*words, '--dir=/dev/null'], 'is no directory')

    def test_nobody_serves_any_more(self):
        directory = self.start_coordinator()
        self.coordinator.kill()
        self.coordinator.wait()
        for words in (['publish', 's'], ['ls']):
            done = self.run_to_end(*words, f'--dir={directory}')
            self.assert_one_line_error(done, directory, status=1)

    def test_not_permitted(self):
        if os.geteuid() != 0:
            self.skipTest('only root can become somebody else')

        def become_nobody():
            os.setgid(65534)
            os.setuid(65534)
        try:
            subprocess.run([PROGRAM, '--version'], preexec_fn=become_nobody, check=True,
                           stdout=subprocess.DEVNULL)
        except (subprocess.SubprocessError, PermissionError):
            self.skipTest('there is nobody else in this user namespace, or not with this program')
        directory = self.start_coordinator()
        os.chmod(self.scratch, 0o755)
        for words in (['publish', 's'], ['ls']):
            done = self.run_to_end(*words, f'--dir={directory}', preexec_fn=become_nobody)
            self.assert_one_line_error(done, directory, 'coordinator\'s user', status=1)
        self.stop_coordinator()

    # Names.

    def test_stream_names(self):
        directory = self.start_coordinator()
        names = {'': 'empty', 'a/b': "'/'", '..': '..', 'n' * 4096: '255', 'a\nb': 'name',
                 b'caf\xff': 'UTF-8'}
        for name, part in names.items():
            for command in ('publish', 'subscribe', 'create'):
                with self.subTest(name=name[:20], command=command):
                    done = self.run_to_end(command, name, f'--dir={directory}')
                    self.assert_one_line_error(done, part, status=2)
        self.assertEqual(self.listing()['streams'], [])
        self.stop_coordinator()
        self.assert_nothing_left()

    def test_frames_that_the_stream_does_not_hold(self):
        directory = self.start_coordinator()
        done = self.run_to_end('create', 's', '--max_frame_bytes=1000')
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.run_to_end('publish', 's', '--readers=0', input=b'x')
        self.assert_one_line_error(done, '65536', '1 to 1000', status=2)
        done = self.run_to_end('publish', 's', '--readers=0', '--frame_bytes=0', input=b'x')
        self.assert_one_line_error(done, '--frame_bytes is 0', status=2)
        done = self.run_to_end('publish', 's', '--readers=0', '--frame_bytes=10', '--lines',
                               input=b'short\nmuch longer than ten\n')
        self.assert_one_line_error(done, 'line 2 is longer than 10 bytes', status=2)
        self.stop_coordinator()

    @staticmethod
    def program():
        from tests.e2e.causeway_test_case import PROGRAM
        return PROGRAM


if __name__ == '__main__':
    unittest.main(argv=sys.argv)
