"""`causeway publish` and `subscribe`: a named pipe with many ends, through shared memory."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import unittest

from tests.e2e.causeway_test_case import PATIENCE_S, CausewayTestCase, wait_until


class PipeToolsTest(CausewayTestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.start_coordinator()

    def publish(self, *words, **options):
        return self.start('publish', 's', *words, stdin=subprocess.PIPE, **options)

    def subscribe(self, *words, **options):
        return self.start('subscribe', 's', *words, **options)

    def end_of(self, process, data=None):
        out, err = process.communicate(data, timeout=PATIENCE_S)
        return process.returncode, out, err.decode()

    def assert_all_left(self):
        """All sessions ended, and the coordinator keeps nothing for them."""
        self.wait_for_agents(0)
        wait_until(lambda: not self.listing()['extents'], 'the return of every extent')
        self.stop_coordinator()

    def test_reader_first(self):
        reader = self.subscribe()
        self.wait_for_agents(1)
        writer = self.publish()
        self.assertEqual(self.end_of(writer, b'hello'), (0, b'', ''))
        self.assertEqual(self.end_of(reader), (0, b'hello', ''))
        self.assert_all_left()

    def test_writer_first(self):
        writer = self.publish()
        writer.stdin.write(b'hello')
        writer.stdin.flush()
        self.wait_for_agents(1)
        reader = self.subscribe()
        self.assertEqual(self.end_of(writer, b', world'), (0, b'', ''))
        self.assertEqual(self.end_of(reader), (0, b'hello, world', ''))
        self.assert_all_left()

    def test_several_readers_see_everything(self):
        content = os.urandom(3_000_000)
        writer = self.publish('--readers=3')
        readers = [self.subscribe(stdout=open(os.path.join(self.scratch, f'{i}'), 'wb'))
                   for i in range(3)]
        self.assertEqual(self.end_of(writer, content)[0], 0)
        for i, reader in enumerate(readers):
            self.assertEqual(reader.wait(PATIENCE_S), 0)
            with open(os.path.join(self.scratch, f'{i}'), 'rb') as file:
                self.assertEqual(file.read(), content)
        self.assert_all_left()

    def test_several_writers_are_all_read(self):
        reader = self.subscribe('--lines')
        writers = [self.publish('--lines') for _ in range(3)]
        self.wait_for_agents(4)
        for i, writer in enumerate(writers):
            writer.stdin.write(b''.join(b'%d %d\n' % (i, n) for n in range(1000)))
        for writer in writers:
            self.assertEqual(self.end_of(writer)[0], 0)
        status, out, err = self.end_of(reader)
        self.assertEqual((status, err), (0, ''))
        lines = out.splitlines()
        self.assertEqual(len(lines), 3000)
        for i in range(3):
            own = [line for line in lines if line.startswith(b'%d ' % i)]
            self.assertEqual(own, [b'%d %d' % (i, n) for n in range(1000)])
        self.assert_all_left()

    def test_lines(self):
        for sent, got in ((b'a\nbb\n\nc\n', b'a\nbb\n\nc\n'), (b'no newline', b'no newline\n'),
                          (b'\n', b'\n'), (b'', b'')):
            with self.subTest(sent=sent):
                reader = self.subscribe('--lines')
                writer = self.publish('--lines', '--frame_bytes=10')
                self.assertEqual(self.end_of(writer, sent)[0], 0)
                self.assertEqual(self.end_of(reader)[:2], (0, got))
        self.assert_all_left()

    def test_a_line_that_fills_the_frame(self):
        reader = self.subscribe('--lines')
        writer = self.publish('--lines', '--frame_bytes=10')
        content = b'0123456789\n' * 1000
        self.assertEqual(self.end_of(writer, content)[0], 0)
        self.assertEqual(self.end_of(reader)[:2], (0, content))

    def test_empty_input(self):
        reader = self.subscribe()
        writer = self.publish()
        self.assertEqual(self.end_of(writer, b''), (0, b'', ''))
        self.assertEqual(self.end_of(reader), (0, b'', ''))
        self.assert_all_left()

    def test_bytes_come_as_they_are_published(self):
        reader = self.subscribe()
        writer = self.publish()
        for piece in (b'one', b'two', b'three'):
            writer.stdin.write(piece)
            writer.stdin.flush()
            self.assertEqual(os.read(reader.stdout.fileno(), 100), piece)
        self.assertEqual(self.end_of(writer)[0], 0)
        self.assertEqual(self.end_of(reader)[0], 0)

    def test_without_readers(self):
        writer = self.publish('--readers=0')
        self.assertEqual(self.end_of(writer, b'x' * 1_000_000), (0, b'', ''))
        self.assert_all_left()

    def test_killed_writer(self):
        reader = self.subscribe()
        writer = self.publish()
        writer.stdin.write(b'committed')
        writer.stdin.flush()
        self.assertEqual(os.read(reader.stdout.fileno(), 100), b'committed')
        writer.kill()
        status, out, err = self.end_of(reader)
        self.assertEqual(status, 1)
        self.assertRegex(err, '^causeway subscribe: .*died.*\n$')
        self.assert_all_left()

    def test_killed_writer_whose_reader_slept(self):
        reader = self.subscribe()
        writer = self.publish()
        self.wait_for_agents(2)
        writer.stdin.write(b'x')
        writer.stdin.flush()
        self.assertEqual(os.read(reader.stdout.fileno(), 100), b'x')
        reader.send_signal(signal.SIGSTOP)
        self.write_and_wait(writer, b'y' * 50_000)
        # Whoever has read this has committed what was before.
        self.write_and_wait(writer, b'z')
        writer.kill()
        writer.wait()
        reader.send_signal(signal.SIGCONT)
        status, out, err = self.end_of(reader)
        self.assertEqual(status, 1)
        self.assertIn(out, (b'y' * 50_000, b'y' * 50_000 + b'z'))
        self.assertIn('died', err)

    @staticmethod
    def write_and_wait(writer, data):
        """Until the writer has read it."""
        writer.stdin.write(data)
        writer.stdin.flush()

        def unread():
            return struct.unpack('i', fcntl.ioctl(writer.stdin, termios.FIONREAD, b'\0' * 4))[0]
        wait_until(lambda: unread() == 0, 'the end of the input')

    def test_follow_goes_on_after_writers(self):
        reader = self.subscribe('--follow')
        for piece in (b'first', b'second'):
            writer = self.publish()
            self.assertEqual(self.end_of(writer, piece)[0], 0)
            self.assertEqual(os.read(reader.stdout.fileno(), 100), piece)
        reader.send_signal(signal.SIGINT)
        self.assertEqual(self.end_of(reader)[0], -signal.SIGINT)
        self.assert_all_left()

    def test_nobody_reads_the_readers_output(self):
        reader = self.subscribe()
        writer = self.publish()
        writer.stdin.write(b'x')
        writer.stdin.flush()
        self.assertEqual(os.read(reader.stdout.fileno(), 1), b'x')
        reader.stdout.close()
        writer.stdin.write(b'y')
        writer.stdin.flush()
        reader.wait(PATIENCE_S)
        self.assertEqual(reader.returncode, -signal.SIGPIPE)
        self.assertEqual(reader.stderr.read(), b'')
        # The writer has lost its only reader.
        status, _, err = self.end_of(writer, b'z')
        self.assertEqual(status, 1)
        self.assertIn('every reader of s has left', err)
        self.assert_all_left()

    def test_timeouts(self):
        done = self.run_to_end('subscribe', 's', '--timeout=50ms')
        self.assert_one_line_error(done, 'nothing came from s for 50ms', status=1)
        done = self.run_to_end('publish', 's', '--timeout=50ms')
        self.assert_one_line_error(done, 'reader', status=1)
        self.assert_all_left()

    def test_signals_leave_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            with self.subTest(signal=number.name):
                reader = self.subscribe()
                writer = self.publish()
                self.wait_for_agents(2)
                # The reader first: one that hears of the writer's death ends by itself.
                for process in (reader, writer):
                    process.send_signal(number)
                    self.assertEqual(self.end_of(process)[0], -number)
                self.wait_for_agents(0)
        self.assert_all_left()

    def pair_that_lost_its_coordinator(self):
        """A reader and its writer, which have begun, and whose coordinator was killed."""
        reader = self.subscribe()
        writer = self.publish()
        writer.stdin.write(b'before')
        writer.stdin.flush()
        self.assertEqual(os.read(reader.stdout.fileno(), 100), b'before')
        self.coordinator.kill()
        self.coordinator.wait()
        return reader, writer

    def test_coordinator_away_at_the_end(self):
        reader, writer = self.pair_that_lost_its_coordinator()
        self.assertEqual(self.end_of(writer, b'after'), (0, b'', ''))
        self.assertEqual(self.end_of(reader), (0, b'after', ''))
        self.start_coordinator()
        self.assert_all_left()

    def test_coordinator_away_in_between(self):
        reader, writer = self.pair_that_lost_its_coordinator()
        writer.stdin.write(b'without')
        writer.stdin.flush()
        self.assertEqual(os.read(reader.stdout.fileno(), 100), b'without')
        self.start_coordinator()
        self.wait_for_agents(2)
        self.assertEqual(self.end_of(writer, b'after')[0], 0)
        self.assertEqual(self.end_of(reader), (0, b'after', ''))
        self.assert_all_left()


class ListTest(CausewayTestCase):

    def setUp(self):
        super().setUp()
        self.start_coordinator()

    def ok(self, *words):
        done = self.run_to_end(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def test_ls(self):
        writer = self.start('publish', 'camera', stdin=subprocess.PIPE)
        self.wait_for_agents(1)
        text = self.ok('ls')
        for word in ('STREAMS', 'camera', 'AGENTS', 'publish', str(writer.pid), 'EXTENTS',
                     'segment', 'rw'):
            self.assertIn(word, text)
        listing = self.listing()
        self.assertEqual([stream['name'] for stream in listing['streams']], ['camera'])
        self.assertEqual(listing['agents'][0]['pid'], writer.pid)
        self.assertIn('segment', [extent['purpose'] for extent in listing['extents']])
        self.assertNotIn('AGENTS', self.ok('ls', 'streams'))

    def test_create_and_delete(self):
        for i in range(30):
            self.ok('create', f'stream {i}', '--max_frame_bytes=1M')
        self.ok('create', 'stream 0', '--max_frame_bytes=1M')
        self.assertEqual(len(self.listing()['streams']), 30)
        self.assertIn('more than 10', self.ok('ls', 'streams', '--limit=10'))
        other = self.run_to_end('create', 'stream 0', '--max_frame_bytes=2M')
        self.assert_one_line_error(other, 'stream 0', status=1)
        for i in range(30):
            self.ok('delete', f'stream {i}')
        self.assertEqual(self.listing()['streams'], [])
        self.assert_one_line_error(self.run_to_end('delete', 'stream 0'), 'stream 0', status=1)

    def test_evict(self):
        writer = self.start('publish', 's', stdin=subprocess.PIPE)
        reader = self.start('subscribe', 's')
        writer.stdin.write(b'x')
        writer.stdin.flush()
        self.assertEqual(os.read(reader.stdout.fileno(), 1), b'x')
        session = next(agent['session_id'] for agent in self.listing()['agents']
                       if agent['name'] == 'publish')
        self.ok('evict', str(session), '--reason=on the way')
        _, err = reader.communicate(timeout=PATIENCE_S)
        self.assertEqual(reader.returncode, 1)
        self.assertIn(b'evicted', err)
        _, err = writer.communicate(b'y', timeout=PATIENCE_S)
        self.assertEqual(writer.returncode, 1, err)
        self.assertIn(b'on the way', err)
        self.wait_for_agents(0)

    def test_help_of_each(self):
        for words in ((), ('exchange',), ('publish',), ('subscribe',), ('ls',), ('create',),
                      ('delete',), ('evict',)):
            text = self.ok(*words, '--help')
            self.assertIn('Examples:', text)
        self.assertRegex(self.ok('--version'), r'^causeway \d+\.\d+')


if __name__ == '__main__':
    unittest.main(argv=sys.argv)
