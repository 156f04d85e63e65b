#!/usr/bin/env python3
"""Where private keys are: tokens, and the process that has them; one case per call.

  test_keys.py CASE --bin DIR

gw-a is caponierd, gw-b strongSwan's charon. Exit code 77 with "skipped: why".
"""
import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from authority import Authority  # noqa: E402
from lab import Caponier, Lab, LabError, TwoGateways, ping  # noqa: E402
from strongswan import InNamespace  # noqa: E402

OURS, THEIRS = "gw-a.example.org", "gw-b.example.org"
PIN = "48151623"
TOOLS = ["softhsm2-util", "pkcs11-tool"]
MODULE = "/usr/lib/softhsm/libsofthsm2.so"


def put(path, text, private=False):
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600 if private else 0o644)


def check(condition, what, daemon=None):
    if not condition:
        raise LabError(what + (f"\n{daemon.log}" if daemon else ""))


class Token:
    """softhsm2 with a key and its certificate, in a folder of the lab."""

    def __init__(self, lab, certificate, key):
        self.folder = lab.folder / "token"
        (self.folder / "tokens").mkdir(mode=0o700, parents=True)
        self.conf = self.folder / "softhsm2.conf"
        self.conf.write_text(f"directories.tokendir = {self.folder}/tokens\n"
                             "objectstore.backend = file\nlog.level = ERROR\n")
        put(self.folder / "key.pem", key, private=True)
        put(self.folder / "leaf.pem", certificate)
        self.run("softhsm2-util", "--init-token", "--free", "--label", "lab", "--pin", PIN,
                 "--so-pin", "99999999")
        self.run("softhsm2-util", "--import", str(self.folder / "key.pem"), "--token", "lab",
                 "--label", "gw key", "--id", "01", "--pin", PIN)
        self.run("openssl", "x509", "-in", str(self.folder / "leaf.pem"), "-outform", "DER",
                 "-out", str(self.folder / "leaf.der"))
        self.run("pkcs11-tool", "--module", MODULE, "--token-label", "lab", "--login", "--pin", PIN,
                 "--write-object", str(self.folder / "leaf.der"), "--type", "cert", "--label",
                 "gw cert", "--id", "01")
        (self.folder / "key.pem").unlink()

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment,
                              check=False)
        if done.returncode != 0:
            raise LabError(f"{command[0]}: {done.stdout}{done.stderr}")

    @property
    def environment(self):
        return {**os.environ, "SOFTHSM2_CONF": str(self.conf)}


def swanctl(net, local, remote):
    return f"""
connections {{
  caponier {{
    version = 2
    local_addrs = {net.OUTER_B}
    remote_addrs = {net.OUTER_A}
    proposals = aes256gcm16-prfsha384-x25519
    local {{
      {local}
    }}
    remote {{
      {remote}
    }}
    children {{
      net {{
        local_ts = 10.2.0.0/24
        remote_ts = 10.1.0.0/24
        esp_proposals = aes256gcm16
      }}
    }}
  }}
}}
"""


def charon(lab, net, authority, kind):
    certificate, key = authority.issue(THEIRS, kind, server=True)
    swan = InNamespace(lab, net.gw_b, plugins="pkcs8 sha1 updown ")
    for folder, name, text in [("x509ca", "ca.pem", authority.pem), ("x509", "gw.pem", certificate),
                               ("private", "gw.key", key)]:
        put(swan.folder / folder / name, text, private=True)
    swan.load(swanctl(net, f"auth = pubkey\n certs = gw.pem\n id = {THEIRS}",
                      f"auth = pubkey\n id = {OURS}"))
    return swan


def site(net, keys):
    return (f'[site.peer]\nremote = "{net.OUTER_B}"\nlocal_id = "{OURS}"\n'
            f'remote_id = "{THEIRS}"\nlocal_nets = ["10.1.0.0/24"]\n'
            f'remote_nets = ["10.2.0.0/24"]\n{keys}')


def pkcs11(lab, options):
    """Key and certificate from a token, against strongSwan."""
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing or not Path(MODULE).exists():
        print(f"skipped: {', '.join(missing) or MODULE} is not installed")
        sys.exit(77)
    net, authority = TwoGateways(lab), Authority()
    token = Token(lab, *authority.issue(OURS, options.kind, server=True))
    charon(lab, net, authority, options.kind)
    pin = lab.folder / "pin"
    put(pin, PIN + "\n", private=True)
    text = site(net, f'key = "pkcs11:token=lab;object=gw%20key?module-path={MODULE}'
                     f'&pin-source=file:{pin}"\ncert = "pkcs11:token=lab;object=gw%20cert;type=cert'
                     f'?module-path={MODULE}"\nca = ["ca.pem"]\n')
    daemon = Caponier(lab, net.gw_a, text, {}, options.bin,
                      wrapper=["env", f"SOFTHSM2_CONF={token.conf}"])
    put(daemon.folder / "pki/ca.pem", authority.pem)
    daemon.start()
    daemon.wait_up("peer")
    check(ping(net.client_a, "10.2.0.10")[0] == 3, "ping", daemon)
    # A wrong PIN is told, what runs goes on, and the token is not locked by those who insist.
    put(pin, "00000000\n", private=True)
    text = daemon.config.read_text()
    for _ in range(5):
        said = daemon.cli("reload", check=False)
        check(said.returncode != 0, "a wrong PIN was taken", daemon)
    check("not tried again" in said.stdout + said.stderr, f"{said.stdout}{said.stderr}", daemon)
    check(PIN not in daemon.log and "00000000" not in daemon.log, "a PIN is in the log", daemon)
    check(ping(net.client_a, "10.2.0.10")[0] == 3, "ping after reload", daemon)
    put(pin, PIN + "\n", private=True)
    daemon.cli("reload")
    daemon.cli("down", "peer")
    daemon.cli("up", "peer")
    daemon.wait_up("peer")


CASES = [pkcs11]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[case.__name__ for case in CASES])
    parser.add_argument("kind", nargs="?", default="p256")
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capk") as lab:
        next(case for case in CASES if case.__name__ == options.case)(lab, options)
    print(f"{options.case}: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
