#!/usr/bin/env python3
"""The configurations in tests/interop/swanctl, with Debian's swanctl, into charon and into Caponier.

  test_vici_twins.py conns --bin DIR                both list the same connections, key by key
  test_vici_twins.py pair NAME [--roles ROLES]...   charon on one side, Caponier on the other; ROLES
                     --bin DIR                      as, bs: Caponier is a, or b, and strongSwan begins
                                                    ac, bc: Caponier begins; otherwise all of these

What differs and may is in swanctl/accepted.txt, with the reason; what stands there and does not
differ is a failure as well. Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import fnmatch
import hashlib
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Lab, LabError, ping, wait_until  # noqa: E402
from strongswan import CHARON  # noqa: E402
from vici import ViciError  # noqa: E402
from vici_pair import Ours, Theirs, expect  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "swanctl"


class Accepted:
    """Lines "WHICH KEY REASON..." with patterns for the first two."""

    def __init__(self):
        self.rows = []
        for line in (FOLDER / "accepted.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                which, key, reason = line.split(None, 2)
                self.rows.append([which, key, reason, False])

    def reason(self, which, key):
        for row in self.rows:
            if fnmatch.fnmatchcase(which, row[0]) and fnmatch.fnmatchcase(key, row[1]):
                row[3] = True
                return row[2]
        return None

    def unused(self):
        return [f"{which} {key}" for which, key, _, used in self.rows
                if not used and not key.startswith(("pair:", "list-sas."))]


def flat(tree, above=""):
    """{"gw.children.net.mode": "TUNNEL"}"""
    found = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found.update(flat(value, f"{above}{key}."))
        else:
            found[above + key] = value
    return found


def listed(side, name):
    session = side.session()
    found = {}
    for conn in session.stream("list-conns", "list-conn"):
        found.update(flat(conn))
    for cert in session.stream("list-certs", "list-cert", type="ANY", flag="ANY"):
        data = cert.pop("data")
        data = data if isinstance(data, bytes) else data.encode()
        found.update(flat(cert, f"list-certs.{hashlib.sha256(data).hexdigest()[:8]}."))
    for command in ("get-pools", "get-shared", "get-authorities"):
        found.update(flat(session.request(command), f"{command}."))
    session.close()
    return found


def conns(lab, options):
    host_a, host_b = lab.host("ours"), lab.host("theirs")
    for host in (host_a, host_b):
        host.ip("link", "set", "lo", "up")
    sides = [Ours(lab, host_a, options.bin), Theirs(lab, host_b)]
    for side in sides:
        side.own("a")
        side.own("b")
    accepted, faults, same = Accepted(), [], 0
    for path in sorted(FOLDER.glob("[0-9]*/[ab].conf")):
        which = f"{path.parent.name}/{path.stem}"
        for side in sides:
            side.load("", "--clear", check=False)
        said = [side.load(path.read_text(), "--clear", check=False) for side in sides]
        refused = ["failed" in text.split("no authorities")[-1] and "loading connection" in text
                   for text in said]
        if refused[0] != refused[1]:
            if not accepted.reason(which, "refused"):
                faults.append(f"{which} refused: ours {refused[0]}, charon {refused[1]}\n{said[0]}")
            continue
        if refused[0]:
            continue
        ours, theirs = (listed(side, which) for side in sides)
        for key in sorted(ours.keys() | theirs.keys()):
            if ours.get(key) == theirs.get(key):
                same += 1
            elif not accepted.reason(which, key):
                faults.append(f"{which} {key}: ours {ours.get(key)}, charon {theirs.get(key)}")
    faults += [f"not different any more: {row}" for row in accepted.unused()]
    print(f"{same} values are the same")
    expect(not faults, "\n".join(faults))


# -- pairs


class Wire:
    """Two hosts with the addresses of the configurations, and a client behind each."""

    NETS = ("10.1.0.0/16", "10.2.0.0/16")

    def __init__(self, lab):
        self.a, self.b = lab.host("a"), lab.host("b")
        self.client_a, self.client_b = lab.host("client-a"), lab.host("client-b")
        lab.link(self.a, ["192.0.2.1/24", "2001:db8::1/64"], self.b,
                 ["192.0.2.2/24", "2001:db8::2/64"])
        lab.link(self.client_a, ["10.1.0.10/16", "2001:db8:1::10/48"], self.a,
                 ["10.1.0.1/16", "2001:db8:1::1/48"])
        lab.link(self.client_b, ["10.2.0.10/16", "2001:db8:2::10/48"], self.b,
                 ["10.2.0.1/16", "2001:db8:2::1/48"])
        # charon routes by an address of its own within the local network of each child.
        for host, addresses in ((self.a, ("10.1.1.1/32", "10.1.7.1/32")), (self.b, ("10.2.7.1/32",))):
            for address in addresses:
                host.ip("addr", "add", address, "dev", "lo")
        for host, gateway in ((self.client_a, "10.1.0.1"), (self.client_b, "10.2.0.1")):
            host.ip("route", "add", "default", "via", gateway)
        for host in (self.a, self.b):
            host.forward()
            for name in ("all", "default"):
                host.sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)
        self.a.ip("route", "add", "10.2.0.0/16", "via", "192.0.2.2")
        self.b.ip("route", "add", "10.1.0.0/16", "via", "192.0.2.1")


def for_pair(text):
    """ESP in UDP, for charon's userspace ESP knows nothing else; nothing begins by itself."""
    text = re.sub(r"^(\s*)((?:local|remote)_addrs\s*=)", r"\1encap = yes\n\1\2", text, count=1,
                  flags=re.M)
    return re.sub(r"^\s*start_action\s*=\s*(start|trap\|start|start\|trap)\s*$", "", text, flags=re.M)


