"""`causeway copy`: the copy is the source, or there is none."""

import os
import signal
import subprocess
import unittest

from tests.e2e.causeway_test_case import CausewayTestCase, PROGRAM, wait_until

PAGE = 4096

# A copy in so many small extents takes long enough to be disturbed in its middle.
SLOW_BYTES = 16 << 20
SLOW = '--extent_bytes=4096'


def pattern(length):
    return (bytes(i * 131 % 251 for i in range(251 * 16)) * (length // 4016 + 1))[:length]


class CopyTest(CausewayTestCase):

    def setUp(self):
        super().setUp()
        self.place = os.path.join(self.scratch, 'place')
        os.mkdir(self.place)
        self.target = os.path.join(self.place, 'target')

    def source_of(self, content):
        path = os.path.join(self.scratch, 'source')
        with open(path, 'wb') as file:
            file.write(content)
        return path

    def assert_copied(self, content):
        with open(self.target, 'rb') as file:
            self.assertTrue(file.read() == content, 'the copy differs from its source')
        self.assertEqual(os.listdir(self.place), ['target'])
        self.assert_nothing_left()

    def assert_no_target(self):
        self.assertEqual(os.listdir(self.place), [])
        self.assert_nothing_left()

    def start_slow_copy(self, *words):
        """A copy whose workers are at work."""
        source = self.source_of(pattern(SLOW_BYTES))
        process = self.start('copy', source, self.target, SLOW, *words)
        wait_until(lambda: len(self.pids_of('copy-worker')) == 2, 'two workers')
        return source, process

    def finish(self, process):
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def test_every_size(self):
        for size in (0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 5_000_011):
            for words in ([], ['--workers=1', '--verify'], ['--workers=5', SLOW]):
                if size > 1 << 20 and SLOW in words:
                    continue
                with self.subTest(size=size, words=words):
                    content = pattern(size)
                    done = self.run_to_end('copy', self.source_of(content), self.target, *words)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertEqual(done.stderr, b'')
                    self.assert_copied(content)

    def test_with_a_running_coordinator(self):
        directory = self.start_coordinator()
        content = pattern(1_000_000)
        done = self.run_to_end('copy', self.source_of(content), self.target, f'--dir={directory}')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.wait_for_agents(0)
        self.stop_coordinator()
        self.assert_copied(content)

    def test_killed_workers_are_made_good(self):
        source, process = self.start_slow_copy()
        for _ in range(3):
            victim = wait_until(lambda: self.pids_of('copy-worker'), 'a worker')[0]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: victim not in self.pids(), 'its end')
            self.assertFalse(os.path.exists(self.target), 'the copy was complete before the kill')
        done = self.finish(process)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_copied(pattern(SLOW_BYTES))

    def test_workers_that_always_die_end_the_job(self):
        _, process = self.start_slow_copy()
        while process.poll() is None:
            for pid in self.pids_of('copy-worker'):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # It has ended meanwhile.
        self.assert_one_line_error(self.finish(process), 'was killed by signal 9', 'worker')
        self.assert_no_target()

    def test_a_source_that_shrinks(self):
        source, process = self.start_slow_copy()
        for pid in self.pids_of('copy-worker'):
            os.kill(pid, signal.SIGSTOP)
        os.truncate(source, PAGE)
        for pid in self.pids_of('copy-worker'):
            os.kill(pid, signal.SIGCONT)
        self.assert_one_line_error(self.finish(process), 'was shortened while it was copied')
        self.assert_no_target()

    def test_a_source_that_is_written_to(self):
        source, process = self.start_slow_copy()
        with open(source, 'r+b') as file:
            file.write(b'other')
        self.assert_one_line_error(self.finish(process), 'was changed while it was copied', source)
        self.assert_no_target()

    def test_a_full_file_system(self):
        small = os.path.join(self.scratch, 'small')
        os.mkdir(small)
        source = self.source_of(pattern(4 << 20))
        script = (f'mount -t tmpfs -o size=1m none {small} && "{PROGRAM}" copy {source} {small}/t; '
                  f'status=$?; ls -A {small}; exit $status')
        unshare = ['unshare', '--mount'] + ([] if os.geteuid() == 0 else ['--map-root-user'])
        if subprocess.run([*unshare, 'true'], check=False, capture_output=True).returncode != 0:
            self.skipTest('needs the right to mount a file system')
        done = subprocess.run([*unshare, 'sh', '-c', script], env=self.environment, check=False,
                              capture_output=True)
        self.assert_one_line_error(done, 'ENOSPC', '4194304')
        self.assertEqual(done.stdout, b'', 'a name was left')
        self.assert_nothing_left()

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                _, process = self.start_slow_copy()
                process.send_signal(number)
                done = self.finish(process)
                self.assertEqual(done.returncode, -number, done.stderr)
                self.assert_no_target()

    def test_the_parent_killed(self):
        _, process = self.start_slow_copy()
        process.kill()
        self.finish(process)
        self.assert_no_target()

    def test_an_error_leaves_the_old_target(self):
        with open(self.target, 'wb') as file:
            file.write(b'old')
        _, process = self.start_slow_copy()
        process.terminate()
        self.finish(process)
        self.assert_copied(b'old')

    def test_preserve(self):
        source = self.source_of(b'bytes')
        os.chmod(source, 0o640)
        os.utime(source, ns=(1_000_000_001, 2_000_000_002))
        done = self.run_to_end('copy', source, self.target, '--preserve')
        self.assertEqual(done.returncode, 0, done.stderr)
        status = os.stat(self.target)
        self.assertEqual(status.st_mode & 0o7777, 0o640)
        self.assertEqual(status.st_mtime_ns, 2_000_000_002)

    def test_bad_input(self):
        source = self.source_of(b'bytes')
        cases = [
            ([source], 'DST'),
            ([source, source], 'are the same file'),
            ([self.place, self.target], 'is a directory'),
            ([source + '-none', self.target], 'No such file'),
            ([source, os.path.join(self.place, 'none', 'target')], 'No such file'),
            ([source, '/dev/null'], 'not a regular file'),
            ([source, self.target, '--workers=0'], '1 to 64'),
            ([source, self.target, '--workers=65'], '1 to 64'),
            ([source, self.target, '--extent_bytes=100'], 'multiple of the page size'),
            ([source, self.target, '--verfiy'], 'did you mean --verify'),
            ([source, self.target, f'--dir={self.place}/none'], 'none'),
        ]
        for words, part in cases:
            with self.subTest(words=words):
                self.assert_one_line_error(self.run_to_end('copy', *words), part)
                self.assert_no_target()
        with open(source, 'rb') as file:
            self.assertEqual(file.read(), b'bytes')


if __name__ == '__main__':
    unittest.main()
