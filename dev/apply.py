#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Put our allocator into a Linux 7.3 tree, or take it out again.

    make apply TREE=DIR        make unapply TREE=DIR

All or nothing: everything is tried on copies first, and what was there before
is kept in DIR/.percpu-next until unapply puts it back.
"""
import json
import os
import re
import shutil
import sys
from pathlib import Path

import overlay
from overlay import OverlayError

KEEP = ".percpu-next"


def check_kernel(tree):
    try:
        head = (tree / "Makefile").read_text(errors="replace")[:400]
    except OSError:
        head = ""
    version = re.search(r"^VERSION = (\d+)\nPATCHLEVEL = (\d+)$", head, re.M)
    if not version or not (tree / "include/linux").is_dir() or not (tree / "mm").is_dir():
        raise OverlayError(f"{tree} is no Linux kernel tree")
    if version.groups() != ("7", "3"):
        raise OverlayError(f"{tree} is Linux {'.'.join(version.groups())}; this is for 7.3")


def check_pristine(tree):
    """Raise OverlayError unless all that we touch is as it comes with Linux."""
    paths = overlay.touched()
    if (tree / ".git").exists():
        changed = overlay.run("git", "-C", tree, "status", "--porcelain", "--no-renames",
                              "-uall", "--", *paths).stdout
        if changed:
            names = ", ".join(line[3:] for line in changed.splitlines())
            raise OverlayError(f"{tree} has uncommitted changes in {names}")
    stock = overlay.replaced()
    for path, sums in sorted(stock.items()):
        if not (tree / path).is_file():
            raise OverlayError(f"{tree}/{path} is missing")
        if overlay.checksum(tree / path) not in sums:
            raise OverlayError(f"{tree}/{path} is modified: it is in no Linux 7.3 "
                               "that dev/stock.sha256 lists")
    for path in sorted(set(paths) - set(stock) - set(overlay.patched(overlay.patches()))):
        if os.path.lexists(tree / path):
            raise OverlayError(f"{tree}/{path} exists already, and ours would replace it")


def replace(path, content, mode):
    """Write a file anew, never through a link to another tree's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + KEEP)
    try:
        new.write_bytes(content)
        new.chmod(mode)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def apply(tree):
    check_kernel(tree)
    if (tree / KEEP).exists():
        raise OverlayError(f"{tree} has it already; make unapply TREE={tree} takes it back")
    check_pristine(tree)
    result = overlay.laid_over(tree)

    # Keep what is there, and say what will be: from here on unapply works.
    new = tree / (KEEP + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for path in result:
        if (tree / path).is_file():
            (new / "was" / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(tree / path, new / "was" / path)
    (new / "now.json").write_text(json.dumps(
        {path: None if content is None else overlay.digest(content)
         for path, content in result.items()},
        indent=0, sort_keys=True))
    new.rename(tree / KEEP)
    try:
        for path, content in sorted(result.items()):
            if content is None:
                (tree / path).unlink()
                continue
            ours = overlay.REPO / path
            model = ours if ours.is_file() else tree / path
            replace(tree / path, content, model.stat().st_mode & 0o777)
    except BaseException:
        unapply(tree)
        raise
    print(f"Applied to {tree}; make unapply TREE={tree} takes it back")


def unapply(tree):
    keep = tree / KEEP
    if not (keep / "now.json").is_file():
        raise OverlayError(f"{tree} has nothing applied to it")
    now = json.loads((keep / "now.json").read_text())
    for path, digest in sorted(now.items()):
        file, was = tree / path, keep / "was" / path
        have = overlay.checksum(file) if file.is_file() else None
        if have and have not in (digest, overlay.checksum(was) if was.is_file() else None):
            raise OverlayError(f"{file} was changed since it was applied; save your change "
                               "elsewhere and remove the file, then run this again")
    for path in sorted(now):
        file, was = tree / path, keep / "was" / path
        leftover = file.with_name(file.name + KEEP)
        for stray in (leftover, file):
            if stray.is_file() and (stray == leftover or not was.is_file()):
                stray.unlink()
        if was.is_file():
            replace(file, was.read_bytes(), was.stat().st_mode & 0o777)
            continue
        for folder in file.relative_to(tree).parents:
            if folder.name and (tree / folder).is_dir() and not any((tree / folder).iterdir()):
                (tree / folder).rmdir()
    shutil.rmtree(keep)


def main():
    command = {"apply": apply, "unapply": unapply}.get(sys.argv[1] if sys.argv[1:] else "")
    tree = sys.argv[2] if sys.argv[2:] else os.environ.get("TREE")
    if not command or not tree:
        sys.exit(f"usage: make {sys.argv[1] if command else 'apply'} TREE=DIR")
    tree = Path(tree).resolve()
    try:
        command(tree)
    except OverlayError as problem:
        sys.exit(f"{sys.argv[1]}: {problem}. Nothing was changed.")
    except OSError as problem:
        sys.exit(f"{sys.argv[1]}: {problem}")
    except KeyboardInterrupt:
        sys.exit(f"{sys.argv[1]}: interrupted; run it again")
    if command is unapply:
        print(f"Took it back from {tree}")


if __name__ == "__main__":
    main()
