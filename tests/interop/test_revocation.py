#!/usr/bin/env python3
"""Revocation over HTTP: CRL and OCSP, good, revoked, and servers that hang, drip, lie or never end.

  test_revocation.py CASE --bin DIR

gw-b is the server of test_users.py; the user's certificate names the authority's HTTP server, which
stands between the two. Exit code 77 with "skipped: why".
"""
import argparse
import ssl
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from authority import pem_of_key  # noqa: E402
from lab import Lab, LabError, wait_until  # noqa: E402
from test_users import EAP_TLS, Users, check, put, strongswan_user  # noqa: E402

URL = "http://203.0.113.254"
ALICE = "alice@example.org"


class StatusServer:
    def __init__(self, users):
        self.users, self.folder = users, users.lab.folder / "status"
        self.folder.mkdir()
        (self.folder / "ca.pem").write_text(users.authority.pem)
        (self.folder / "ca.key").write_text(pem_of_key(users.authority.key))
        self.renew()
        self.mode("good")
        self.process = users.net.net.start("status", [
            sys.executable, str(Path(__file__).with_name("status_server.py")), str(self.folder),
            "80"])
        wait_until(lambda: "ready" in self.log, 10, "the status server")

    def mode(self, mode):
        (self.folder / "mode").write_text(mode)

    def renew(self):
        (self.folder / "ca.crl").write_text(self.users.authority.crl)
        (self.folder / "revoked").write_text("\n".join(map(str, self.users.authority.revoked)))

    @property
    def log(self):
        return (self.users.lab.folder / "status.log").read_text()

    def stop(self):
        self.users.lab.stop(self.process)


def prepare(users, by, mode, revocation, is_revoked=False, passwords=True, more=""):
    status = StatusServer(users)
    where = {by: f"{URL}/{'ca.crl' if by == 'crl' else 'ocsp'}"}
    alice = users.authority.issue(ALICE, **where)
    if is_revoked:
        users.authority.revoke(alice[0])
        status.renew()
    status.mode(mode)
    users.server(f'revocation = "{revocation}"\n{more}', passwords=passwords)
    return status, alice


def is_in(users):
    return bool(users.ours.status("users")["children"])


def passes(by, revocation):
    def case(users):
        status, alice = prepare(users, by, "good", revocation)
        users.user(users.CERTIFICATE, alice)
        users.theirs.wait_up("work")
        users.check_works()
        check(("GET" if by == "crl" else "POST") in status.log, f"nothing was fetched: {status.log}",
              users.ours)
        asked = len(status.log.splitlines())
        users.theirs.cli("down", "work")
        wait_until(lambda: not is_in(users), 10, "the user to leave")
        users.theirs.cli("up", "work")
        users.theirs.wait_up("work")
        check(len(status.log.splitlines()) == asked, f"it was fetched again: {status.log}")
    return case


def refuses(by, mode, revocation, why, is_revoked=False):
    def case(users):
        status, alice = prepare(users, by, mode, revocation, is_revoked)
        users.user(users.CERTIFICATE, alice)
        wait_until(lambda: why in users.ours.log, 30, f"the server to say {why!r}\n{users.ours.log}")
        check(not is_in(users), "it came in", users.ours)
        check("HTTP" in status.log or mode == "hang", "nothing was fetched", users.ours)
    return case


def lets_in(by, mode, why, patience):
    """relaxed: only a known revocation counts, and nobody waits longer than the limit."""
    def case(users):
        _, alice = prepare(users, by, mode, "relaxed")
        users.user(users.CERTIFICATE, alice)
        began = time.monotonic()
        users.theirs.wait_up("work", 40)
        took = time.monotonic() - began
        check(took < patience, f"it took {took:.0f} s", users.ours)
        wait_until(lambda: why in users.ours.log, 70, f"the server to say {why!r}")
    return case


def kept(users):
    """A restart finds the CRL on disk, although its server is gone."""
    status, alice = prepare(users, "crl", "good", "strict")
    users.user(users.CERTIFICATE, alice)
    users.theirs.wait_up("work")
    users.theirs.cli("down", "work")
    status.stop()
    users.lab.stop(users.ours.process)
    users.ours.start()
    users.theirs.cli("up", "work")
    users.theirs.wait_up("work")


