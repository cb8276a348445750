"""Searches every state of the models of the lane protocol, as they are and broken on purpose.

As they are, the search must end without an error; broken in one place, it must find one. What is
searched is lane.pml, quiet.pml and merge.pml; docs/protocol.md says what they cover.

    ./bazelw test //tests/model:lane_model_test
    ./bazelw run //tests/model:lane_model_test -- --trail M_NO_BARRIER   # how it goes wrong
"""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LANE = 'lane.pml'
QUIET = 'quiet.pml'
MERGE = 'merge.pml'

MEMORY_MB = 2000
DEPTH = 10_000

# Name: model and definitions. Together they cover what one search could not in seconds.
CONFIGURATIONS = {
    'two readers': (LANE, ['FRAMES=4', 'STOPS']),
    'two readers, and a writer that waits until all is read': (LANE, ['FRAMES=2', 'DRAINS']),
    'two readers, one of which joins': (LANE, ['FRAMES=3', 'JOINS', 'SPINS']),
    'one reader, which joins': (LANE, ['FRAMES=5', 'JOINS', 'ALONE']),
    'one reader, two frames per segment': (
        LANE, ['READERS=1', 'FRAMES=7', 'FRAMES_PER_SEGMENT=2', 'DRAINS', 'ABANDONS']),
    'a quiet writer and one reader': (QUIET, ['READERS=1', 'FRAMES=3']),
    'a quiet writer and two readers': (QUIET, ['READERS=2', 'FRAMES=1']),
    'a reader that merges': (MERGE, []),
}

# Which configuration finds out; what is broken stands in the model.
TWO = CONFIGURATIONS['two readers']
DRAINS = CONFIGURATIONS['two readers, and a writer that waits until all is read']
JOINS = CONFIGURATIONS['one reader, which joins']
LONG = CONFIGURATIONS['one reader, two frames per segment']
WATCHED = CONFIGURATIONS['a quiet writer and one reader']
MERGES = CONFIGURATIONS['a reader that merges']
MUTATIONS = {
    'M_NEXT_WORD_NOT_ZEROED': LONG,  # I1
    'M_HEADER_BEFORE_PAYLOAD': TWO,  # I2
    'M_HEADER_RELAXED': TWO,
    'M_FIRST_WORD_NOT_ZEROED': TWO,  # I3
    'M_END_BEFORE_NEXT': TWO,
    'M_END_RELAXED': TWO,
    'M_NO_BARRIER': TWO,  # I4
    'M_PARKED_AFTER_LOOK': TWO,
    'M_DOORBELL_AFTER_LOOK': TWO,
    'M_LOOK_BEFORE_COMMIT': TWO,
    'M_WAKE_BEFORE_RING': TWO,
    'M_VERSION_BEFORE_ROSTER': JOINS,  # I5
    'M_FREES_UNFENCED': JOINS,
    'M_NO_SECOND_LOOK_AT_ROSTER': JOINS,
    'M_WRITER_PARKS_UNFENCED': LONG,  # I7
    'M_READER_RINGS_UNFENCED': LONG,
    'M_NO_RING_BEFORE_PARKING': LONG,
    'M_NO_SECOND_LOOK_AT_WRITER': DRAINS,
    'M_RECYCLE_BLINDLY': TWO,  # I9
    'M_POSITION_BEFORE_LEAVING': TWO,
    'M_QUIET_BEFORE_BARRIER': WATCHED,  # I11
    'M_NOBODY_RINGS_THE_WATCH': WATCHED,
    'M_WATCH_NOT_TOLD': WATCHED,
    'M_WATCH_LOOKS_FIRST': WATCHED,
    'M_RINGS_BEFORE_IT_LOOKS': WATCHED,
    'M_RESUMES_SILENTLY': WATCHED,
    'M_MERGES_WITHOUT_BARRIER': MERGES,  # I12
    'M_CLOCK_AFTER_BARRIER': MERGES,
    'M_CLOCK_BEFORE_STAMPING': MERGES,
    'M_NO_LOOK_AT_STAMPING': MERGES,
    'M_STAMPING_ENDS_BEFORE_WORD': MERGES,
    'M_WORD_BEFORE_STAMPING': MERGES,
}


