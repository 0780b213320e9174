#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of what is laid over a kernel tree.

    dev/test-overlay.py apply|series

They run on small trees that hold only the files that we touch.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import overlay

APPLY = overlay.REPO / "dev/apply.py"
SERIES = overlay.REPO / "dev/series.py"


def content(tree):
    """{path: (content, mode)} of all files below, without git's own."""
    return {str(path.relative_to(tree)): (path.read_bytes(), path.stat().st_mode)
            for path in Path(tree).rglob("*")
            if path.is_file() and ".git" not in path.parts}


def small_tree(tree):
    """A pristine tree of the touched files and what marks a kernel tree."""
    for path in ["Makefile", *overlay.pristine_files()]:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(overlay.BASE / path, tree / path)


def git(tree, *words):
    return overlay.run("git", "-C", tree, "-c", "user.name=test", "-c", "user.email=test@localhost",
                       *words, stderr=subprocess.STDOUT).stdout


def git_tree(tree):
    """Make it a git tree with one commit."""
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "base")


class ApplyTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.tree = Path(folder.name) / "linux"
        small_tree(self.tree)

    def call(self, command, tree=None):
        return subprocess.run([APPLY, command, tree or self.tree], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def works(self, command):
        done = self.call(command)
        self.assertEqual(done.returncode, 0, done.stdout)

    def refused(self, command, reason):
        """It fails, says why, and leaves everything as it was."""
        before = content(self.tree)
        done = self.call(command)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn(reason, done.stdout)
        self.assertNotIn("Traceback", done.stdout)
        self.assertEqual(content(self.tree), before)

    def edit(self, path, old, new):
        text = (self.tree / path).read_text()
        self.assertIn(old, text)
        (self.tree / path).write_text(text.replace(old, new))

    def test_apply_puts_in_all_that_is_ours(self):
        self.works("apply")
        for path in overlay.our_files():
            self.assertEqual((self.tree / path).read_bytes(), (overlay.REPO / path).read_bytes())
        for path in set(overlay.replaced()) - set(overlay.our_files()):
            self.assertFalse((self.tree / path).exists())
        self.assertIn("TEST_PERCPU", (self.tree / "lib/Kconfig.debug").read_text())

    def test_unapply_restores_the_tree(self):
        before = content(self.tree)
        folders = sorted(str(path) for path in self.tree.rglob("*") if path.is_dir())
        self.works("apply")
        self.works("unapply")
        self.assertEqual(content(self.tree), before)
        self.assertEqual(sorted(str(p) for p in self.tree.rglob("*") if p.is_dir()), folders)

    def test_unapply_after_an_interrupted_apply(self):
        before = content(self.tree)
        self.works("apply")
        (self.tree / "include/linux/percpu.h").unlink()
        (self.tree / "mm/percpu-vm.c.percpu-next").write_text("half")
        (self.tree / "lib/Makefile").write_bytes(before["lib/Makefile"][0])
        self.works("unapply")
        self.assertEqual(content(self.tree), before)

    def test_applies_beside_changes_elsewhere_in_a_patched_file(self):
        self.edit("MAINTAINERS", "THE REST", "ALL THE REST")
        before = content(self.tree)
        self.works("apply")
        self.assertIn("ALL THE REST", (self.tree / "MAINTAINERS").read_text())
        self.works("unapply")
        self.assertEqual(content(self.tree), before)

    def test_hard_linked_twin_stays_pristine(self):
        twin = self.tree.with_name("twin")
        shutil.copytree(self.tree, twin, copy_function=os.link)
        before = content(twin)
        self.works("apply")
        self.assertEqual(content(twin), before)

    def test_applies_to_a_clean_git_tree(self):
        git_tree(self.tree)
        self.works("apply")

    def test_refuses_a_git_tree_with_changes(self):
        git_tree(self.tree)
        self.edit("MAINTAINERS", "THE REST", "ALL THE REST")
        self.refused("apply", "uncommitted changes in MAINTAINERS")

    def test_refuses_to_apply_twice(self):
        self.works("apply")
        self.refused("apply", "has it already")

    def test_refuses_what_is_no_kernel(self):
        (self.tree / "Makefile").write_text("all:\n")
        self.refused("apply", "no Linux kernel tree")
        self.assertIn("no Linux kernel tree", self.call("apply", "/nonexistent").stdout)

    def test_refuses_another_release(self):
        self.edit("Makefile", "PATCHLEVEL = 3", "PATCHLEVEL = 2")
        self.refused("apply", "is Linux 7.2")

    def test_refuses_a_modified_file_that_ours_replaces(self):
        self.edit("mm/percpu-km.c", "static", "static inline")
        self.refused("apply", "mm/percpu-km.c is modified")

    def test_refuses_a_missing_file(self):
        (self.tree / "mm/percpu-km.c").unlink()
        self.refused("apply", "mm/percpu-km.c is missing")

    def test_refuses_where_a_patch_does_not_fit(self):
        self.edit("lib/tests/Makefile", "obj-$(CONFIG_PRANDOM_KUNIT_TEST)", "obj-m")
        self.refused("apply", "lib/tests/Makefile")

    def test_refuses_where_our_file_is_taken(self):
        (self.tree / "lib/tests/percpu_kunit.c").write_text("mine")
        self.refused("apply", "exists already")

    def test_failure_while_writing_takes_all_back(self):
        (self.tree / "lib/tests/percpu_kunit.c.percpu-next").mkdir()
        self.refused("apply", "percpu_kunit.c")

    def test_unapply_refuses_a_tree_without_it(self):
        self.refused("unapply", "nothing applied")

    def test_unapply_refuses_to_lose_a_later_change(self):
        self.works("apply")
        self.edit("lib/Makefile", "test_percpu.o", "test_percpu.o mine.o")
        self.refused("unapply", "lib/Makefile was changed")

    def test_no_patch_touches_a_file_of_ours(self):
        both = set(overlay.patched(overlay.patches())) & set(overlay.our_files())
        self.assertFalse(both)


class SeriesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.out = cls.folder / "out"
        cls.out.mkdir()
        (cls.out / "0042-stale.patch").write_text("from an earlier run")
        (cls.out / "notes").write_text("not ours")
        cls.done = subprocess.run([SERIES, cls.out], text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
        cls.mails = sorted(cls.out.glob("*.patch"))

    def setUp(self):
        if self.done.returncode:
            self.fail(self.done.stdout)

    def test_cover_letter_is_filled_in(self):
        text = self.mails[0].read_text()
        self.assertNotIn("*** ", text)
        self.assertIn((overlay.REPO / "series/cover.txt").read_text().strip(), text.replace(
            f"Subject: [PATCH 00/{len(self.mails) - 1:02}] ", ""))

    def test_each_mail_says_what_and_why(self):
        for mail in self.mails[1:]:
            head, body = mail.read_text().split("\n---\n")[0].split("\n\n", 1)
            self.assertIn("Subject: [PATCH", head)
            self.assertGreater(len(body), 40, mail.name)

    def test_only_numbered_mails_are_replaced(self):
        self.assertFalse((self.out / "0042-stale.patch").exists())
        self.assertTrue((self.out / "notes").exists())

    def test_git_am_makes_what_apply_makes(self):
        applied, mailed = self.folder / "applied", self.folder / "mailed"
        small_tree(applied)
        small_tree(mailed)
        git_tree(mailed)
        git(mailed, "am", "-q", *self.mails[1:])
        overlay.run(APPLY, "apply", applied)
        shutil.rmtree(applied / ".percpu-next")
        self.assertEqual(git(mailed, "status", "--porcelain"), "")
        self.assertEqual(content(applied), content(mailed))

    def test_git_am_leaves_no_white_space_errors(self):
        tree = self.folder / "spaces"
        small_tree(tree)
        git_tree(tree)
        for mail in self.mails[1:]:
            said = git(tree, "apply", "--index", "--whitespace=warn", mail)
            self.assertEqual(said, "", mail.name)


class ShowResult(unittest.TextTestResult):
    def getDescription(self, test):
        return test._testMethodName.removeprefix("test_").replace("_", " ")


def main():
    parts = {"apply": ApplyTest, "series": SeriesTest}
    if sys.argv[1:] not in ([part] for part in parts):
        sys.exit(__doc__)
    if not overlay.is_listed(overlay.BASE):
        print("skipped: build/linux-base is a release that dev/stock.sha256 does not list")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    result = unittest.TextTestRunner(sys.stdout, verbosity=2, resultclass=ShowResult).run(
        unittest.defaultTestLoader.loadTestsFromTestCase(parts[sys.argv[1]]))
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