def stapled(is_revoked):
    """RFC 4806: the user brings the answer; the server cannot ask the responder at all."""
    def case(users):
        status, alice = prepare(users, "ocsp", "good", "strict", is_revoked)
        users.net.gw_b.filter("tcp dport 80 drop")
        users.user(users.CERTIFICATE, alice)
        if is_revoked:
            wait_until(lambda: "has been revoked" in users.ours.log, 15,
                       f"the server to refuse\n{users.ours.log}")
            check(not is_in(users), "it came in", users.ours)
        else:
            users.theirs.wait_up("work")
            users.check_works()
        check("pki.fetch" not in users.ours.log, "the server has asked itself", users.ours)
        check("POST" in status.log, "nobody has asked", users.theirs)
    return case


def hash_and_url(users):
    """The user's certificate is named by hash and URL (RFC 7296 s3.6), and fetched."""
    status, alice = prepare(users, "crl", "good", "strict",
                            more=f'hash_and_url = ["{URL}/"]\n')
    der = ssl.PEM_cert_to_DER_cert(alice[0])
    (status.folder / "alice.der").write_bytes(der)
    users.user(users.CERTIFICATE + f'cert_url = "{URL}/alice.der"\n', alice)
    users.theirs.wait_up("work")
    users.check_works()
    check("GET /alice.der" in status.log, f"it was not fetched: {status.log}", users.ours)


def hash_and_url_elsewhere(users):
    """Nothing is fetched from where the configuration does not say."""
    status, alice = prepare(users, "crl", "good", "strict",
                            more='hash_and_url = ["http://198.51.100.254/"]\n')
    users.user(users.CERTIFICATE + f'cert_url = "{URL}/alice.der"\n', alice)
    wait_until(lambda: "no X.509 certificate" in users.ours.log, 20,
               f"the server to refuse\n{users.ours.log}")
    check("GET" not in status.log, "it was fetched", users.ours)


def eap_tls(users):
    """TLS does not wait: the first attempt starts the fetch, the next one finds what it brought."""
    _, alice = prepare(users, "crl", "good", "strict", passwords=False)
    users.user(EAP_TLS, alice)
    wait_until(lambda: "it is being fetched" in users.ours.log, 15,
               f"the first attempt\n{users.ours.log}")
    users.theirs.wait_up("work", 30)
    users.check_works()


def strongswan(by, is_revoked):
    def case(users):
        _, (certificate, key) = prepare(users, by, "good", "strict", is_revoked)
        try:
            strongswan_user(users, f"auth = pubkey\n certs = alice.pem\n id = {ALICE}",
                            {"x509": {"alice.pem": certificate}, "private": {"alice.pem": key}}, "",
                            "", server=False)
        except LabError:
            check(is_revoked, "it did not come in", users.ours)
            check("revoked" in users.ours.log, "not for that", users.ours)
            return
        check(not is_revoked, "it came in", users.ours)
    return case


LARGE, LOOP, WRONG = "is too large", "always said to be elsewhere", "it is not a CRL"
SILENT, SLOW, UNKNOWN = "fallen silent", "took too long", "has been revoked is not known"
CASES = {
    "crl_strict": passes("crl", "strict"),
    "crl_if_present": passes("crl", "if_present"),
    "crl_relaxed": passes("crl", "relaxed"),
    "ocsp_strict": passes("ocsp", "strict"),
    "ocsp_relaxed": passes("ocsp", "relaxed"),
    "crl_revoked": refuses("crl", "good", "relaxed", "has been revoked", True),
    "ocsp_revoked": refuses("ocsp", "good", "relaxed", "has been revoked", True),
    "hang_strict": refuses("crl", "hang", "strict", UNKNOWN),
    "hang_if_present": refuses("ocsp", "hang", "if_present", UNKNOWN),
    "hang_relaxed": lets_in("crl", "hang", SILENT, 12),
    "drip_relaxed": lets_in("crl", "drip", SLOW, 22),
    "big_relaxed": lets_in("crl", "big", LARGE, 5),
    "loop_relaxed": lets_in("crl", "loop", LOOP, 5),
    "wrong_relaxed": lets_in("crl", "wrong", WRONG, 5),
    "wrong_strict": refuses("crl", "wrong", "strict", UNKNOWN),
    "kept": kept,
    "hash_and_url": hash_and_url,
    "hash_and_url_elsewhere": hash_and_url_elsewhere,
    "stapled": stapled(False),
    "stapled_revoked": stapled(True),
    "eap_tls": eap_tls,
    "strongswan_crl": strongswan("crl", False),
    "strongswan_ocsp": strongswan("ocsp", False),
    "strongswan_crl_revoked": strongswan("crl", True),
    "strongswan_ocsp_revoked": strongswan("ocsp", True),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=list(CASES))
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capr") as lab:
        users = Users(lab, options)
        try:
            CASES[options.case](users)
        finally:
            users.close()
    print(f"{options.case}: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
