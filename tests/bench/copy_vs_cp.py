"""`causeway copy` against `cp --reflink=never`, page cache warm, in interleaved rounds.

    ./bazelw run -c opt //tests/bench:copy_vs_cp -- --bytes=1073741824 --rounds=7 /dev/shm /var/tmp

For each directory: wall-clock seconds of whole commands, start-up included, and their ratios.
"""

import argparse
import filecmp
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = os.path.abspath('agents/cli/causeway')


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('directories', nargs='*', default=['/dev/shm', '/var/tmp'],
                        help='where to copy, one file system each (default: /dev/shm /var/tmp)')
    parser.add_argument('--bytes', type=int, default=1 << 30, help='of the file (default 1 GiB)')
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--workers', type=int, action='append', help='repeatable (default: 1, 2)')
    parser.add_argument('--json', action='store_true')
    return parser.parse_args()


def fill(path, size):
    """Bytes that no file system can compress or share; afterwards they are in the page cache."""
    block = random.Random(1).randbytes(1 << 20)
    with open(path, 'wb') as file:
        for start in range(0, size, len(block)):
            file.write(block[:size - start])


def seconds(command, target):
    if os.path.exists(target):
        os.unlink(target)
    os.sync()  # What the last command has left to write back is not this one's time.
    begin = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - begin


def measure(directory, options, workers):
    with tempfile.TemporaryDirectory(dir=directory) as place:
        source, target = os.path.join(place, 'source'), os.path.join(place, 'target')
        fill(source, options.bytes)
        commands = {'cp': ['cp', '--reflink=never', source, target]}
        for count in workers:
            commands[f'copy, {count} workers'] = [PROGRAM, 'copy', f'--workers={count}', source,
                                                  target]
        times = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                times[name].append(seconds(command, target))
                if not filecmp.cmp(source, target, shallow=False):
                    sys.exit(f'{name}: the copy differs from its source')
        return times


def summarize(times):
    rows = []
    for name, mine in times.items():
        ratios = [cp / own for cp, own in zip(times['cp'], mine)]
        rows.append({'command': name, 'median_s': statistics.median(mine), 'best_s': min(mine),
                     'speedup_median': statistics.median(ratios),
                     'speedup_of_bests': min(times['cp']) / min(mine)})
    return rows


def main():
    options = parse()
    if shutil.which('cp') is None:
        sys.exit('cp is not installed')
    report = {}
    for directory in options.directories:
        report[directory] = summarize(measure(directory, options, options.workers or [1, 2]))
    if options.json:
        print(json.dumps(report))
        return
    for directory, rows in report.items():
        print(f'{directory}: {options.bytes:,} bytes, {options.rounds} rounds')
        for row in rows:
            print(f"  {row['command']:16} median {row['median_s']:.3f} s, best {row['best_s']:.3f} s,"
                  f" cp's time / own: median {row['speedup_median']:.2f},"
                  f" of the bests {row['speedup_of_bests']:.2f}")


if __name__ == '__main__':
    main()
