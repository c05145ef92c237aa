"""What reports of a large run cost: 10,000 failures of 1,000 causes in every form.

python benchmarks/reports.py [--causes 1000] [--each 10] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from measure import machine

sys.path.insert(0, str(Path(__file__).parents[1]))

from testkit.reports.rendering import FORMS, render
from tests.support.causes_told import many_causes


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--causes", type=int, default=1000)
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    found = many_causes(arguments.causes, each=arguments.each)
    print(machine())
    print("| form | seconds | kB |")
    print("|---|---|---|")
    for form in FORMS:
        times = []
        for _ in range(arguments.rounds):
            began = time.perf_counter()
            text = render(found, format=form)
            times.append(time.perf_counter() - began)
        print(f"| {form} | {statistics.median(times):.2f} | {len(text.encode()) / 1000:,.0f} |")


if __name__ == "__main__":
    main()
