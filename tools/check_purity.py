#!/usr/bin/env python3
"""Reads the undefined symbols of the archives that src/LAYERS calls pure.

A pure module may refer to: our own code, the C++ runtime and library except its clocks, threads,
files and random devices, fmt, toml++'s and nlohmann's inline code, and a short list of C functions
that only touch memory. Everything else is a door to the outside.

usage: check_purity.py BUILD_DIR            every pure module's archive below BUILD_DIR
       check_purity.py --archive FILE...    these archives
exit code 1 when something impure is found
"""
import re
import subprocess
import sys
from pathlib import Path

C_FUNCTIONS = {
    "memcpy", "memmove", "memset", "memcmp", "memchr", "strlen", "strcmp", "strncmp", "strtod",
    "strtoll", "strtoull",
    "strtof", "strtold", "bcmp", "abort", "pow", "exp", "log", "log2", "log10", "floor", "ceil",
    "round", "fmod", "ldexp", "frexp", "lround", "llround", "modf", "isalnum", "isdigit", "isxdigit",
    "tolower", "toupper", "snprintf", "localeconv", "__errno_location",
    "__stack_chk_fail", "__memcpy_chk", "__memmove_chk", "__memset_chk", "__snprintf_chk",
    "__assert_fail", "__libc_single_threaded", "__tls_get_addr", "_GLOBAL_OFFSET_TABLE_",
    "__dso_handle",
}
# base/error.cpp says on stderr which invariant broke before it ends the process.
EXCEPTIONS = {"base": {"stderr", "fprintf", "__fprintf_chk"}}
RUNTIME = re.compile(
    r"^(__cxa_|__gxx_|_Unwind_|__asan_|__ubsan_|__sanitizer|__sancov|__gcov|__umodti3|__udivti3|"
    r"__powidf2|__muloti4|__popcountdi2)")
# Mangled names of the C++ library and of header-only libraries.
CXX = re.compile(r"^_Z(N|T[ISV]N?|GV|GR|n|d|Z)*[KVRO]*(S[tabsiod]|N?St|N?9__gnu_cxx|N?10__cxxabiv1|"
                 r"N?3fmt|[nd][wal])|^_Z[nd][wal]|^_ZT[ISV]|^_ZTH|^_ZTW")
IMPURE_CXX = re.compile(
    r"(chrono3_V2.*(system|steady)_clock.*now|random_device|6thread|5mutex|condition_variable|"
    r"_ZSt4c(out|err|in|log)|basic_(i|o)?f(stream|ilebuf)|10filesystem|this_thread|"
    r"_ZN3fmt.*v[f]?print)")


def undefined_and_defined(archive):
    undefined, defined = {}, set()
    member = archive
    output = subprocess.run(["nm", "-A", "--format=posix", archive], check=True,
                            capture_output=True, text=True).stdout
    for line in output.splitlines():
        where, _, rest = line.partition("]: ")
        member = where.partition("[")[2]
        fields = rest.split()
        if len(fields) < 2:
            continue
        name, kind = fields[0].split("@")[0], fields[1]
        if kind in "Uw" and kind == "U":
            undefined.setdefault(name, member)
        elif kind not in "Uw":
            defined.add(name)
    return undefined, defined


def is_pure(name, module, ours):
    if name in ours or name in C_FUNCTIONS or name in EXCEPTIONS.get(module, ()):
        return True
    if IMPURE_CXX.search(name):
        return False
    if "8caponier" in name:
        return True
    return bool(RUNTIME.match(name) or CXX.match(name))


def check_archive(module, archive):
    undefined, defined = undefined_and_defined(archive)
    for name, member in sorted(undefined.items()):
        if not is_pure(name, module, defined):
            shown = subprocess.run(["c++filt", name], capture_output=True, text=True).stdout.strip()
            yield f"{module}: {member} refers to {shown}"


def pure_modules(layers):
    for line in layers.read_text().splitlines():
        fields = line.split("#")[0].split()
        if fields and fields[1] == "yes":
            yield fields[0]


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--archive":
        archives = [(Path(path).stem.removeprefix("libcaponier_"), path) for path in sys.argv[2:]]
    elif len(sys.argv) == 2:
        root = Path(__file__).resolve().parent.parent
        archives = []
        for module in pure_modules(root / "src" / "LAYERS"):
            name = "libcaponier_" + module.replace("/", "_") + ".a"
            archives.append((module, str(Path(sys.argv[1]) / "src" / module / name)))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    problems = [problem for module, path in archives for problem in check_archive(module, path)]
    for problem in problems:
        print(problem)
    print(f"purity: {len(archives)} archives, {len(problems)} impure references")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
