#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of tools/mm/percpu-stats on recorded and on broken files, and on those that the
allocator itself prints in userspace (tools/testing/percpu); needs no kernel."""
import os
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
TOOL = REPO / "tools/mm/percpu-stats"
SIM = REPO / "tools/testing/percpu"

STATS = """Percpu Memory Statistics
Allocation Info:
----------------------------------------
  unit_size           :        36864
  nr_units            :            3
  page_size           :         4096

Global Stats:
----------------------------------------
  nr_alloc            :           35

Per Chunk Stats:
----------------------------------------
Chunk: <- First Chunk
  nr_alloc            :           20
  rows_used           : 3192 4096x4 1816

Chunk (partial):
  nr_alloc            :           15
  rows_used           : 4096x2 0 4 c g -x3

"""
SIZES = """min_size max_size live live_bytes cached cached_bytes allocs hits misses refills refilled spills returned
      64       64   10        640      2          128    200  150     50       3       45      1       16
    1028     1280    2       2468      0            0      2    0      2       0        0      0        0
"""


class Reader(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_tool(self, stats=STATS, sizes=SIZES, *options):
        for name, text in (("percpu_stats", stats), ("percpu_sizes", sizes)):
            if text is not None:
                (self.folder / name).write_text(text)
        return subprocess.run([sys.executable, TOOL, self.folder / "percpu_stats", *options],
                              capture_output=True, text=True, check=False)

    def refuse(self, message, stats=STATS, sizes=SIZES, *options):
        done = self.run_tool(stats, sizes, *options)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(message, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_table(self):
        done = self.run_tool()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        rows = [line.split() for line in done.stdout.splitlines()[1:4]]
        self.assertEqual(rows[0], "64 10 640 1920 384 200 75.0% 3 1".split())
        self.assertEqual(rows[1], "1028-1280 2 2468 7404 0 2 0.0% 0 0".split())
        self.assertEqual(rows[2], "total 12 3108 9324 384 202 74.3% 3 1".split())

    def test_chunks(self):
        lines = self.run_tool().stdout.splitlines()
        self.assertEqual(lines[-2], "0 first   |#@@@@-|  87%")
        self.assertEqual(lines[-1], "1 partial |@@ .cg___|  50%")

    def test_narrow(self):
        many = STATS.replace("-x3", "-x2000")
        for width in (80, 60):
            done = self.run_tool(many, SIZES, f"--width={width}")
            self.assertLessEqual(max(map(len, done.stdout.splitlines())), max(width, 80))
        self.assertLessEqual(len(done.stdout.splitlines()[-1]), 60)

    def test_svg(self):
        self.run_tool(STATS, SIZES, "--svg", self.folder / "out.svg")
        drawn = xml.dom.minidom.parse(str(self.folder / "out.svg"))
        # Runs of alike rows, and a frame for each chunk.
        self.assertEqual(len(drawn.getElementsByTagName("rect")), 3 + 6 + 2)

    def test_svg_of_odd_names(self):
        self.run_tool(STATS.replace("(partial)", "<&\u00e9>"), SIZES, "--svg",
                      self.folder / "out.svg")
        xml.dom.minidom.parse(str(self.folder / "out.svg"))

    def test_later_columns(self):
        lines = [line + end for line, end in zip(SIZES.splitlines(), (" new", " 1", " 2"))]
        self.assertEqual(self.run_tool(STATS, "\n".join(lines)).stdout, self.run_tool().stdout)

    def test_broken(self):
        self.refuse("is the file cut off?", sizes=SIZES[:-20])
        self.refuse("percpu_sizes:2: '-5' is not a number", sizes=SIZES.replace(" 640", " -5"))
        self.refuse("no column min_size", sizes="")
        self.refuse("no column hits", sizes=SIZES.replace("hits", "bits"))
        self.refuse("tells unit_size", stats="")
        self.refuse("tells nr_units", stats=STATS.replace("nr_units", "units"))
        self.refuse("no chunk has a line rows_used", stats=STATS.split("Chunk:")[0])
        self.refuse("'4096y2' does not describe rows", stats=STATS.replace("x2", "y2"))
        self.refuse("no column", sizes="\x00\xff")
        self.refuse("is not a number", sizes=SIZES.replace("640", "6" * 5000))
        self.refuse("does not describe rows", stats=STATS.replace("3192", "3" * 5000))

    def test_missing(self):
        self.refuse("there is no such file", sizes=None)

    def test_what_the_allocator_prints(self):
        """The test stats_for_reader there has written what it knows to be so."""
        program = SIM / "out/smp/sim"
        subprocess.run(["make", "-s", "-C", SIM, program], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([program, "stats_for_reader"], check=True, stdout=subprocess.DEVNULL,
                       env=os.environ | {"STATS_FOLDER": str(self.folder)})
        done = self.run_tool(None, None, "--svg", self.folder / "out.svg")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        rows = [line.split() for line in lines[1:4]]
        # 3 CPUs; 50 of 60 objects of 64 bytes came from the bin, where 1 is left.
        self.assertEqual(rows[0], "60-64 9 576 1728 192 60 83.3% 0 0".split())
        self.assertEqual(rows[1], "16388-20480 2 39K 117K 0 2 0.0% 0 0".split())
        self.assertEqual(rows[2], "total 11 40K 119K 192 62 80.6% 0 0".split())
        self.assertIn("0 reserved |  |   0%", lines)
        self.assertIn("1 first    |#@@@@:|  83%", lines)
        self.assertIn("2 partial  |@@@@#___|  97%", lines)
        self.assertIn("3 spare    |________|    -", lines)
        drawn = xml.dom.minidom.parse(str(self.folder / "out.svg"))
        self.assertGreater(len(drawn.getElementsByTagName("rect")), 4)


if __name__ == "__main__":
    program = unittest.main(verbosity=0, exit=False)
    failed = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - failed} passed, {failed} failed")
    sys.exit(failed != 0)