def child_of(side):
    session = side.session()
    for conn in session.stream("list-conns", "list-conn"):
        for name, tree in conn.items():
            for child, values in tree.get("children", {}).items():
                if values["mode"] not in ("PASS", "DROP"):
                    return name, child
    raise LabError("no child")


def pair(_, options):
    done = 0
    for roles in options.roles or ["as", "ac", "bs", "bc"]:
        reason = Accepted().reason(options.name, f"pair:{roles}")
        if reason:
            print(f"skipped {roles}: {reason}")
            continue
        with Lab("capt") as lab:
            live(lab, options, roles)
        done += 1
    return 0 if done else 77


# Configurations whose SAs are compared key by key: as far as that has been looked at.
COMPARED = {"01-minimal", "05-aead", "06-classic", "12-encap", "14-dpd", "18-certificates",
            "20-strength", "21-raw-keys", "24-reauth", "26-child-lifetime", "28-children", "33-eap",
            "37-identities", "43-headers", "46-patience"}
# What the two ends of one SA call by different names, and what changes from one moment to the next.
MIRRORED = {"local-": "remote-", "remote-": "local-", "spi-in": "spi-out", "spi-out": "spi-in"}
# A user's name at the server alone.
MOVING = re.compile(
    r"(time|established|bytes|packets|use)(-|$)|uniqueid|initiator$|reqid|cpu|eap-id|tasks")


def described(side, mirrored):
    """{"encr-alg": "AES_GCM_16"} of the only IKE SA and its only Child SA that is in use."""
    def name_at_the_other_end(key):
        for mine, theirs in MIRRORED.items():
            if mirrored and key.startswith(mine):
                return theirs + key[len(mine):]
        return key

    ike = next(iter(side.sas()[0].values()))
    child = next(one for one in ike.pop("child-sas").values() if one["state"] == "INSTALLED")
    found = {}
    for above, tree in (("", ike), ("child.", child)):
        for key, value in tree.items():
            if not MOVING.search(key):
                found[above + name_at_the_other_end(key)] = value
    return found


def compare_sas(ours, theirs, options):
    """Both ends describe the SA alike, but for what charon's userspace ESP has of its own."""
    accepted = Accepted()
    mine, charons = described(ours, False), described(theirs, True)
    faults = [f"list-sas {key}: ours {mine.get(key)}, charon {charons.get(key)}"
              for key in sorted(mine.keys() | charons.keys()) if mine.get(key) != charons.get(key)
              and not accepted.reason(options.name, f"list-sas.{key}")]
    expect(not faults, "\n".join(faults))


def live(lab, options, roles):
    wire = Wire(lab)
    letters = "ab" if roles[0] == "a" else "ba"
    hosts = {"a": wire.a, "b": wire.b}
    ours = Ours(lab, hosts[letters[0]], options.bin)
    theirs = Theirs(lab, hosts[letters[1]], "counters eap-identity eap-md5 eap-mschapv2 eap-tls md4 "
                                            "attr resolve updown ")
    for side, letter in ((ours, letters[0]), (theirs, letters[1])):
        side.own(letter)
        text = for_pair((FOLDER / options.name / f"{letter}.conf").read_text())
        side.load(text, "--clear", check=False)
    begins, answers = (ours, theirs) if roles[1] == "c" else (theirs, ours)
    ike, child = child_of(begins)
    said = begins.initiate(child)
    expect("initiate completed successfully" in said, f"{roles}: {said}\n{ours.log}\n{theirs.log}")
    wait_until(lambda: answers.sas(), 5, "the answerer's SA")
    client, address = {"a": (wire.client_a, "10.2.0.10"), "b": (wire.client_b, "10.1.0.10")}[
        letters[0] if begins is ours else letters[1]]
    wait_until(lambda: ping(client, address)[0] == 3, 8,
               f"traffic\n{begins.swanctl('--list-sas')}\n{ours.log}\n{theirs.log}")
    if options.name in COMPARED:
        compare_sas(ours, theirs, options)
    begins.swanctl("--rekey", "--child", child)
    wait_until(lambda: all(one["state"] in ("INSTALLED", "REKEYED") for sa in begins.sas()
                           for one in next(iter(sa.values()))["child-sas"].values()), 10, "the rekey")
    begins.terminate(ike)
    wait_until(lambda: not ours.sas() and not theirs.sas(), 10, f"the end ({roles})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=["conns", "pair"])
    parser.add_argument("name", nargs="?")
    parser.add_argument("--roles", action="append", choices=["as", "ac", "bs", "bc"])
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    if not shutil.which("swanctl") or not Path(CHARON).exists():
        print("skipped: no strongSwan")
        return 77
    if Path("/etc/caponier/caponier.toml").exists():
        print("skipped: this machine has a configuration of its own")
        return 77
    with Lab("capt") as lab:
        try:
            code = {"conns": conns, "pair": pair}[options.case](lab, options) or 0
        except (LabError, ViciError) as error:
            print(error)
            return 1
    print("passed" if code == 0 else "")
    return code


if __name__ == "__main__":
    sys.exit(main())
