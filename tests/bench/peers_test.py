"""A short run of the harness: what it moves arrives, and its report has its shape. No times."""

import json
import os
import subprocess
import unittest

PEERS = os.path.abspath('tests/bench/peers')
TOPOLOGIES = os.path.abspath('tests/bench/topologies')
LOAD = os.path.abspath('tests/bench/load')


def run(*words, program=PEERS):
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=120)


class PeersTest(unittest.TestCase):

    def test_moves_frames_and_reports_them(self):
        parties = ['ring', 'memcpy', 'cache line', 'futex', 'lane', 'client', 'pipe', 'unix socket']
        done = run('--only=' + ','.join(parties), '--sizes=32,65536', '--rounds=2',
                   '--seconds=0.005', '--json')
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual(report['options'], {'rounds': 2, 'seconds': 0.005, 'pinned': True})
        self.assertGreaterEqual(report['machine']['cores'], 1)
        self.assertEqual(set(report['parties']), set(parties))
        failed = [result for result in report['results'] if 'failure' in result]
        self.assertEqual(failed, [])
        done_by = {}
        for result in report['results']:
            self.assertEqual(len(result['rounds']), 2)
            done_by.setdefault(result['measure'], set()).add(result['party'])
        ours_and_peers = {'lane', 'client', 'pipe', 'unix socket'}
        self.assertEqual(done_by, {'throughput': ours_and_peers | {'ring', 'memcpy'},
                                   'spinning': ours_and_peers | {'cache line'},
                                   'parked': ours_and_peers | {'futex'}})

    def test_compares_round_by_round(self):
        done = run('--only=ring,lane', '--sizes=64', '--rounds=1', '--seconds=0.005', '--json',
                   '--measures=throughput')
        self.assertEqual(done.returncode, 0, done.stderr)
        ring, lane = json.loads(done.stdout)['results']
        self.assertAlmostEqual(lane['ratio_to']['ring']['median'],
                               lane['rounds'][0] / ring['rounds'][0])

    def test_prints_tables(self):
        done = run('--only=ring,lane', '--sizes=64', '--rounds=1', '--seconds=0.005',
                   '--measures=throughput')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('throughput, 1 to 1, frames of 64 bytes\n', done.stdout)
        self.assertRegex(done.stdout, r'\nlane +[\d.]+ ')

    def test_topologies_lose_and_change_nothing(self):
        done = run('--only=client', '--sizes=64', '--rounds=1', '--seconds=0.005', '--json',
                   program=TOPOLOGIES)
        self.assertEqual(done.returncode, 0, done.stderr)
        results = json.loads(done.stdout)['results']
        self.assertEqual([result['topology'] for result in results],
                         ['1 to 1', '1 to 3', '3 to 1', 'pipeline of 3', 'diamond'])
        self.assertEqual([result for result in results if 'failure' in result], [])

    def test_load_reports_percentiles_that_grow(self):
        done = run('--only=lane', '--sizes=64', '--rounds=1', '--seconds=0.005', '--json',
                   '--measures=spinning', program=LOAD)
        if 'without Boost' in done.stderr:
            self.skipTest('Boost is not installed')
        self.assertEqual(done.returncode, 0, done.stderr)
        lane, = json.loads(done.stdout)['results']
        self.assertEqual([load['load'] for load in lane['loads']], [0.1, 0.5, 0.9])
        for load in lane['loads']:
            percentiles = [load[name] for name in ('p50_ns', 'p90_ns', 'p99_ns', 'p999_ns',
                                                   'p9999_ns', 'max_ns')]
            self.assertEqual(percentiles, sorted(percentiles))
            self.assertGreater(percentiles[0], 0)

    def test_says_what_is_wrong_with_flags(self):
        for words, part in [(['--sizes=33'], 'whole words'), (['--only=nobody'], 'nobody'),
                            (['--plot=x.gif', '--sizes=32'], '.svg'), (['--frobnicate'], '--help')]:
            done = run(*words)
            self.assertNotEqual(done.returncode, 0)
            self.assertTrue(done.stderr.startswith('peers: '), done.stderr)
            self.assertIn(part, done.stderr)
            self.assertEqual(done.stdout, '')

    def test_help_names_the_parties(self):
        done = run('--help')
        self.assertEqual(done.returncode, 0)
        for part in ('--rounds', '--only', '--plot', 'unix socket', 'futex'):
            self.assertIn(part, done.stdout)


if __name__ == '__main__':
    unittest.main()
