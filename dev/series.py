#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Write the patches to be mailed (git format-patch), as series/plan says.

    dev/series.py [OUT]      (default: $OUT, else series/out)

A scratch git repository gets the pristine versions of the files that we touch,
then a commit for each mail of the plan. The outcome must equal "make apply".
"""
import fnmatch
import os
import shutil
import sys
import tempfile
from pathlib import Path

import overlay
from overlay import OverlayError, REPO

SERIES = REPO / "series"
NOBODY = ("percpu-next", "percpu-next@localhost")


def identity():
    """The author as git knows you, or None."""
    found = [overlay.run("git", "-C", REPO, "config", key, check=False).stdout.strip()
             for key in ("user.name", "user.email")]
    return found if all(found) else None


def last_commit_date():
    """So that the same source gives the same mails."""
    return overlay.run("git", "-C", REPO, "log", "-1", "--format=%cI", check=False,
                       stderr=overlay.subprocess.DEVNULL).stdout.strip()


class Scratch:
    """The repository in which the series is committed.

    The methods in STEPS are what a plan may ask for.
    """
    STEPS = ("file", "patch", "interim", "revert", "move", "remove")

    def __init__(self, folder):
        self.tree = Path(folder)
        name, email = identity() or NOBODY
        self.env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
                    "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email,
                    "GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": email}
        if last_commit_date():
            self.env |= dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"),
                                      last_commit_date())
        self.git("init", "-q", "-b", "percpu-next")
        for path in overlay.pristine_files():
            self.copy(overlay.BASE, path)
        self.commit("Linux 7.3\n")
        self.git("tag", "base")

    def git(self, *words, **options):
        return overlay.run("git", "-C", self.tree, *words, env=self.env, **options).stdout

    def copy(self, source, path):
        (self.tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / path, self.tree / path)

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-q", "-F", "-", input=message)

    def file(self, *patterns):
        """Files of ours, whole."""
        for pattern in patterns:
            found = fnmatch.filter(overlay.our_files(), pattern)
            if not found:
                raise OverlayError(f"no file of ours is {pattern}")
            for path in found:
                self.copy(REPO, path)

    def patch(self, name):
        """An edit in patches/."""
        self.git("apply", REPO / "patches" / name)

    def interim(self, name):
        """An edit in series/ that a later mail takes back."""
        self.git("apply", SERIES / name)

    def revert(self, name):
        """Take back an interim edit."""
        self.git("apply", "-R", SERIES / name)

    def move(self, pattern, folder):
        (self.tree / folder).mkdir(parents=True)
        self.git("mv", *sorted(path for path in self.tree.glob(pattern) if path.is_file()), folder)

    def remove(self, path):
        self.git("rm", "-rq", path)

    def mails(self, out):
        """Write the commits to the folder; returns their number."""
        self.git("config", "branch.percpu-next.description", (SERIES / "cover.txt").read_text())
        options = ["--signoff"] if identity() else []
        self.git("format-patch", "-q", "--cover-letter", "--cover-from-description=subject",
                 "--no-signature", "-M", *options, "-o", out, "base")
        return int(self.git("rev-list", "--count", "base..HEAD"))


def changelog(name):
    """Of a mail: series/NAME.txt, or what patches/NAME.patch says at its head."""
    if (SERIES / f"{name}.txt").is_file():
        return (SERIES / f"{name}.txt").read_text()
    return (REPO / f"patches/{name}.patch").read_text().split("\n--- ")[0]


def read_plan(scratch):
    """Commit what each "mail NAME" of series/plan and the steps below it ask for."""
    def end(name):
        if name:
            if not scratch.git("status", "--porcelain"):
                raise OverlayError("it changes nothing")
            scratch.commit(changelog(name))

    name = None
    for number, line in enumerate((SERIES / "plan").read_text().splitlines(), 1):
        verb, *words = line.split("#")[0].split() or [""]
        try:
            if verb == "mail":
                end(name)
                name, = words
            elif verb and (verb not in Scratch.STEPS or not name):
                raise OverlayError("what is this?")
            elif verb:
                getattr(scratch, verb)(*words)
        except (OverlayError, OSError, TypeError, ValueError) as problem:
            raise OverlayError(f"series/plan:{number} (mail {name}): {problem}") from problem
        except overlay.subprocess.CalledProcessError as problem:
            raise OverlayError(f"series/plan:{number} (mail {name}): git failed") from problem
    end(name)


def check_outcome(scratch):
    """Raise OverlayError unless the last commit is what "make apply" makes."""
    want = {path: content for path, content in overlay.laid_over(overlay.BASE).items()
            if content is not None}
    have = {path: (scratch.tree / path).read_bytes() for path in scratch.git("ls-files").split()}
    wrong = sorted(path for path in want.keys() | have.keys() if want.get(path) != have.get(path))
    if wrong:
        raise OverlayError("series/plan does not lead to what make apply makes; see "
                           + ", ".join(wrong))


def main():
    out = Path(sys.argv[1] if sys.argv[1:] else os.environ.get("OUT") or SERIES / "out").resolve()
    try:
        with tempfile.TemporaryDirectory() as folder:
            scratch = Scratch(folder)
            read_plan(scratch)
            check_outcome(scratch)
            out.mkdir(parents=True, exist_ok=True)
            for old in out.glob("[0-9][0-9][0-9][0-9]-*.patch"):
                old.unlink()
            count = scratch.mails(out)
    except (OverlayError, OSError) as problem:
        sys.exit(f"series: {problem}")
    print(f"{count} patches and a cover letter are in {os.path.relpath(out)}; "
          f"in a pristine Linux 7.3: git am {os.path.relpath(out)}/*.patch")
    if not identity():
        print("They carry no Signed-off-by: git config user.name and user.email, "
              "then run this again.")


if __name__ == "__main__":
    main()
