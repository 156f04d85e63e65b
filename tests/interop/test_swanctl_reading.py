#!/usr/bin/env python3
"""charon reads the configurations in tests/interop/swanctl, and says with cfg = 2 what it has
understood; a unit test holds us to the files *.txt beside them, and this one compares both.

  test_swanctl_reading.py [--bin DIR]

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import re
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Lab, LabError  # noqa: E402
from strongswan import CHARON, InNamespace  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "swanctl"

# What we refuse, or charon 5.9.8 does: there is nothing to compare.
REFUSED = {"49-tokens/a", "53-ikev1/a", "53-ikev1/b", "54-xauth/a", "54-xauth/b", "55-mediation/a",
           "55-mediation/b", "56-label/a", "56-label/b", "57-newer/a", "57-newer/b",
           "58-mistakes/a"}
# Printed in another form, or by one side alone. Identities and selectors have `same` below.
APART = {"proposals", "class", "constraints", "eap-type", "replay_window", "mediation", "cert",
         "certs", "cacert", "cacerts", "pubkeys", "vips", "pools", "revocation", "groups", "group",
         "cert_policy", "ca_id", "xauth_id"}
WORDS = {"fragmentation": {"1": "2", "2": "1"}, "childless": {"1": "3"}}
SERVICES = {"smtp": "25", "domain": "53", "https": "443", "http": "80", "OPAQUE": "opaque"}


def values(lines):
    """{"conn gw.child net.mode": "TUNNEL"} of indented `key = value` lines."""
    found, above = {}, []
    for line in lines:
        match = re.match(r"^( *)(.*?)(:| = (.*))$", line)
        if not match:
            continue
        depth = len(match.group(1))
        while above and above[-1][0] >= depth:
            above.pop()
        if match.group(4) is None:
            above.append((depth, match.group(2)))
        else:
            found[".".join([name for _, name in above] + [match.group(2)])] = match.group(4)
    return found


def same(key, ours, theirs):
    name = key.split(".")[-1]
    if name in WORDS:
        theirs = WORDS[name].get(theirs, theirs)
    if name.endswith("_ts"):
        theirs = re.sub(r"/(\w+)\]", lambda m: f"/{SERVICES.get(m[1], m[1])}]", theirs)
        theirs = theirs.replace("..", "-")
    if name == "id":
        ours = re.sub(r"^(@@|rfc822:)", "", ours)
        ours = re.sub(r"^(keyid:|@)#(.*)", lambda m: ":".join(re.findall("..", m[2])), ours)
        return ours.removeprefix("@") == theirs
    if "mark" in name or name.startswith("if_id"):
        ours = re.sub(r"^%(unique|same)$", "4294967295/4294967295", ours)
        theirs = theirs if "/" in theirs else f"{theirs}/4294967295"
        ours = ours if "/" in ours else f"{ours}/4294967295"
    return ours == theirs.replace(" | ", "|")


def understood(charon, path, folder):
    """charon's own words about one file."""
    shutil.copy(path, folder / "swanctl.conf")
    before = len(charon.log)
    said = charon.swanctl("--load-conns", "--file", str(folder / "swanctl.conf"), check=False)
    time.sleep(0.05)
    lines = [re.sub(r"^\d+\[CFG\]", "", line) for line in charon.log[before:].splitlines()
             if "[CFG]" in line]
    return values(line for line in lines if line.startswith("  ")), said


def compare(charon, folder):
    compared, differences = 0, []
    for path in sorted(FOLDER.glob("*/*.conf")):
        name = f"{path.parent.name}/{path.stem}"
        if name in REFUSED:
            continue
        theirs, said = understood(charon, path, folder)
        connections = re.split(r"^\S", path.with_suffix(".txt").read_text(), flags=re.M)[0]
        ours = values(connections.splitlines())
        if not theirs:
            differences.append(f"{name}: charon does not take it: {said}")
        for key in sorted(set(ours) | set(theirs)):
            last = key.split(".")[-1]
            if last in APART or (key not in ours and last not in ("updown", "mode")):
                continue
            compared += 1
            if not same(key, ours.get(key, ""), theirs.get(key, "")):
                differences.append(f"{name}: {key}: {ours.get(key)!r}, charon {theirs.get(key)!r}")
    return compared, differences


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin")
    parser.parse_args()
    if not Path(CHARON).exists():
        print("skipped: no charon here")
        return 77
    with Lab("caprd") as lab:
        charon = InNamespace(lab, lab.host("gw"), plugins="md5 pkcs8 ")
        folder = lab.folder / "swanctl"
        for inner in ("x509", "x509ca", "pubkey"):
            (folder / inner).mkdir(parents=True)
        for name in ("a", "b"):
            shutil.copy(FOLDER / "credentials" / f"{name}.pem", folder / "x509")
            shutil.copy(FOLDER / "credentials" / f"{name}.pub", folder / "pubkey")
        shutil.copy(FOLDER / "credentials" / "ca.pem", folder / "x509ca")
        compared, differences = compare(charon, folder)
        for difference in differences:
            print(difference)
        if differences or compared < 4000:
            print(f"{len(differences)} differences in {compared} values")
            return 1
    print(f"passed: {compared} values are the same")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(error)
        sys.exit(1)
