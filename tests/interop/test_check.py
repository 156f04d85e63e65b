#!/usr/bin/env python3
"""`caponier apply --check`: mistakes with their places, local faults before any packet, and what would
change; nothing is changed. One case per call.

  test_check.py CASE --bin DIR
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Caponier, Lab, LabError, TwoGateways, wait_until  # noqa: E402

PSK = "mJ2vQe8sWbX4nTyR6uKd9cLzA5hGf3Po"


def expect(condition, what):
    if not condition:
        raise LabError(what)


def site(name, remote, net, more=""):
    return (f'[site.{name}]\nremote = "{remote}"\npsk = "@peer"\nlocal_nets = ["10.1.0.0/24"]\n'
            f'remote_nets = ["{net}"]\n{more}')


def check(ours, *more, file=None):
    done = ours.cli("--config", str(ours.config), "--json", "apply", "--check",
                    *([str(file)] if file else []), *more, check=False)
    return done.returncode, json.loads(done.stdout)


def codes(result):
    return [finding["code"] for finding in result["findings"]]


def mistakes(lab, options):
    """Key and certificate that do not belong together, among others: with file, line and column."""
    net = TwoGateways(lab)
    ours = Caponier(lab, net.gw_a, "", {"peer": PSK}, options.bin)
    pki = ours.config.parent / "pki"
    pki.mkdir(exist_ok=True)
    for name in ("a", "b"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(pki / f"{name}.key"),
                        "-out", str(pki / f"{name}.pem"), "-subj", f"/CN={name}", "-days", "9"],
                       check=True, capture_output=True)
        (pki / f"{name}.key").chmod(0o600)
    proof = 'key = "{}.key"\ncert = "{}.pem"\nca = ["b.pem"]\n'
    text = site("peer", net.OUTER_B, "10.2.0.0/24").replace('psk = "@peer"\n', "")
    ours.config.write_text(text + proof.format("a", "b"))
    code, result = check(ours)
    expect(code == 3 and result["errors"] and result["errors"][0]["line"] > 0, f"{code} {result}")
    expect("a.key" in str(result["errors"]) or "b.pem" in str(result["errors"]), f"{result}")
    ours.config.write_text(text + proof.format("none", "a"))
    code, result = check(ours)
    expect(code == 3 and "none.key" in str(result["errors"]), f"{code} {result}")
    ours.config.write_text(text + 'psk = "@peer"\n' + site("twin", "198.51.100.9", "10.2.0.0/25"))
    code, result = check(ours)
    expect(code == 3 and "overlaps" in str(result["errors"]), f"{code} {result}")
    ours.config.write_text(text + proof.format("a", "a") + 'peer = "windows"\n')
    code, result = check(ours)
    expect(code == 3 and "CP-7044" in codes(result) and "CP-7045" in codes(result),
           f"{code} {result}")
    expect("CP-7042" in codes(result), f"it ends in nine days: {result}")


def host(lab, options):
    """What this host lacks, without a daemon: forwarding, a route, a port, the packet filter."""
    net = TwoGateways(lab)
    ours = Caponier(lab, net.gw_a, site("peer", net.OUTER_B, "10.2.0.0/24"), {"peer": PSK},
                    options.bin)
    code, result = check(ours)
    expect(code == 0 and not codes(result), f"{code} {result}")
    expect("not running" in result["not_compared"], f"{result}")
    net.gw_a.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=0")
    net.gw_a.run("nft", "-f", "-", text_input="table inet f {\n chain input {\n type filter hook input "
                 "priority 0; policy drop;\n ct state established accept\n tcp dport 22 accept\n"
                 " }\n}\n")
    blocker = net.gw_a.start("blocker", [
        "/usr/bin/python3", "-c", "import socket, time; s = socket.socket(socket.AF_INET, "
        "socket.SOCK_DGRAM); s.bind(('', 500)); time.sleep(60)"])
    ours.config.write_text(site("peer", net.OUTER_B, "10.2.0.0/24", 'local = "192.0.2.77"\n')
                           + site("far", "2001:db8:ffff::1", "10.3.0.0/24"))
    wait_until(lambda: "CP-7010" in codes(check(ours)[1]), 5, "the port to be taken")
    code, result = check(ours)
    expect(code == 3, f"{code}")
    expect(set(codes(result)) == {"CP-7001", "CP-7010", "CP-7020", "CP-7021", "CP-7030"},
           f"{result}")
    text = ours.cli("--config", str(ours.config), "apply", "--check", check=False).stdout
    expect("CP-7001 " in text and "fix: sysctl -w net.ipv4.ip_forward=1" in text, text)
    blocker.kill()


def changes(lab, options):
    """What a reload would do, and that checking does nothing."""
    net = TwoGateways(lab)
    before = site("one", net.OUTER_B, "10.2.0.0/24") + site("two", "198.51.100.9", "10.3.0.0/24")
    ours = Caponier(lab, net.gw_a, before, {"peer": PSK}, options.bin).start()
    code, result = check(ours)
    expect(code == 0 and result["untouched"] == ["one", "two"], f"{code} {result}")
    after = (site("one", net.OUTER_B, "10.2.0.0/24")
             + site("two", "198.51.100.9", "10.3.0.0/24", 'dpd = "7s"\n')
             + site("three", "198.51.100.10", "10.4.0.0/24"))
    ours.config.write_text(after)
    code, result = check(ours)
    expect(code == 0 and result["changes"]["added"] == ["three"]
           and result["changes"]["changed"] == ["two"] and result["untouched"] == ["one"],
           f"{code} {result}")
    text = ours.cli("--config", str(ours.config), "apply", "--dry-run").stdout
    expect("would add" in text and "1 of 3 tunnels stay untouched" in text, text)
    expect(len(ours.status()["peers"]) == 2, "the check has changed something")
    other = ours.config.parent / "other.toml"
    other.write_text(after)
    code, result = check(ours, file=other)
    expect(code == 0 and "is not the file" in result["not_compared"], f"{code} {result}")
    done = ours.cli("--config", str(ours.config), "apply")
    expect("three" in done.stdout and len(ours.status()["peers"]) == 3, done.stdout)


CASES = {case.__name__: case for case in (mistakes, host, changes)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capk") as lab:
        CASES[options.case](lab, options)
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
