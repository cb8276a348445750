"""Signals at any moment: everything ends, and nothing is left."""

import os
import signal
import subprocess
import sys
import unittest

from tests.e2e.causeway_test_case import PATIENCE_S, CausewayTestCase, wait_until

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalsTest(CausewayTestCase):

    def end_of(self, process):
        """The exit status (negative: the signal) and what it said."""
        out, err = process.communicate(timeout=PATIENCE_S)
        self.assert_nothing_left()
        return process.returncode, out.decode(), err.decode()

    # Moments of an exchange, each reached for certain. An open standard input holds the last one.

    def just_started(self, process):
        pass

    def directory_made(self, process):
        wait_until(lambda: os.listdir(self.tmp), 'the directory')

    def coordinator_serves(self, process):
        self.ephemeral_directory()

    def workers_started(self, process):
        wait_until(lambda: self.pids_of('exchange_producer'), 'the producer')

    def all_attached(self, process):
        self.wait_for_agents(3, self.ephemeral_directory())

    def bytes_on_their_way(self, process):
        self.all_attached(process)
        os.write(process.stdin.fileno(), b'x' * 60_000)

    MOMENTS = (just_started, directory_made, coordinator_serves, workers_started, all_attached,
               bytes_on_their_way)

    def test_signal_to_the_parent(self):
        for moment in self.MOMENTS:
            for number in ENDING:
                with self.subTest(moment=moment.__name__, signal=number.name):
                    process = self.start_exchange('--input=-', stdin=subprocess.PIPE)
                    moment(self, process)
                    process.send_signal(number)
                    status, _, _ = self.end_of(process)
                    self.assertEqual(status, -number)

    def test_signal_to_the_process_group(self):
        for moment in self.MOMENTS:
            for number in ENDING:
                with self.subTest(moment=moment.__name__, signal=number.name):
                    process = self.start_exchange('--input=-', stdin=subprocess.PIPE)
                    moment(self, process)
                    os.killpg(process.pid, number)
                    status, _, _ = self.end_of(process)
                    self.assertEqual(status, -number)

    def test_killed_parent(self):
        for moment in self.MOMENTS:
            with self.subTest(moment=moment.__name__):
                process = self.start_exchange('--input=-', stdin=subprocess.PIPE)
                moment(self, process)
                process.kill()
                self.end_of(process)

    def test_parent_and_coordinator_killed_at_once(self):
        for _ in range(3):
            process = self.start_exchange('--input=-', stdin=subprocess.PIPE)
            self.all_attached(process)
            for pid in self.pids_of('coordinator') + [process.pid]:
                os.kill(pid, signal.SIGSTOP)  # So that neither sees the other's end.
            for pid in self.pids_of('coordinator') + [process.pid]:
                os.kill(pid, signal.SIGKILL)
            process.communicate(timeout=PATIENCE_S)
            wait_until(lambda: not self.pids(), 'the end of every process')
            self.assertEqual(len(self.left_files()), 2)
            # A process has let go of its memory before its last thread lets go of its files.
            wait_until(lambda: all(map(self.is_unlocked, self.left_files())), 'the unlocking')
            # Those who come later, at the same time, take it away, and do not hurt each other.
            others = [self.start_exchange('--bytes=1M') for _ in range(2)]
            for other in others:
                _, err = other.communicate(timeout=PATIENCE_S)
                self.assertEqual(other.returncode, 0, err)
            self.assert_nothing_left()

    def test_killed_child_is_named(self):
        for victim, name in (('exchange_producer', 'producer'), ('exchange_consumer', 'consumer '),
                             ('coordinator', 'coordinator')):
            for moment in (self.workers_started, self.all_attached, self.bytes_on_their_way):
                with self.subTest(victim=victim, moment=moment.__name__):
                    process = self.start_exchange('--input=-', stdin=subprocess.PIPE)
                    moment(process)
                    pid = wait_until(lambda: self.pids_of(victim), victim)[0]
                    os.kill(pid, signal.SIGKILL)
                    status, _, err = self.end_of(process)
                    self.assertEqual(status, 1, err)
                    self.assertIn(f'{name}', err)
                    self.assertIn(f'(pid {pid}) was killed by signal 9 (Killed)', err)

    def test_killed_child_in_full_flow(self):
        for victim in ('exchange_producer', 'exchange_consumer', 'coordinator'):
            with self.subTest(victim=victim):
                process = self.start_exchange('--bytes=1T', '--no_hash')
                directory = self.ephemeral_directory()
                self.wait_for_agents(3, directory)
                pid = self.pids_of(victim)[0]
                os.kill(pid, signal.SIGKILL)
                status, _, err = self.end_of(process)
                self.assertEqual(status, 1, err)
                self.assertIn(f'(pid {pid}) was killed by signal 9', err)

    def test_json_says_that_it_was_interrupted(self):
        process = self.start_exchange('--input=-', '--json', stdin=subprocess.PIPE)
        self.all_attached(process)
        process.send_signal(signal.SIGINT)
        status, out, _ = self.end_of(process)
        self.assertEqual(status, -signal.SIGINT)
        self.assertIn('"ok":false', out)
        self.assertIn('interrupted', out)

    def test_stopped_consumer_meets_the_deadline(self):
        # The deadline is for the readers' coming, too.
        process = self.start_exchange('--bytes=1T', '--deadline=3s', '--no_hash')
        directory = self.ephemeral_directory()
        wait_until(lambda: len(self.listing(directory)['readers']) == 2, 'two readers')
        victim = self.pids_of('exchange_consumer')[0]
        os.kill(victim, signal.SIGSTOP)
        status, _, err = self.end_of(process)
        self.assertEqual(status, 1, err)
        self.assertRegex(err, 'producer: .*consumer [12]')

    def test_stopped_coordinator_does_not_keep_the_parent(self):
        process = self.start_exchange('--input=-', stdin=subprocess.PIPE)
        self.all_attached(process)
        os.kill(self.pids_of('coordinator')[0], signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        status, _, _ = self.end_of(process)
        self.assertEqual(status, -signal.SIGINT)

    def test_closed_standard_output(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        process = self.start_exchange('--bytes=1M', stdout=write_end)
        os.close(write_end)
        _, err = process.communicate(timeout=PATIENCE_S)
        self.assertNotEqual(process.returncode, 0)
        self.assertEqual(err, b'')
        self.assert_nothing_left()


if __name__ == '__main__':
    unittest.main(argv=sys.argv)