def tool(name, package):
    """The path of a program that the system installs."""
    path = shutil.which(name)
    if path is None:
        sys.exit(f'{name} is not installed. Install it with:\n\n    apt-get install {package}\n')
    return path


class Search:
    """The outcome of searching all states of a model under some definitions."""

    def __init__(self, model, definitions, directory):
        start = time.monotonic()
        shutil.copy(os.path.join(HERE, model), directory)

        def run(*command):
            return subprocess.run(command, cwd=directory, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)

        translated = run(tool('spin', 'spin'), *('-D' + d for d in definitions), '-a', model)
        compiled = run(tool('gcc', 'g++'), '-O1', '-w', '-DSAFETY', '-DCOLLAPSE',
                       f'-DMEMLIM={MEMORY_MB}', '-o', 'pan', 'pan.c')
        self.output = translated.stdout + compiled.stdout
        if compiled.returncode == 0:
            self.output += run('./pan', f'-m{DEPTH}', '-n').stdout
        self.seconds = time.monotonic() - start
        found = re.search(r'errors: (\d+)', self.output)
        self.errors = int(found[1]) if found else None
        states = re.search(r'(\d\S*) states, stored', self.output)
        self.states = int(float(states[1])) if states else 0
        # The words with which pan says that it has not seen everything.
        self.complete = found is not None and not re.search(
            r'Search not completed|max search depth too small|out of memory|memory bound|aborting'
            r'|hash-?table full|interrupted', self.output, re.I)


def search(model, definitions):
    with tempfile.TemporaryDirectory(dir=os.environ.get('TEST_TMPDIR')) as directory:
        return Search(model, definitions, directory)


def print_trail(mutation):
    """Prints the steps that lead to the error of a mutation."""
    model, definitions = MUTATIONS[mutation]
    definitions = definitions + [mutation]
    with tempfile.TemporaryDirectory() as directory:
        Search(model, definitions, directory)
        subprocess.run([tool('spin', 'spin'), *('-D' + d for d in definitions),
                        '-t', '-p', '-g', '-l', model], cwd=directory, check=True)


class LaneModelTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            intact = {name: pool.submit(search, model, definitions)
                      for name, (model, definitions) in CONFIGURATIONS.items()}
            broken = {name: pool.submit(search, model, definitions + [name])
                      for name, (model, definitions) in MUTATIONS.items()}
        cls.intact = {name: done.result() for name, done in intact.items()}
        cls.broken = {name: done.result() for name, done in broken.items()}
        for name, result in [*cls.intact.items(), *cls.broken.items()]:
            print(f'{name}: {result.states:,} states, {result.errors} errors, '
                  f'{result.seconds:.1f} s', flush=True)

    def test_every_state_is_searched_and_none_is_wrong(self):
        for name, result in self.intact.items():
            with self.subTest(name):
                self.assertEqual(result.errors, 0, result.output)
                self.assertTrue(result.complete, result.output)

    def test_every_mutation_is_caught(self):
        for name, result in self.broken.items():
            with self.subTest(name):
                # An assertion, or somebody who sleeps for ever; not a failure of the search.
                self.assertRegex(result.output,
                                 r'pan:1: (assertion violated|invalid end state)')

    def test_every_mutation_stands_in_its_model(self):
        for model in (LANE, QUIET, MERGE):
            listed = {name for name, (where, _) in MUTATIONS.items() if where == model}
            with open(os.path.join(HERE, model), encoding='utf-8') as text:
                self.assertEqual(listed, set(re.findall(r'\bM_[A-Z_]+[A-Z]\b', text.read())))


if __name__ == '__main__':
    if sys.argv[1:2] == ['--trail']:
        print_trail(sys.argv[2])
    else:
        unittest.main()
