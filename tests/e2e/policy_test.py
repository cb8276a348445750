"""`causeway subscribe --policy` and `--from`, with processes that are really stopped."""

import os
import re
import signal
import subprocess
import sys
import unittest

from tests.e2e.causeway_test_case import PATIENCE_S, CausewayTestCase, wait_until


class PolicyTest(CausewayTestCase):

    def setUp(self):
        super().setUp()
        self.start_coordinator()
        done = self.run_to_end('create', 's', '--segment_bytes=8K', '--capacity_bytes=64K',
                               '--max_frame_bytes=2K')
        self.assertEqual(done.returncode, 0, done.stderr)

    def publish(self, *words):
        return self.start('publish', 's', '--lines', '--frame_bytes=2K', *words, stdin=subprocess.PIPE)

    def subscribe(self, name, *words):
        """Its output goes to a file, so that nobody has to empty a pipe for it."""
        path = os.path.join(self.scratch, name)
        with open(path, 'wb') as out:
            return self.start('subscribe', 's', '--lines', *words, stdout=out), path

    def send(self, writer, first, count):
        writer.stdin.write(b''.join(b'%d %s\n' % (n, b'x' * 1000)
                                    for n in range(first, first + count)))
        writer.stdin.flush()

    def send_in_step(self, writer, count, path):
        """Never more than the reader has read: one that may be lapped is not."""
        for number in range(count):
            self.send(writer, number, 1)
            self.wait_for(path, number)

    def numbers(self, path):
        """Of the whole lines so far."""
        with open(path, 'rb') as file:
            lines = file.read().split(b'\n')[:-1]
        for line in lines:
            self.assertRegex(line, rb'^\d+ x{1000}$')
        return [int(line.split()[0]) for line in lines]

    def wait_for(self, path, number):
        wait_until(lambda: self.numbers(path)[-1:] == [number], f'frame {number}')

    def readers(self):
        return self.listing()['readers']

    def missed(self, err):
        """The frames that the messages about gaps name, and how many messages there are."""
        gaps = re.findall(r'causeway subscribe: gap in lane \d+, positions \d+ to \d+: '
                          r'(\d+) frames missed\n', err)
        return sum(map(int, gaps)), len(gaps)

    def test_a_stopped_drop_reader_changes_nothing_for_others(self):
        dropping, dropped = self.subscribe('drop', '--policy=drop')
        block, whole = self.subscribe('block')
        writer = self.publish('--readers=2')
        self.send_in_step(writer, 10, dropped)
        self.wait_for(whole, 9)
        policies = {reader['policy'] for reader in self.readers()}
        self.assertEqual(policies, {'drop', 'block'})
        self.stop(dropping)
        # Thirty times what the lane holds.
        self.send(writer, 10, 2000)
        self.wait_for(whole, 2009)
        self.assertEqual(self.numbers(dropped), list(range(10)))
        dropping.send_signal(signal.SIGCONT)
        self.wait_for(dropped, 2009)
        # It goes on in order.
        self.send(writer, 2010, 5)
        self.wait_for(dropped, 2014)
        self.assertEqual(writer.communicate(timeout=PATIENCE_S)[1], b'')
        self.assertEqual(block.wait(PATIENCE_S), 0)
        err = dropping.communicate(timeout=PATIENCE_S)[1].decode()
        self.assertEqual(dropping.returncode, 0, err)
        self.assertEqual(self.numbers(whole), list(range(2015)))
        seen = self.numbers(dropped)
        missed, gaps = self.missed(err)
        self.assertEqual(gaps, 1, err)
        self.assertEqual(len(seen) + missed, 2015)
        self.assertEqual(seen, list(range(10)) + list(range(10 + missed, 2015)))

    def test_a_stopped_drop_reader_does_not_keep_its_writer(self):
        dropping, _ = self.subscribe('drop', '--policy=drop')
        writer = self.publish()
        self.send(writer, 0, 1)
        wait_until(lambda: self.readers(), 'the reader')
        self.stop(dropping)
        self.send(writer, 1, 500)
        # Not even to the end.
        self.assertEqual(writer.communicate(timeout=PATIENCE_S)[1], b'')
        self.assertEqual(writer.returncode, 0)
        dropping.send_signal(signal.SIGCONT)
        self.assertEqual(dropping.wait(PATIENCE_S), 0)

    def test_a_stopped_evict_reader_fails_and_says_why(self):
        evicted, out = self.subscribe('evict', '--policy=evict')
        block, whole = self.subscribe('block')
        writer = self.publish('--readers=2')
        self.send_in_step(writer, 10, out)
        self.stop(evicted)
        self.send(writer, 10, 2000)
        self.wait_for(whole, 2009)
        evicted.send_signal(signal.SIGCONT)
        err = evicted.communicate(timeout=PATIENCE_S)[1].decode()
        self.assertEqual(evicted.returncode, 1)
        self.assertRegex(err, r'^causeway subscribe: reader \d+ of stream s: .*lane \d+: evicted: '
                              r'.*position \d+.*\n$')
        self.assertEqual(self.numbers(out), list(range(10)))
        self.send(writer, 2010, 5)
        self.assertEqual(writer.communicate(timeout=PATIENCE_S)[1], b'')
        self.assertEqual(block.wait(PATIENCE_S), 0)
        self.assertEqual(self.numbers(whole), list(range(2015)))

    def test_from(self):
        _, whole = self.subscribe('whole')
        writer = self.publish()
        self.send(writer, 0, 20)
        self.wait_for(whole, 19)
        lane = self.readers()[0]['lane_id']
        # A second keeper, that has read nothing, is not there: what is left is the last segments.
        latest, newer = self.subscribe('latest', '--from=latest')
        wait_until(lambda: len(self.readers()) == 2, 'the second reader')
        # Frames of 1003 to 1004 bytes stand 1016 apart, from 4096 on, three to a segment of 8 KiB.
        self.send(writer, 20, 3)
        self.wait_for(newer, 22)
        self.assertEqual(self.numbers(newer)[-3:], [20, 21, 22])
        beyond = self.run_to_end('subscribe', 's', f'--from={lane}:999999999')
        self.assert_one_line_error(beyond, f'lane {lane}', 'position 999999999 lies beyond', status=1)
        gone = self.run_to_end('subscribe', 's', f'--from={lane}:4096')
        self.assert_one_line_error(gone, 'position 4096 is not retained any more', status=1)
        nowhere = self.run_to_end('subscribe', 's', '--from=999999:4096')
        self.assert_one_line_error(nowhere, 'no lane 999999', status=1)
        self.assertEqual(writer.communicate(timeout=PATIENCE_S)[1], b'')
        self.assertEqual(latest.wait(PATIENCE_S), 0)
        self.assertEqual(self.numbers(whole), list(range(23)))

    def test_what_cannot_be_meant_is_refused(self):
        for flag in ('--policy=', '--policy=dropp', '--from=', '--from=12', '--from=1:2:3',
                     '--from=-1:5', '--from=newest', '--from=1:2,'):
            done = self.run_to_end('subscribe', 's', flag)
            self.assert_one_line_error(done, flag.split('=')[0], status=2)


if __name__ == '__main__':
    unittest.main(argv=sys.argv)
