#!/usr/bin/env python3
"""A strongSwan gateway becomes a Caponier, and its neighbour, which stays what it is, notices
nothing: one case per call.

  test_import.py CASE --bin DIR

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Caponier, Lab, LabError, TwoGateways, ping, run, wait_until  # noqa: E402
from strongswan import CHARON, InNamespace  # noqa: E402

PSK = "mJ2vQe8sWbX4nTyR6uKd9cLzA5hGf3Po"


def swanctl_conf(ours, theirs, children):
    return f"""connections {{
  gw {{
    local_addrs = {ours}
    remote_addrs = {theirs}
    encap = yes
    local {{
      auth = psk
    }}
    remote {{
      auth = psk
    }}
    children {{
      {children}
    }}
  }}
}}
secrets {{
  ike-gw {{
    id-a = {ours}
    id-b = {theirs}
    secret = {PSK}
  }}
}}
"""


def child(name, local, remote, more=""):
    return f"{name} {{\n local_ts = {local}\n remote_ts = {remote}\n {more}\n}}\n"


def expect(condition, what):
    if not condition:
        raise LabError(what)


class Pair:
    """charon at B, and at A the configuration that a charon would have there."""

    def __init__(self, lab, options, children_a, children_b):
        self.net, self.options = TwoGateways(lab), options
        net = self.net
        self.theirs = InNamespace(lab, net.gw_b)
        self.theirs.load(swanctl_conf(net.OUTER_B, net.OUTER_A, children_b))
        self.ours = Caponier(lab, net.gw_a, "", {}, options.bin)
        self.folder = self.ours.folder / "swanctl"
        self.folder.mkdir()
        self.conf = self.folder / "swanctl.conf"
        self.conf.write_text(swanctl_conf(net.OUTER_A, net.OUTER_B, children_a))
        self.conf.chmod(0o600)

    def translate(self):
        """What `caponier import` says of it."""
        shutil.rmtree(self.ours.folder / "secrets")
        self.ours.config.unlink()
        return run([f"{self.options.bin}/caponier", "import", str(self.conf), "--out",
                    str(self.ours.config)], check=False)

    def check_works(self):
        self.ours.wait_up("gw")
        wait_until(lambda: ping(self.net.client_a, "10.2.0.10")[0] == 3, 10,
                   f"pings\n{self.ours.log}\n{self.theirs.log}")


ALL_A = child("net", "10.1.0.0/24", "10.2.0.0/24", "start_action = start")
ALL_B = child("net", "10.2.0.0/24", "10.1.0.0/24")


def imported(lab, options):
    pair = Pair(lab, options, ALL_A, ALL_B)
    done = pair.translate()
    expect(done.returncode == 0, f"{done.stdout}{done.stderr}")
    expect(PSK not in done.stdout + done.stderr + pair.ours.config.read_text(), "the secret is told")
    pair.ours.start()
    pair.check_works()


def in_place(lab, options):
    """caponierd on the very folder, and again after a reload with another child's networks."""
    pair = Pair(lab, options, ALL_A, ALL_B)
    start(pair)
    pair.check_works()
    pair.conf.write_text(pair.conf.read_text().replace("10.2.0.0/24", "10.2.0.0/25"))
    pair.ours.cli("reload")
    wait_until(lambda: any("10.2.0.0/25" in str(one) for one in pair.ours.status("gw")["children"]),
               15, f"the new network\n{pair.ours.log}")
    pair.conf.write_text(pair.conf.read_text().replace("local_ts", "lokal_ts"))
    done = pair.ours.cli("reload", check=False)
    text = done.stdout + done.stderr
    expect(done.returncode != 0 and "swanctl.conf:" in text and "local_ts" in text, text)
    pair.check_works()


def start(pair):
    pair.ours.start(["--swanctl", str(pair.folder)])


def several_children(lab, options):
    """Each network of a connection has a Child SA of its own, as with charon."""
    # charon routes by an address of its own within the local network of each.
    children_a = (child("low", "10.1.0.0/25", "10.2.0.0/24", "start_action = start")
                  + child("high", "10.1.0.128/25", "10.2.0.0/24", "start_action = start"))
    children_b = (child("low", "10.2.0.0/24", "10.1.0.0/25")
                  + child("high", "10.2.0.0/24", "10.1.0.128/25"))
    pair = Pair(lab, options, children_a, children_b)
    done = pair.translate()
    expect(done.returncode == 0, f"{done.stdout}{done.stderr}")
    pair.ours.start()
    wait_until(lambda: len(pair.ours.status("gw")["children"]) == 2, 15,
               f"both children\n{pair.ours.log}\n{pair.theirs.log}")
    pair.check_works()
    sas = pair.theirs.sas()
    expect("low: #" in sas and "high: #" in sas and sas.count("ESTABLISHED") == 1, sas)


def narrow(lab, options):
    """One protocol of a network; what else there is stays out of the tunnel."""
    pair = Pair(lab, options,
                child("net", "10.1.0.0/24[icmp]", "10.2.0.0/24[icmp]", "start_action = start"),
                child("net", "10.2.0.0/24[icmp]", "10.1.0.0/24[icmp]"))
    done = pair.translate()
    expect(done.returncode == 0, f"{done.stdout}{done.stderr}")
    pair.ours.start()
    pair.check_works()
    expect("[icmp" in str(pair.ours.status("gw")["children"]), f"{pair.ours.status('gw')}")


CASES = {case.__name__: case for case in (imported, in_place, several_children, narrow)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    if not Path(CHARON).exists():
        print("skipped: strongSwan is not installed")
        return 77
    with Lab("capi") as lab:
        CASES[options.case](lab, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
