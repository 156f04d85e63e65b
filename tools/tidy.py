#!/usr/bin/env python3
"""House rules that no compiler checks: file and function length, line width, unfinished
words.

tools/tidy_exceptions.txt lists what is tolerated; an exception that is no longer needed fails too,
so the list can only shrink.

usage: tidy.py [ROOT]
"""
import re
import subprocess
import sys
from pathlib import Path

FILE_MAX = 600
TEST_FILE_MAX = 1000
FUNCTION_MAX = 70
WIDTH_MAX = 100
BANNED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
MUST_NOT_OPEN = re.compile(r"^(namespace|extern \"C\"|class|struct|union|enum)\b|^}")


def tracked(root):
    listed = subprocess.run(["git", "-C", root, "ls-files"], capture_output=True, text=True)
    return [Path(line) for line in listed.stdout.splitlines()]


def functions(lines):
    """Yields (first line number, length) of every brace block that starts in column 0 or 2 and is
    not a namespace or type: near enough to a function with the house's formatting."""
    start = None
    for number, line in enumerate(lines, 1):
        indent = len(line) - len(line.lstrip(" "))
        if start is None:
            opens = line.rstrip().endswith("{") and indent <= 2
            if opens and not MUST_NOT_OPEN.match(line.strip()) and " = " not in line \
                    and not line.lstrip().startswith("//"):
                start = (number, indent)
        elif line.startswith(" " * start[1] + "}"):
            yield start[0], number - start[0] + 1
            start = None


def check(root):
    for path in tracked(root):
        if path.suffix not in (".h", ".cpp", ".py", ".sh") and path.name != "dev":
            continue
        full = Path(root) / path
        if not full.exists():
            continue
        lines = full.read_text().splitlines()
        is_test = path.parts[0] == "tests"
        limit = TEST_FILE_MAX if is_test else FILE_MAX
        if len(lines) > limit:
            yield f"{path}: file", f"{len(lines)} lines (at most {limit})"
        for number, line in enumerate(lines, 1):
            if len(line) > WIDTH_MAX and path.suffix in (".h", ".cpp"):
                yield f"{path}: width", f"line {number} has {len(line)} characters"
            if BANNED.search(line) and path.name != "tidy.py":
                yield f"{path}: word", f"line {number}: {line.strip()[:60]}"
        if path.suffix in (".h", ".cpp") and not is_test:
            for number, length in functions(lines):
                if length > FUNCTION_MAX:
                    yield f"{path}: function", f"line {number}: {length} lines (at most 70)"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).resolve().parent.parent)
    listed = Path(root) / "tools" / "tidy_exceptions.txt"
    exceptions = set()
    if listed.exists():
        exceptions = {line.split("#")[0].strip() for line in listed.read_text().splitlines()} - {""}
    used, problems = set(), 0
    for key, detail in check(root):
        if key in exceptions:
            used.add(key)
            continue
        problems += 1
        print(f"{key}: {detail}")
    for key in sorted(exceptions - used):
        problems += 1
        print(f"{key}: listed in tools/tidy_exceptions.txt but no longer needed")
    print(f"tidy: {problems} problems, {len(used)} exceptions")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
