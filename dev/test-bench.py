#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of what dev/bench.py makes of figures, with made-up ones; needs no kernel."""
import sys
import unittest

import bench


def row_of(name, stock, ours, space=None, floor=None):
    """The row of one figure of two threads; @space: stock's ns with one thread and with two."""
    results = {}
    figures = [(name, "stock", stock), (name, "ours", ours)]
    if space:
        figures += [("space_t1", "stock", space[0]), ("space_t2", "stock", space[1])]
    if floor:
        figures += [("floor_fix_size_t2", kind, floor) for kind in ("stock", "ours")]
    for figure, kind, value in figures:
        results["umvm2", figure, kind] = ([value], "ns")
    return next(row for row in bench.rows_of(results) if row["figure"] == name)


class TwoThreads(unittest.TestCase):
    """Rows of vmalloc with two threads: where stock contends, and where it does not."""
    CONTENDS, DOES_NOT = (926, 2395), (926, 1151)

    def expect(self, row, limit, verdict):
        self.assertEqual((row["limit"], row["verdict"]), (limit, verdict))

    def test_contends(self):
        for space in (self.CONTENDS, None):
            self.expect(row_of("vm_fix_size_alloc", 1000, 600, space), "<= 0.7", "holds")
            self.expect(row_of("vm_fix_size_alloc", 1000, 800, space), "<= 0.7", "FAILS")
            self.expect(row_of("vm_fix_size_alloc", 1000, 800, space, 790), "1.1 floor", "holds")

    def test_does_not_contend(self):
        for name in ("vm_fix_size_alloc", "vm_random_size_alloc"):
            self.expect(row_of(name, 1000, 1050, self.DOES_NOT), "<= 1.1", "holds")
            self.expect(row_of(name, 1000, 8700, self.DOES_NOT), "<= 1.1", "FAILS")

    def test_does_not_contend_floor(self):
        for ours, verdict in (1200, "holds"), (1300, "FAILS"):
            row = row_of("vm_fix_size_alloc", 1000, ours, self.DOES_NOT, 1150)
            self.expect(row, "1.1 floor", verdict)

    def test_space(self):
        results = {("umvm2", f"space_t{n}", kind): ([ns], "ns")
                   for n, kind, ns in ((1, "stock", 926), (1, "ours", 852),
                                       (2, "stock", 1151), (2, "ours", 919))}
        rows = {row["figure"]: row for row in bench.rows_of(results)}
        self.expect(rows["space_t2"], "<= 1.1", "holds")
        results["umvm2", "space_t2", "ours"] = ([1300], "ns")
        rows = {row["figure"]: row for row in bench.rows_of(results)}
        self.expect(rows["space_t2"], "<= 1.1", "FAILS")


if __name__ == "__main__":
    program = unittest.main(verbosity=0, exit=False)
    failed = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - failed} passed, {failed} failed")
    sys.exit(failed != 0)
