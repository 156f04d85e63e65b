#!/usr/bin/env python3
"""What `caponier export NAME --as swanctl` and `--as libreswan` write is loaded there, and the tunnel
comes up and carries traffic: one case per call.

  test_export.py CASE --bin DIR

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Caponier, Lab, LabError, TwoGateways, ping, wait_until  # noqa: E402
import libreswan  # noqa: E402
from strongswan import CHARON, InNamespace, has_child  # noqa: E402

PSK = "mJ2vQe8sWbX4nTyR6uKd9cLzA5hGf3Po"


def expect(condition, what):
    if not condition:
        raise LabError(what)


def export(ours, kind, *more):
    return ours.cli("--config", str(ours.config), "export", "peer", "--as", kind, *more).stdout


def site(remote, nets, more=""):
    return f'[site.peer]\nremote = "{remote}"\npsk = "@peer"\n{nets}{more}'


ONE = 'local_nets = ["10.1.0.0/24"]\nremote_nets = ["10.2.0.0/24"]\n'
TWO = ('local_nets = ["10.1.0.0/25"]\nremote_nets = ["10.2.0.0/24"]\n'
       '[site.peer.children.low]\n[site.peer.children.high]\nlocal_nets = ["10.1.0.128/25"]\n')


def swanctl(lab, options, nets, more=""):
    """Our configuration, and what it makes of itself, on the other side."""
    net = TwoGateways(lab)
    ours = Caponier(lab, net.gw_a, site(net.OUTER_B, more + nets), {"peer": PSK}, options.bin)
    text = export(ours, "swanctl", "--with-secret")
    expect("verified: run with strongSwan" in text and PSK in text, text)
    expect(PSK not in export(ours, "swanctl"), "the secret is told unasked")
    theirs = InNamespace(lab, net.gw_b)
    theirs.load(text)
    ours.start()
    return net, ours, theirs


def check(net, ours, theirs, count=1):
    ours.wait_up("peer")
    wait_until(lambda: len(ours.status("peer")["children"]) == count, 15,
               f"{count} children\n{ours.log}\n{theirs.log}")
    wait_until(lambda: ping(net.client_a, "10.2.0.10")[0] == 3, 10,
               f"pings\n{ours.log}\n{theirs.log}")
    expect(has_child(theirs.sas()), theirs.sas())


def swanctl_default(lab, options):
    """Whatever is offered by default: libipsec has no native ESP, so that both say so."""
    check(*swanctl(lab, options, ONE, 'encap = "always"\n'))


def swanctl_names(lab, options):
    check(*swanctl(lab, options, ONE,
                   'encap = "always"\nlocal_id = "gw.example.org"\nremote_id = "b@example.org"\n'
                   'ike = ["aes256-sha256-modp2048"]\nesp = ["aes128-sha256-modp2048-noesn"]\n'))


def swanctl_children(lab, options):
    check(*swanctl(lab, options, TWO, 'encap = "always"\n'), count=2)


def swanctl_begins(lab, options):
    """We wait for it."""
    net = TwoGateways(lab)
    ours = Caponier(lab, net.gw_a, site("any", ONE, 'encap = "always"\n'), {"peer": PSK},
                    options.bin).start()
    theirs = InNamespace(lab, net.gw_b)
    theirs.load(export(ours, "swanctl", "--with-secret"))
    check(net, ours, theirs)


def libreswan_default(lab, options):
    libreswan_case(lab, options, "")


def libreswan_names(lab, options):
    libreswan_case(lab, options, 'local_id = "gw.example.org"\nremote_id = "b.example.org"\n'
                                 'ike = ["aes256-sha256-modp2048"]\nesp = ["aes256-sha256-modp2048"]\n')


# The guest has no script for what comes up, and its helper calls the connection `net`.
GUEST = "conn net\n    leftupdown=%disabled\n    rightupdown=%disabled\n"


def libreswan_case(lab, options, more):
    net = TwoGateways(lab, with_b=False)
    theirs = libreswan.Libreswan(lab, net.net, f"{net.OUTER_B}/24", "198.51.100.254",
                                 "10.2.0.1/24", PSK)
    ours = Caponier(lab, net.gw_a, site(net.OUTER_B, more + ONE), {"peer": PSK}, options.bin)
    text = export(ours, "libreswan", "--with-secret")
    conf, secrets = re.split(r"# --- /etc/ipsec.d/peer.secrets\n", text)
    theirs.guest.sh("cat /tmp/input >/etc/ipsec.secrets", text_input=secrets)
    theirs.guest.sh("cat /tmp/input >/etc/ipsec.conf",
                    text_input="config setup\n    logfile=/dev/stderr\n\n"
                               + conf.replace("conn peer\n", GUEST))
    theirs.listen()
    ours.start()
    try:
        ours.wait_up("peer")
    except LabError as error:
        raise LabError(f"{error}\n{theirs.log}\n{text}") from None
    wait_until(lambda: ping(net.client_a, "10.2.0.1")[0] == 3, 10, f"pings\n{ours.log}\n{theirs.log}")
    expect(theirs.sas() == (1, 1), f"{theirs.sas()}")


def refused(lab, options):
    """With the place of the key; names that are none; nothing without a section."""
    net = TwoGateways(lab)
    ours = Caponier(lab, net.gw_a, site(net.OUTER_B, 'local_id = "gw.example.org"\n' + ONE),
                    {"peer": PSK}, options.bin)
    configured = ("--config", str(ours.config), "export")
    done = ours.cli(*configured, "peer", "--as", "aws", check=False)
    expect(done.returncode == 3 and ".toml:4:1: local_id: AWS" in done.stderr, done.stderr)
    done = ours.cli(*configured, "nobody", "--as", "aws", check=False)
    expect(done.returncode == 8 and "no site, host or user nobody" in done.stderr, done.stderr)
    done = ours.cli(*configured, "peer", "--as", "apple", check=False)
    expect(done.returncode == 2 and "peer is a site, no user" in done.stderr, done.stderr)
    done = ours.cli(*configured, "peer", "--as", "vax", check=False)
    expect(done.returncode == 2 and "is none of" in done.stderr, done.stderr)


CASES = {case.__name__: case for case in (
    swanctl_default, swanctl_names, swanctl_children, swanctl_begins, libreswan_default,
    libreswan_names, refused)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    if options.case.startswith("swanctl") and not Path(CHARON).exists():
        print("skipped: strongSwan is not installed")
        return 77
    if options.case.startswith("libreswan"):
        why = libreswan.IMAGE.missing()
        if why:
            print(f"skipped: {why}")
            return 77
    with Lab("capx") as lab:
        CASES[options.case](lab, options)
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
