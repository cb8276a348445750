"""`causeway exchange`: the bytes arrive, and the report says the truth."""

import hashlib
import json
import os
import subprocess
import sys
import unittest

from tests.e2e.causeway_test_case import CausewayTestCase


def pattern(length):
    return bytes(i * 131 % 251 for i in range(length))


class ExchangeTest(CausewayTestCase):

    def file_of(self, content):
        path = os.path.join(self.scratch, 'input')
        with open(path, 'wb') as file:
            file.write(content)
        return path

    def report_of(self, *words, **options):
        done = self.exchange('--json', *words, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count(b'\n'), 1)
        self.assert_nothing_left()
        return json.loads(done.stdout)

    def assert_all_read(self, report, content, consumers=2):
        expected = hashlib.sha256(content).hexdigest()
        self.assertTrue(report['ok'])
        self.assertEqual(report['bytes'], len(content))
        self.assertEqual(report['producer']['sha256'], expected)
        self.assertEqual(len(report['consumers']), consumers)
        for consumer in report['consumers']:
            self.assertEqual(consumer['sha256'], expected)
            self.assertEqual(consumer['bytes'], len(content))

    def test_file(self):
        content = pattern(1_000_001)
        report = self.report_of(f'--input={self.file_of(content)}')
        self.assert_all_read(report, content)
        self.assertGreater(report['gb_per_s'], 0)
        self.assertGreater(report['consumers'][0]['p50_us'], 0)
        self.assertLessEqual(report['consumers'][0]['p50_us'], report['consumers'][0]['p99_us'])

    def test_frames_of_every_size(self):
        content = pattern(100_003)
        path = self.file_of(content)
        for frame_bytes, frames in (('1', 100_003), ('7', 14_287), ('64KiB', 2), ('1M', 1)):
            with self.subTest(frame_bytes=frame_bytes):
                report = self.report_of(f'--input={path}', f'--frame_bytes={frame_bytes}')
                self.assert_all_read(report, content)
                self.assertEqual(report['frames'], frames)

    def test_more_than_the_lane_holds(self):
        content = pattern(3_000_000)
        report = self.report_of(f'--input={self.file_of(content)}', '--frame_bytes=4096',
                                '--capacity_bytes=1M', '--repeat=5')
        self.assert_all_read(report, content * 5)
        self.assertGreater(report['producer']['waits'], 0)

    def test_one_consumer_and_many(self):
        content = pattern(50_000)
        path = self.file_of(content)
        for consumers in (1, 5):
            report = self.report_of(f'--input={path}', f'--consumers={consumers}')
            self.assert_all_read(report, content, consumers)

    def test_bytes_repeats_and_cuts(self):
        report = self.report_of(f'--input={self.file_of(b"abc")}', '--bytes=10')
        self.assert_all_read(report, b'abcabcabca')

    def test_empty_file(self):
        report = self.report_of(f'--input={self.file_of(b"")}')
        self.assert_all_read(report, b'')
        self.assertEqual(report['frames'], 0)

    def test_pipe(self):
        content = pattern(500_000)
        self.assert_all_read(self.report_of('--input=-', input=content), content)
        self.assert_all_read(self.report_of('--input=-', '--bytes=10', input=content), content[:10])
        self.assert_all_read(self.report_of('--input=-', input=b''), b'')

    def test_named_pipe(self):
        path = os.path.join(self.scratch, 'fifo')
        os.mkfifo(path)
        with subprocess.Popen(['sh', '-c', f'printf hello > {path}']):
            self.assert_all_read(self.report_of(f'--input={path}'), b'hello')

    def test_default_is_a_loaded_library(self):
        report = self.report_of('--bytes=5M')
        self.assertEqual(report['bytes'], 5 << 20)
        with open(report['input'], 'rb') as library:
            content = library.read()
        self.assertEqual(len(content), report['input_bytes'])
        repeated = (content * (1 + (5 << 20) // len(content)))[:5 << 20]
        self.assert_all_read(report, repeated)

    def test_no_hash(self):
        report = self.report_of(f'--input={self.file_of(pattern(1000))}', '--no_hash')
        self.assertTrue(report['ok'])
        self.assertIsNone(report['producer']['sha256'])
        self.assertEqual(report['consumers'][1]['bytes'], 1000)

    def test_table_for_people(self):
        content = pattern(1000)
        done = self.exchange(f'--input={self.file_of(content)}')
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(text.count(hashlib.sha256(content).hexdigest()), 3)
        for word in ('producer', 'consumer 2', 'P99.9', 'GB/S', 'All agree'):
            self.assertIn(word, text)
        self.assertEqual(done.stderr, b'')

    def test_running_coordinator_is_left_as_it_was(self):
        directory = self.start_coordinator()
        content = pattern(10_000)
        done = self.run_to_end('exchange', '--json', f'--dir={directory}',
                               f'--input={self.file_of(content)}')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_all_read(json.loads(done.stdout), content)
        self.wait_for_agents(0)
        self.assertEqual(self.listing()['streams'], [])
        self.assertEqual(self.listing()['extents'], [])
        self.stop_coordinator()

    def test_paths_are_the_users_under_bazel_run(self):
        self.file_of(b'hello')
        self.environment['BUILD_WORKING_DIRECTORY'] = self.scratch
        self.assert_all_read(self.report_of('--input=input'), b'hello')

    def test_full_standard_output_is_an_error(self):
        with open('/dev/full', 'wb') as full:
            done = self.exchange('--bytes=1000', stdout=full)
        self.assertNotEqual(done.returncode, 0)
        self.assert_nothing_left()


if __name__ == '__main__':
    unittest.main(argv=sys.argv)
