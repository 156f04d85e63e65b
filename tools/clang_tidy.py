#!/usr/bin/env python3
"""clang-tidy over every source of src/, with the compile commands of BUILD_DIR.

A source whose text, headers and checks are as they were when nothing was found is not looked at
again: what was clean is remembered by a hash of the preprocessed text, in the user's cache folder.
That text has no comments, and so we have no NOLINT.

usage: clang_tidy.py BUILD_DIR     exit code 1 when something is found
"""
import hashlib
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
TIDY, CLANG = "clang-tidy-19", "clang++-19"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "caponier-clang-tidy"


def preprocessed(command):
    """The whole text that is compiled, without names of folders; None when it cannot be had."""
    words = shlex.split(command["command"])
    while words and not words[0].endswith(("g++", "clang++", "c++")):
        words.pop(0)  # ccache
    kept, skip = [], 0
    for word in words[1:]:
        if skip:
            skip -= 1
        elif word in ("-o", "-MT", "-MF"):
            skip = 1
        elif word not in ("-c", "-MD"):
            kept.append(word)
    done = subprocess.run([CLANG, "-E", "-P", "-w", "-Wno-unknown-warning-option", *kept],
                          capture_output=True, cwd=command["directory"])
    return done.stdout if done.returncode == 0 else None


def check(command, build, checks):
    """What clang-tidy says; empty: nothing."""
    text = preprocessed(command)
    stamp = CACHE / hashlib.sha256(checks + text).hexdigest() if text is not None else None
    if stamp and stamp.exists():
        return ""
    done = subprocess.run([TIDY, "-p", build, "--quiet", "--extra-arg=-Wno-unknown-warning-option",
                           command["file"]], capture_output=True, text=True, cwd=TOP)
    if done.returncode == 0 and not done.stdout.strip():
        if stamp:
            stamp.touch()
        return ""
    return done.stdout or done.stderr


def main():
    build = Path(sys.argv[1]).resolve()
    commands = json.loads((build / "compile_commands.json").read_text())
    sources = [one for one in commands if Path(one["file"]).is_relative_to(TOP / "src")]
    version = subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout
    checks = version + (TOP / ".clang-tidy").read_bytes()
    CACHE.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = [text for text in pool.map(lambda one: check(one, build, checks), sources) if text]
    print("".join(said), end="")
    print(f"clang-tidy: {len(sources)} sources, {len(said)} with findings")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
