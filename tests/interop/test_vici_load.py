#!/usr/bin/env python3
"""Caponier takes everything over VICI, as charon does: both are given their swanctl.conf by Debian's
swanctl. One case per call.

  test_vici_load.py CASE --bin DIR

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Lab, LabError, ping, wait_until  # noqa: E402
from strongswan import CHARON, PSK  # noqa: E402
from vici import ViciError  # noqa: E402
from vici_pair import Pair, expect  # noqa: E402

CONF = """
connections {{
  gw-one {{
    version = 2
    local_addrs = {local}
    remote_addrs = {remote}
    proposals = {ike}
    encap = yes
    mobike = no
    {more}
    local {{
      auth = {auth}
      id = {own}.example.org
      {local_more}
    }}
    remote {{
      auth = {auth}
      id = {other}.example.org
      {remote_more}
    }}
    children {{
      {child} {{
        local_ts = {local_ts}
        remote_ts = {remote_ts}
        esp_proposals = aes256gcm16-x25519
        {child_more}
      }}
    }}
  }}
}}
{rest}
"""
SECRETS = """
secrets {{
  ike-pair {{
    id-a = a.example.org
    id-b = b.example.org
    secret = "{psk}"
  }}
}}
"""


def conf(pair, side, **more):
    values = {"ike": "aes256-sha256-x25519", "auth": "psk", "more": "", "local_more": "",
              "remote_more": "", "child": "net", "child_more": "", "psk": PSK,
              **pair.words(side), **more}
    values.setdefault("rest", SECRETS.format(psk=values["psk"]))
    return CONF.format(**values)


def certificates(pair, side, **more):
    own = pair.words(side)["own"]
    return conf(pair, side, auth="pubkey", local_more=f"certs = {own}.pem",
                remote_more="cacerts = ca.pem", rest="", **more)


def only_sa(side):
    found = side.sas()
    expect(len(found) == 1, f"{len(found)} SAs: {found}\n{side.log}")
    return next(iter(found[0].values()))


def check_traffic(pair):
    for client, address in ((pair.net.client_a, "10.2.0.10"), (pair.net.client_b, "10.1.0.10")):
        wait_until(lambda: ping(client, address)[0] == 3, 10,
                   f"traffic to {address}\n{pair.a.log}\n{pair.b.log}")


def live(pair):
    """What people do with a tunnel, each side beginning."""
    for side, other in ((pair.a, pair.b), (pair.b, pair.a)):
        said = side.initiate("net")
        expect("initiate completed successfully" in said, said)
        check_traffic(pair)
        for one in (side, other):
            said = one.swanctl("--list-sas")
            expect(re.search(r"^gw-one: #\d+, ESTABLISHED, IKEv2", said, re.M), said)
            expect(re.search(r"^  net: #\d+, reqid \d+, INSTALLED, TUNNEL-in-UDP", said, re.M), said)
        child = next(iter(only_sa(side)["child-sas"].values()))["uniqueid"]
        side.swanctl("--rekey", "--child", "net")
        wait_until(lambda: [one["uniqueid"] for one in only_sa(side)["child-sas"].values()
                            if one["state"] == "INSTALLED"] not in ([], [child]), 10, "the rekey")
        before = only_sa(side)["initiator-spi"]
        side.swanctl("--rekey", "--ike", "gw-one")
        wait_until(lambda: len(side.sas()) == 1 and only_sa(side)["initiator-spi"] != before, 10,
                   "the rekey of the IKE SA")
        check_traffic(pair)
        side.terminate("gw-one")
        wait_until(lambda: not pair.a.sas() and not pair.b.sas(), 10, "the end")


def secrets(lab, options):
    """With a pre-shared key."""
    pair = Pair(lab, options)
    for side in (pair.a, pair.b):
        said = side.load(conf(pair, side))
        expect("successfully loaded 1 connections, 0 unloaded" in said, said)
        expect("loaded ike secret 'ike-pair'" in said, said)
    live(pair)
    said = pair.a.swanctl("--list-conns")
    expect(re.search(r"^gw-one: IKEv2, no reauthentication, rekeying every 14400s", said, re.M),
           said)
    expect("  net: TUNNEL, rekeying every 3600s" in said, said)
    expect(pair.a.stop() == 0, pair.a.log)


def with_certificates(lab, options):
    """With certificates and private keys, which swanctl reads and sends."""
    pair = Pair(lab, options)
    for side in (pair.a, pair.b):
        said = side.load(certificates(pair, side))
        expect("successfully loaded 1 connections" in said and "loaded private key" in said, said)
    live(pair)
    for line in ("List of X.509 End Entity Certificates", "List of X.509 CA Certificates",
                 "CN=a.example.org", "has private key"):
        said = pair.a.swanctl("--list-certs")
        expect(line in said, f"{line}:\n{said}")


def reload(lab, options):
    """What has not changed stays, what has comes anew, and a mistake changes nothing."""
    pair = Pair(lab, options)
    for side in (pair.a, pair.b):
        side.load(conf(pair, side))
    pair.a.initiate("net")
    spi = only_sa(pair.a)["initiator-spi"]
    pair.a.load(conf(pair, pair.a), "--clear")
    check_traffic(pair)
    expect(only_sa(pair.a)["initiator-spi"] == spi, "a reload without changes ends the tunnel")

    # charon makes the connection anew, and both sides know another network.
    half = {"10.1.0.0/24": "10.1.0.0/25", "10.2.0.0/24": "10.2.0.0/25"}
    for side in (pair.b, pair.a):
        words = pair.words(side)
        side.load(conf(pair, side, local_ts=half[words["local_ts"]],
                       remote_ts=half[words["remote_ts"]]))
    wait_until(lambda: not pair.a.sas(), 10, "the end of the changed tunnel")
    pair.a.initiate("net")
    check_traffic(pair)
    child = next(iter(only_sa(pair.a)["child-sas"].values()))
    expect(child["remote-ts"] == ["10.2.0.0/25"], child)

    spi = only_sa(pair.a)["initiator-spi"]
    said = pair.a.load(conf(pair, pair.a, child_more="copy_dfx = yes"), check=False)
    expect("connections.gw-one.children.net.copy_dfx" in said and "did you mean" in said, said)
    check_traffic(pair)
    expect(only_sa(pair.a)["initiator-spi"] == spi, "a refused connection ends the tunnel")

    pair.a.load("", "--clear")
    wait_until(lambda: not pair.a.sas(), 10, "the end of what was unloaded")
    expect(pair.a.swanctl("--list-conns").strip() == "", pair.a.swanctl("--list-conns"))


def lost_keys(lab, options):
    """Without its key a tunnel that is up stays, but no other comes up."""
    pair = Pair(lab, options)
    for side in (pair.a, pair.b):
        side.load(conf(pair, side))
    pair.a.initiate("net")
    session = pair.a.session()
    expect(session.request("clear-creds")["success"] == "yes", "clear-creds")
    expect(session.request("install", child="net")["success"] == "yes", "install")  # settles
    check_traffic(pair)
    pair.a.terminate("gw-one")
    said = pair.a.swanctl("--initiate", "--child", "net", "--timeout", "5", check=False)
    expect("completed successfully" not in said, said)
    pair.a.load(conf(pair, pair.a))
    pair.a.initiate("net")
    check_traffic(pair)


def starts(lab, options):
    """start_action = start, and trap."""
    for action in ("start", "trap"):
        with Lab("capl") as inner:
            pair = Pair(inner, options)
            pair.b.load(conf(pair, pair.b))
            pair.a.load(conf(pair, pair.a, child_more=f"start_action = {action}"))
            if action == "start":
                wait_until(lambda: pair.a.sas() and only_sa(pair.a)["child-sas"], 10, "the tunnel")
            check_traffic(pair)


CASES = [secrets, with_certificates, reload, lost_keys, starts]


def main():
    cases = {case.__name__: case for case in CASES}
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=cases)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    if not shutil.which("swanctl") or not Path(CHARON).exists():
        print("skipped: no strongSwan")
        return 77
    if Path("/etc/caponier/caponier.toml").exists():
        print("skipped: this machine has a configuration of its own")
        return 77
    with Lab("capl") as lab:
        try:
            code = cases[options.case](lab, options) or 0
        except (LabError, ViciError) as error:
            print(error)
            return 1
    print("passed" if code == 0 else "")
    return code


if __name__ == "__main__":
    sys.exit(main())
