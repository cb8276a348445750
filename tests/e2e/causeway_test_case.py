"""What tests of the real program share: places of their own, processes, and proof that nothing is
left of them."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import uuid

PROGRAM = os.path.abspath('agents/cli/causeway')

# Only for tests that would otherwise hang: nothing here takes a time like it.
PATIENCE_S = 60


def wait_until(condition, what):
    """Returns the condition's first true value."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f'never came: {what}')
        time.sleep(0.002)  # The condition is asked again: the pause only spares the processor.


class CausewayTestCase(unittest.TestCase):
    """A test with a TMPDIR, a volatile directory and a mark of its own on all its processes."""

    def setUp(self):
        self.scratch = tempfile.mkdtemp(dir=os.environ.get('TEST_TMPDIR'))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        self.tmp = os.path.join(self.scratch, 'tmp')
        os.mkdir(self.tmp)
        self.volatile = tempfile.mkdtemp(prefix='causeway-test-', dir='/dev/shm')
        self.addCleanup(shutil.rmtree, self.volatile, ignore_errors=True)
        self.mark = f'CAUSEWAY_TEST_MARK={uuid.uuid4()}'
        self.environment = dict(os.environ, TMPDIR=self.tmp,
                                CAUSEWAY_DIR=os.path.join(self.scratch, 'served'))
        name, value = self.mark.split('=')
        self.environment[name] = value
        self.addCleanup(self.kill_all)

    # Processes.

    def start(self, *words, **options):
        """Starts the program, by default with captured output and as its own process group."""
        options.setdefault('stdin', subprocess.DEVNULL)
        options.setdefault('stdout', subprocess.PIPE)
        options.setdefault('stderr', subprocess.PIPE)
        process = subprocess.Popen([PROGRAM, *words], env=self.environment, start_new_session=True,
                                   **options)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                self.addCleanup(stream.close)
        return process

    def run_to_end(self, *words, **options):
        """Runs the program to its end; `input`: bytes for its standard input."""
        data = options.pop('input', None)
        if data is not None:
            options['stdin'] = subprocess.PIPE
        process = self.start(*words, **options)
        out, err = process.communicate(data, timeout=PATIENCE_S)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def exchange(self, *words, **options):
        return self.run_to_end('exchange', f'--volatile_dir={self.volatile}', *words, **options)

    def start_exchange(self, *words, **options):
        return self.start('exchange', f'--volatile_dir={self.volatile}', *words, **options)

    def start_coordinator(self):
        """Serves self.environment['CAUSEWAY_DIR'] until the test's end."""
        read_end, write_end = os.pipe()
        os.set_inheritable(write_end, True)
        directory = self.environment['CAUSEWAY_DIR']
        process = self.start('coordinator', f'--dir={directory}',
                             f'--volatile_dir={self.volatile}/served', f'--ready_fd={write_end}',
                             pass_fds=[write_end], stdout=subprocess.DEVNULL, stderr=None)
        os.close(write_end)
        with os.fdopen(read_end, 'rb') as ready:
            self.assertTrue(ready.readline(), 'the coordinator did not get ready')
        self.coordinator = process
        return directory

    def stop_coordinator(self):
        self.coordinator.send_signal(signal.SIGTERM)
        self.assertEqual(self.coordinator.wait(PATIENCE_S), 0)

    def pids(self):
        """This test's processes that run (zombies have no environment)."""
        found = []
        for name in os.listdir('/proc'):
            if name.isdigit():
                try:
                    with open(f'/proc/{name}/environ', 'rb') as environ:
                        if self.mark.encode() in environ.read():
                            found.append(int(name))
                except OSError:
                    pass  # It has ended meanwhile.
        return found

    def pids_of(self, subcommand):
        found = []
        for pid in self.pids():
            try:
                with open(f'/proc/{pid}/cmdline', 'rb') as cmdline:
                    if cmdline.read().split(b'\0')[1:2] == [subcommand.encode()]:
                        found.append(pid)
            except OSError:
                pass
        return found

    def stop(self, process):
        process.send_signal(signal.SIGSTOP)

        def stopped():
            with open(f'/proc/{process.pid}/stat', encoding='ascii') as stat:
                return stat.read().rsplit(')', 1)[1].split()[0] == 'T'
        wait_until(stopped, 'the stop')

    def kill_all(self):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # What a directory's coordinator says.

    def listing(self, directory=None):
        directory = directory or self.environment['CAUSEWAY_DIR']
        done = self.run_to_end('ls', '--json', '--limit=0', f'--dir={directory}')
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def wait_for_agents(self, count, directory=None):
        wait_until(lambda: len(self.listing(directory)['agents']) == count, f'{count} agents')

    def ephemeral_directory(self):
        """That of the one coordinator that an exchange has started, once it serves."""
        def serving():
            for name in os.listdir(self.tmp):
                # The last of its sockets.
                if os.path.exists(os.path.join(self.tmp, name, 'handoff.sock')):
                    return os.path.join(self.tmp, name)
            return None
        return wait_until(serving, 'the sockets of the coordinator')

    # Verdicts.

    def assert_nothing_left(self):
        """No process, at once or very soon, and no file."""
        wait_until(lambda: not self.pids(), 'the end of every process')
        wait_until(lambda: not self.left_files(), f'the end of {self.left_files()}')

    def left_files(self):
        return [os.path.join(where, name) for where in (self.tmp, self.volatile)
                for name in os.listdir(where)]

    def is_unlocked(self, directory):
        """Whether no coordinator, living or dying, holds the directory's lock."""
        with open(os.path.join(directory, 'lock'), 'rb') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    def assert_one_line_error(self, done, *parts, status=None):
        """One line on standard error that holds all `parts`, and an exit status that is not 0."""
        text = done.stderr.decode(errors='replace')
        self.assertNotEqual(done.returncode, 0, text)
        if status is not None:
            self.assertEqual(done.returncode, status, text)
        own = [line for line in text.splitlines() if line.startswith('causeway')]
        self.assertEqual(len(own), 1, text)
        for part in parts:
            self.assertIn(part, own[0])
