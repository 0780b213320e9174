#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What this repository lays over a kernel tree.

    dev/overlay.py files ours|stock      our files, at their kernel paths
    dev/overlay.py patches ours|stock    files in patches/, in order
    dev/overlay.py replaced              stock files that ours stand in for
    dev/overlay.py record                write dev/stock.sha256 anew from build/linux-base

"stock" means the tests that run on the stock allocator too, and nothing else.
"""
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
BASE = REPO / "build/linux-base"
SUMS = REPO / "dev/stock.sha256"
FOLDERS = ["mm", "include", "lib", "Documentation", "tools"]
STOCK_TESTS = ["lib/test_percpu.c", "lib/test_percpu_hold.c",
               "lib/tests/percpu_kunit.c", "lib/tests/percpu_reclaim_kunit.c",
               "lib/tests/vmalloc_kunit.c", "lib/test_vmalloc_live.c"]


class OverlayError(Exception):
    """Something about a tree that the user has to know."""


def die(message):
    sys.exit(f"{Path(sys.argv[0]).name}: {message}")


def run(*command, **options):
    options = {"check": True, "text": True, "stdout": subprocess.PIPE, **options}
    return subprocess.run([str(word) for word in command], **options)


def our_files(kind="ours"):
    """Our files that are there, as paths inside a kernel tree."""
    if (REPO / ".git").exists():
        listed = run("git", "-c", "safe.directory=*", "-C", REPO, "ls-files", "-co",
                     "--exclude-standard", "-z", "--", *FOLDERS).stdout.split("\0")
    else:
        listed = [str(path.relative_to(REPO)) for folder in FOLDERS
                  for path in (REPO / folder).rglob("*")]
    files = sorted({path for path in listed if path and (REPO / path).is_file()})
    return files if kind == "ours" else [path for path in files if path in STOCK_TESTS]


def patches(kind="ours"):
    """Names in patches/series; for "stock", those of its group "tests"."""
    names, group = [], None
    for line in (REPO / "patches/series").read_text().splitlines():
        heading = re.match(r"#\s*group:\s*(\w+)", line)
        if heading:
            group = heading.group(1)
        name = line.split("#")[0].strip()
        if name and (kind == "ours" or group == "tests"):
            names.append(name)
    return names


def patched(names):
    """Existing kernel files that these patches change."""
    found = set()
    for name in names:
        text = (REPO / "patches" / name).read_text()
        found |= set(re.findall(r"^--- a/(\S+)", text, re.M))
    return sorted(found)


def touched(kind="ours"):
    """Every path that is changed, added or removed in a kernel tree."""
    gone = replaced() if kind == "ours" else ()
    return sorted({*gone, *patched(patches(kind)), *our_files(kind)})


def pristine_files():
    """Those of them that a pristine tree has."""
    return sorted({*replaced(), *patched(patches())})


def is_listed(tree):
    """Is each stock file as dev/stock.sha256 says?"""
    return all((Path(tree) / path).is_file() and checksum(Path(tree) / path) in sums
               for path, sums in replaced().items())


def laid_over(tree, kind="ours"):
    """{path: content}: what applying makes of the files of a pristine tree.

    The content is None where the file goes.  The tree is only read.  Raises
    OverlayError, with a message for the user, where a patch does not fit.
    """
    tree, names = Path(tree), patches(kind)
    result = {path: None for path in replaced()} if kind == "ours" else {}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        for path in patched(names):
            if not (tree / path).is_file():
                raise OverlayError(f"{path} is missing in {tree}")
            (scratch / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tree / path, scratch / path)
        for name in names:
            done = run("patch", "-p1", "-F0", "-s", "-t", "--no-backup-if-mismatch", "-r-",
                       "-i", REPO / "patches" / name, cwd=scratch, check=False,
                       stderr=subprocess.STDOUT)
            if done.returncode:
                raise OverlayError(f"patches/{name} does not fit (is one of "
                                   f"{', '.join(patched([name]))} modified?)")
        result |= {path: (scratch / path).read_bytes() for path in patched(names)}
    return result | {path: (REPO / path).read_bytes() for path in our_files(kind)}


def digest(content):
    return hashlib.sha256(content).hexdigest()


def checksum(path):
    return digest(Path(path).read_bytes())


def replaced():
    """{path: set of sha256} of the stock files that go, or that ours stand in for."""
    if not SUMS.is_file():
        die("dev/stock.sha256 is missing; write it with: dev/overlay.py record")
    sums = {}
    for line in SUMS.read_text().splitlines():
        if line and not line.startswith("#"):
            want, path = line.split(None, 1)
            sums.setdefault(path, set()).add(want)
    return sums


def record():
    stock = sorted(str(path.relative_to(BASE)) for path in (BASE / "mm").glob("percpu*"))
    stock += ["include/linux/percpu.h", "Documentation/mm/vmalloc.rst", "mm/vmalloc.c"]
    release = "7.3." + re.search(r"^SUBLEVEL = (\d+)", (BASE / "Makefile").read_text(), re.M)[1]
    text = f"# Stock files that ours replace, as in Linux {release}: dev/overlay.py record\n"
    text += "".join(f"{checksum(BASE / path)}  {path}\n" for path in sorted(stock))
    SUMS.write_text(text)


def main():
    words = sys.argv[1:] or [""]
    kind = words[1] if len(words) > 1 else "ours"
    if words[0] == "record":
        record()
        return
    lists = {"files": our_files, "patches": patches, "replaced": lambda kind: sorted(replaced())}
    if words[0] not in lists or kind not in ("ours", "stock"):
        sys.exit(__doc__)
    for item in lists[words[0]](kind):
        print(item)


if __name__ == "__main__":
    main()
