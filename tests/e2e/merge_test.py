"""`causeway publish --timestamps` and `causeway subscribe --merge=timestamp`."""

import os
import signal
import subprocess
import unittest

from tests.e2e.causeway_test_case import PATIENCE_S, CausewayTestCase, wait_until


class MergeTest(CausewayTestCase):

    def setUp(self):
        super().setUp()
        self.start_coordinator()

    def subscribe(self, name, *words):
        path = os.path.join(self.scratch, name)
        with open(path, 'wb') as out:
            return self.start('subscribe', 's', '--lines', *words, stdout=out), path

    @staticmethod
    def lines(path):
        with open(path, 'rb') as file:
            return file.read().split(b'\n')[:-1]

    def test_lines_of_several_writers_come_in_the_order_in_which_they_were_sent(self):
        # Whoever comes first would decide what the stream is like.
        created = self.run_to_end('create', 's', '--timestamps')
        self.assertEqual(created.returncode, 0, created.stderr)
        merging, merged = self.subscribe('merged', '--merge=timestamp')
        plain, seen = self.subscribe('plain')
        writers = [self.start('publish', 's', '--lines', '--timestamps', '--readers=2',
                              stdin=subprocess.PIPE) for _ in range(3)]
        sent = []

        def send(writer):
            sent.append(b'line %d' % len(sent))
            writer.stdin.write(sent[-1] + b'\n')
            writer.stdin.flush()
            wait_until(lambda: len(self.lines(seen)) == len(sent), f'line {len(sent)}')

        for writer in writers:
            send(writer)
        wait_until(lambda: self.lines(merged) == sent, 'the first lines')
        # Everything that follows is there when it goes on.
        self.stop(merging)
        for number in range(30):
            send(writers[number * number % 3])
        self.assertTrue(all(stream['timestamps'] for stream in self.listing()['streams']))
        merging.send_signal(signal.SIGCONT)
        wait_until(lambda: len(self.lines(merged)) == len(sent), 'the last line')
        self.assertEqual(self.lines(merged), sent)
        for writer in writers:
            self.assertEqual(writer.communicate(timeout=PATIENCE_S)[1], b'')
            self.assertEqual(writer.returncode, 0)
        for reader in merging, plain:
            self.assertEqual(reader.communicate(timeout=PATIENCE_S)[1], b'')
            self.assertEqual(reader.returncode, 0)

    def test_a_stream_without_timestamps_is_refused_by_both(self):
        done = self.run_to_end('create', 's')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_one_line_error(self.run_to_end('subscribe', 's', '--merge=timestamp'),
                                   'stream s has no timestamps', status=1)
        self.assert_one_line_error(self.run_to_end('publish', 's', '--timestamps', input=b''),
                                   'stream s was made without', status=1)

    def test_an_unknown_order_is_a_mistake(self):
        self.assert_one_line_error(self.run_to_end('subscribe', 's', '--merge=size'),
                                   'use none or timestamp', status=2)
        self.assert_one_line_error(
            self.run_to_end('subscribe', 's', '--merge=timestamp', '--latest'),
            'exclude each other', status=2)


if __name__ == '__main__':
    unittest.main()
