#!/usr/bin/env python3
"""What `caponier add`, `rm` and `export` do, judged by other programs and by daemons that run: one
case per call.

  test_setup.py CASE --bin DIR

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import base64
import json
import plistlib
import re
import shlex
import shutil
import stat
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Caponier, Lab, LabError, TwoGateways, ping, run, wait_until  # noqa: E402
from strongswan import CHARON, InNamespace  # noqa: E402

SERVER = "vpn.example.org"


def expect(condition, what):
    if not condition:
        raise LabError(what)


class Server:
    """The files of a server with the users alice (certificate) and bob (password); no daemon."""

    def __init__(self, lab, options):
        self.lab, self.folder = lab, lab.folder / "server"
        self.command = [f"{options.bin}/caponier", "--socket", str(lab.folder / "none.sock"),
                        "--config", str(self.folder / "caponier.toml")]
        self.cli("init", "--server", SERVER, "--local", "10.1.0.0/16")
        self.cli("add", "user", "alice")
        self.cli("add", "user", "bob", "--password")

    def cli(self, *arguments, check=True):
        return run([*self.command, *arguments], check=check)

    def export(self, user, kind, path):
        """The path and the password of the certificate inside."""
        done = self.cli("export", user, "--as", kind, "-o", str(path), "--json")
        return json.loads(done.stdout).get("certificate_password")

    @property
    def authority(self):
        return self.folder / "pki" / "ca" / "ca.pem"


def check_pkcs12(path, password, authority):
    """openssl reads it as devices do, and the certificate inside is the authority's."""
    command = ["openssl", "pkcs12", "-legacy", "-in", str(path), "-passin", f"pass:{password}"]
    leaf = path.with_suffix(".leaf")
    leaf.write_text(run([*command, "-nokeys", "-clcerts"]).stdout)
    run(["openssl", "verify", "-CAfile", str(authority), "-purpose", "sslclient", str(leaf)])
    expect("BEGIN PRIVATE KEY" in run([*command, "-nocerts", "-nodes"]).stdout, "no key inside")
    wrong = run([*command[:-1], "pass:wrong", "-nokeys"], check=False)
    expect(wrong.returncode != 0, "any password opens it")


# -- cases


def apple(lab, options):
    """The profile is signed by the server, is a property list, and its certificate can be imported."""
    server = Server(lab, options)
    signed, plain = lab.folder / "alice.mobileconfig", lab.folder / "plain"
    password = server.export("alice", "apple", signed)
    run(["openssl", "cms", "-verify", "-inform", "DER", "-in", str(signed), "-CAfile",
         str(server.authority), "-purpose", "any", "-out", str(plain)])
    parts = {part["PayloadType"]: part for part in plistlib.loads(plain.read_bytes())["PayloadContent"]}
    ike = parts["com.apple.vpn.managed"]["IKEv2"]
    expect(ike["RemoteAddress"] == SERVER and ike["LocalIdentifier"] == "alice", str(ike))
    root = run(["openssl", "x509", "-in", str(server.authority), "-outform", "PEM"]).stdout
    body = "".join(root.split("-----")[2].split())
    expect(base64.b64decode(body) == parts["com.apple.security.root"]["PayloadContent"], "another CA")
    name = run(["openssl", "x509", "-in", str(server.authority), "-noout", "-subject"]).stdout
    expect(ike["ServerCertificateIssuerCommonName"] == name.strip().split("CN = ")[1], name)
    container = lab.folder / "alice.p12"
    container.write_bytes(parts["com.apple.security.pkcs12"]["PayloadContent"])
    check_pkcs12(container, password, server.authority)


def android(lab, options):
    server = Server(lab, options)
    path = lab.folder / "alice.sswan"
    password = server.export("alice", "android", path)
    expect(stat.S_IMODE(path.stat().st_mode) == 0o600, "others may read it")
    profile = json.loads(path.read_text())
    container = lab.folder / "alice.p12"
    container.write_bytes(base64.b64decode(profile["local"]["p12"]))
    check_pkcs12(container, password, server.authority)


def windows(lab, options):
    server = Server(lab, options)
    path = lab.folder / "alice.ps1"
    password = server.export("alice", "windows", path)
    text = path.read_text(encoding="utf-8-sig")
    expect(password not in text, "the password travels with what it protects")
    container = lab.folder / "alice.p12"
    container.write_bytes(base64.b64decode(re.search(r"\$certificate = '(.*)'", text)[1]))
    check_pkcs12(container, password, server.authority)


