"""Short runs of //tests/bench:steady_state and //tests/bench:open_cost.

What is asserted holds on a busy machine, too: every frame arrives (the exit status), and counts
that cannot depend on who got the processor. How often a claim waits is no such count.
"""

import os
import subprocess
import unittest

STEADY_STATE = os.path.abspath('tests/bench/steady_state')
OPEN_COST = os.path.abspath('tests/bench/open_cost')


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=240)


def number(cell):
    return int(cell.replace(',', ''))


class SteadyStateTest(unittest.TestCase):

    def rows(self, *flags):
        done = run(STEADY_STATE, '--seconds=0.5', '--warm_up_seconds=0.5', *flags)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        names = ['READER', 'FRAME', 'FRAMES', 'BYTES/S', 'PAUSES', 'ROLLS', 'GRANTED',
                 'WAITS: GRANT', 'READER', 'WAITED', 'FAULTS', 'CALLS']
        self.assertEqual(lines[1].split(), ' '.join(names).split())
        return [line.replace(' / ', '/').split() for line in lines[2:]]

    def test_every_frame_arrives_and_the_report_has_its_rows(self):
        rows = self.rows('--frame_bytes=64,1MiB', '--pause_ms=1', '--cycle_ms=20')
        self.assertEqual([row[:2] for row in rows],
                         [['steady', '64'], ['steady', '1,048,576'],
                          ['bursts', '64'], ['bursts', '1,048,576']])
        for row in rows:
            self.assertGreater(number(row[2]), 0, row)

    def test_small_frames_cost_neither_faults_nor_calls(self):
        # A roll, a grant or a wait may cost some; a frame never does. Even on the busiest machine
        # there are fewer of these than of frames, by far.
        for row in self.rows('--frame_bytes=64', '--readers=steady'):
            frames = number(row[2])
            for counts in row[-2:]:
                for count in counts.split('/'):
                    if count != '?':  # Nobody may count them here.
                        self.assertLess(int(count), max(frames // 100, 1000), row)

    def test_refuses_half_words(self):
        done = run(STEADY_STATE, '--frame_bytes=12')
        self.assertEqual(done.returncode, 2)
        self.assertIn('no multiple of 8', done.stderr)


class OpenCostTest(unittest.TestCase):

    def test_opens_streams_of_each_capacity(self):
        done = run(OPEN_COST, '--capacities=1MiB,16MiB', '--rounds=2')
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.split()[0] for line in done.stdout.splitlines()[2:]]
        self.assertEqual(rows, ['1,048,576', '16,777,216'])


if __name__ == '__main__':
    unittest.main()
