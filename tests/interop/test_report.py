#!/usr/bin/env python3
"""`caponier debug report` of a daemon that runs, with secrets of every kind: one case per call.

  test_report.py CASE --bin DIR

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import base64
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Caponier, Lab, LabError, TwoGateways  # noqa: E402

SECRETS = {"peer": "mJ2vQe8sWbX4nTyR6uKd9cLzA5hGf3Po",
           "hex": "0x7c1d9e0433aa58f2b6c4e7901f2d8a5b",
           "radius": "Radius-Xq7Lw2Zr9Tn4Vb8Mc1Ks6Jd3",
           "login": "Eap Passwort 9aVb2"}
USER_PASSWORD = "Alice-4Ht8Wq2Zx6"
CONFIG = """
[site.peer]
remote = "{remote}"
psk = "@peer"
local_nets = ["10.1.0.0/24"]
remote_nets = ["10.2.0.0/24"]
[site.hexed]
remote = "198.51.100.77"
psk = "@hex"
local_nets = ["10.1.0.0/24"]
remote_nets = ["10.3.0.0/24"]
start = false
[site.keyed]
remote = "198.51.100.78"
key = "own.key"
peer_key = "{peer_key}"
local_id = "own.example.org"
remote_id = "other.example.org"
local_nets = ["10.1.0.0/24"]
remote_nets = ["10.4.0.0/24"]
start = false
# a person's note: the old psk = "{note}"
"""


def expect(condition, what):
    if not condition:
        raise LabError(what)


def forms(octets):
    """How a secret may be written: as it is, as hexadecimal, as base 64 wherever it begins."""
    yield octets
    yield octets.hex().encode()
    yield octets.hex().upper().encode()
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + octets)
        yield text[4:4 + max(8, len(octets) * 4 // 3 - 6)]


def start(lab, options):
    net = TwoGateways(lab)
    ours = Caponier(lab, net.gw_a, "", SECRETS, options.bin)
    pki = ours.config.parent / "pki"
    pki.mkdir(exist_ok=True)
    key = pki / "own.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ED25519", "-out", str(key)], check=True)
    key.chmod(0o600)
    public = subprocess.run(["openssl", "pkey", "-in", str(key), "-pubout", "-outform", "DER"],
                            check=True, capture_output=True).stdout
    users = ours.config.parent / "secrets" / "users"
    users.mkdir(mode=0o700)
    (users / "alice").write_text(USER_PASSWORD + "\n")
    (users / "alice").chmod(0o600)
    ours.config.write_text(CONFIG.format(remote=net.OUTER_B, note=SECRETS["login"],
                                         peer_key="cv1:" + base64.b64encode(public).decode()))
    ours.start()
    return net, ours, key


def careless(host):
    """Somebody has left the secrets in the packet filter, which the report has."""
    radius, psk = SECRETS["radius"], SECRETS["peer"]
    words = [*SECRETS.values(), USER_PASSWORD, psk.encode().hex(), psk.encode().hex().upper(),
             *(base64.b64encode(b"user:"[:n] + radius.encode()).decode() for n in range(4))]
    rules = "".join(f'    counter comment "{word}"\n' for word in words)
    host.run("nft", "-f", "-", text_input=f"table inet careless {{\n  chain left {{\n{rules}  }}\n}}\n")
    return len(words)


def report(ours, *more):
    return ours.cli("--config", str(ours.config), "debug", "report", "-o", "-", *more).stdout


def secrets_stay(lab, options):
    _, ours, key = start(lab, options)
    count = careless(ours.host)
    text = report(ours)
    expect(len(re.findall(r'counter packets .* comment "[^"]*\[redacted\]', text)) == count,
           f"not {count} comments\n" + text[text.find("table inet careless"):][:3000])
    octets = text.encode()
    der = subprocess.run(["openssl", "pkey", "-in", str(key), "-outform", "DER"], check=True,
                         capture_output=True).stdout
    values = [value.encode() for value in [*SECRETS.values(), USER_PASSWORD]]
    values += [bytes.fromhex(SECRETS["hex"][2:]), der, der[-32:]]
    for value in values:
        for form in forms(value):
            expect(form not in octets, f"the report has {form!r} of {value!r}\n{text}")
    for line in key.read_text().splitlines()[1:-1]:
        expect(line not in text, "the report has a line of the private key")
    expect('psk = "@peer"' in text, "references are of use and no secrets")
    for title in ("versions", "status", "events", "failures", "metrics", "clock", "packet filter", "routes",
                  "sysctls", "addresses"):
        expect(f"==== {title} ====" in text, f"no part {title}")
    expect('"name": "peer"' in text and "caponierd 0" in text, text[:3000])


def addresses_are_hidden(lab, options):
    net, ours, _ = start(lab, options)
    text = report(ours, "--hide-addresses")
    for address in (net.outer_a, net.OUTER_B, "198.51.100.77", "10.1.0.10"):
        expect(not re.search(rf"(?<![\d.]){re.escape(address)}(?![\d.])", text), f"{address} is in it")
    found = set(re.findall(r'remote = "(ip4-\d+)"', text))
    expect(len(found) == 3, f"{found}")
    expect(any(text.count(word) > 1 for word in found), "the same address has several numbers")


def without_a_daemon(lab, options):
    _, ours, _ = start(lab, options)
    ours.stop()
    path = ours.folder / "out" / "report.txt"
    done = ours.cli("--config", str(ours.config), "debug", "report", "-o", str(path))
    expect(str(path) in done.stdout, done.stdout)
    expect(path.stat().st_mode & 0o777 == 0o600, oct(path.stat().st_mode))
    text = path.read_text()
    expect("caponierd is not running" in text and "==== routes ====" in text, text[:2000])


CASES = {case.__name__: case for case in (secrets_stay, addresses_are_hidden, without_a_daemon)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capr") as lab:
        CASES[options.case](lab, options)
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