def strongswan(lab, options):
    """swanctl takes the folder as it is: connection, certificates, private key, EAP secret."""
    if not Path(CHARON).exists():
        return "strongSwan is not installed"
    server, client = Server(lab, options), InNamespace(lab, lab.host("client"))
    for user, wanted in (("alice", ["certificate from", "key from"]), ("bob", ["eap secret"])):
        folder = lab.folder / f"swanctl-{user}"
        server.export(user, "strongswan", folder)
        main = folder / "swanctl.conf"
        main.write_text("include conf.d/*.conf\n")
        client.env["SWANCTL_DIR"] = str(folder)
        said = client.host.run("env", *[f"{k}={v}" for k, v in client.env.items()], "swanctl",
                               "--load-all", "--clear", "--noprompt", "--file", str(main), "--uri",
                               f"unix://{client.socket}").stdout
        for words in ["loaded connection 'caponier'", *wanted]:
            expect(words in said, f"{user}: no '{words}' in\n{said}")
        expect("failed" not in said, said)
    return None


def revoked(lab, options):
    """openssl refuses a user that was removed, and one more that came after it stays good."""
    server = Server(lab, options)
    users = server.folder / "pki" / "certs" / "users"
    kept = lab.folder / "alice.pem"
    shutil.copy(users / "alice.pem", kept)
    crl = lab.folder / "crl.pem"

    def verify(path):
        crl.write_text(run(["openssl", "crl", "-inform", "DER", "-in",
                            str(server.folder / "pki" / "crl" / "ca.crl")]).stdout)
        return run(["openssl", "verify", "-crl_check", "-CAfile", str(server.authority), "-CRLfile",
                    str(crl), str(path)], check=False)

    expect(verify(kept).returncode == 0, "a fresh user is refused")
    server.cli("rm", "user", "alice")
    expect("certificate revoked" in verify(kept).stderr, "a removed user is taken")
    server.cli("add", "user", "alice")
    expect(verify(users / "alice.pem").returncode == 0, "the next of that name is refused")
    expect("certificate revoked" in verify(kept).stderr, "the removed one is taken again")


def sites(lab, options):
    """One command here, the printed line there, and the tunnel carries traffic; `rm` ends it."""
    net = TwoGateways(lab)
    a, b = (Caponier(lab, host, "# kept\n", {}, options.bin).start()
            for host in (net.gw_a, net.gw_b))
    line = a.cli("--config", str(a.config), "add", "site", "branch", net.OUTER_B, "--local",
                 "10.1.0.0/24", "--remote", "10.2.0.0/24").stdout
    words = shlex.split(line)
    expect(words[:3] == ["caponier", "add", "site"] and words[4] == net.OUTER_A, line)
    b.cli("--config", str(b.config), *words[1:])
    a.wait_up("branch")
    wait_until(lambda: ping(net.client_a, "10.2.0.10")[0] == 3, 10, "pings")
    a.cli("--config", str(a.config), "rm", "site", "branch")
    wait_until(lambda: not b.status(words[3])["children"], 10, "the other side to hear of it")
    expect(not a.status()["peers"], "the site is still there")
    expect(a.config.read_text() == "# kept\n", a.config.read_text())


def users(lab, options):
    """A certificate and a password, each brought by the printed line: in, and out at once when
    removed, while others stay."""
    net = TwoGateways(lab)
    server = Caponier(lab, net.gw_b, "", {}, options.bin)
    configured = ("--config", str(server.config))
    server.cli(*configured, "init", "--server", net.OUTER_B, "--local", "10.2.0.0/24")
    server.cli(*configured, "add", "user", "alice")
    server.cli(*configured, "add", "user", "bob", "--password")
    server.start()
    client = Caponier(lab, net.gw_a, "", {}, options.bin).start()
    for name in ("alice", "bob"):
        line = server.cli(*configured, "export", name, "--as", "caponier").stdout
        client.cli("--config", str(client.config), *shlex.split(line)[1:], "--name", name)
        client.wait_up(name)
        wait_until(lambda: ping(net.gw_a, "10.2.0.10")[0] == 3, 10, f"pings of {name}")
        server.cli(*configured, "rm", "user", name)
        wait_until(lambda: not client.status(name)["children"], 10, f"{name} to be out")
        time.sleep(3)  # it tries again
        expect(not client.status(name)["children"], f"{name} is in again")
        client.cli("--config", str(client.config), "rm", "client", name)


CASES = {case.__name__: case for case in (apple, android, windows, strongswan, revoked, sites,
                                        users)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("caps") as lab:
        reason = CASES[options.case](lab, options)
    if reason:
        print(f"skipped: {reason}")
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
