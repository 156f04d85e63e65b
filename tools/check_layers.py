#!/usr/bin/env python3
"""Checks every #include below src/ against src/LAYERS.

A module may include its own headers and those of the modules its row names. Third-party headers
with a home (OpenSSL, ipsec-mb, Boost, ...) may only be included there. reinterpret_cast is for
io, base/bytes.cpp and the back ends of crypto and TLS.

usage: check_layers.py [SOURCE_ROOT]     exit code 1 when something is out of place
"""
import re
import sys
from pathlib import Path

# Third-party header prefix -> modules that may include it.
HOMES = {
    "openssl/": {"crypto/openssl", "eap/openssl", "pki/openssl"},
    "intel-ipsec-mb.h": {"crypto/ipsecmb"},
    "boost/": {"io"},
    "libmnl/": {"io"},
    "toml++/": {"config"},
    "nlohmann/": {"control", "cli", "profile"},
    "CLI/": {"cli", "daemon"},
    "spdlog/": {"daemon"},
    "sys/socket.h": {"io", "daemon", "cli"},
    "thread": {"io", "daemon"},
    "fstream": {"io", "daemon", "cli"},
    "iostream": {"cli", "daemon"},
    "qrencode.h": {"cli"},
    "random": set(),
}
CASTS_ALLOWED = ("io", "crypto/openssl", "crypto/ipsecmb", "eap/openssl")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def read_layers(path):
    layers = {}
    for line in path.read_text().splitlines():
        line = line.split("#")[0].split()
        if line:
            layers[line[0]] = set(line[2:]) - {"-"}
    return layers


def module_of(path, layers):
    parts = path.split("/")
    for count in range(len(parts), 0, -1):
        name = "/".join(parts[:count])
        if name in layers:
            return name
    return None


def check(source, layers):
    """Yields one sentence per violation."""
    for file in sorted(source.rglob("*")):
        if file.suffix not in (".h", ".cpp"):
            continue
        relative = str(file.relative_to(source))
        module = module_of(str(file.parent.relative_to(source)), layers)
        if module is None:
            yield f"{relative}: its folder has no row in LAYERS"
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            where = f"{relative}:{number}"
            code = line.split("//")[0]
            if "reinterpret_cast" in code and not (
                    module.startswith(CASTS_ALLOWED) or relative == "base/bytes.cpp"):
                yield f"{where}: reinterpret_cast outside io, base/bytes.cpp and back ends"
            match = INCLUDE.match(line)
            if not match:
                continue
            quoted, header = match[1] == '"', match[2]
            if quoted:
                target = module_of(str(Path(header).parent), layers)
                allowed = layers[module]
                if target is None:
                    yield f"{where}: \"{header}\" is in no module"
                elif target != module and target not in allowed and "*" not in allowed:
                    yield f"{where}: {module} may not use {target} (\"{header}\")"
            else:
                for prefix, homes in HOMES.items():
                    home = prefix.endswith("/") and header.startswith(prefix) or header == prefix
                    if home and module_of(module, {h: 1 for h in homes}) is None \
                            and module not in homes:
                        where_to = ", ".join(sorted(homes)) or "nothing in src"
                        yield f"{where}: <{header}> belongs to {where_to}"


def main():
    root = Path(__file__).resolve().parent.parent
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "src"
    layers = read_layers(source / "LAYERS")
    problems = list(check(source, layers))
    for problem in problems:
        print(problem)
    print(f"layers: {len(layers)} modules, {len(problems)} violations")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
