#!/usr/bin/env python3
"""Our EAP server against wpa_supplicant's client (eapol_test): one case per call.

  test_eap_server.py CASE --driver PROGRAM

Exit code 77 with "skipped: why" when the machine lacks something.
"""
import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from freeradius import SECRET, make_certificates  # noqa: E402
from lab import Lab, LabError, wait_until  # noqa: E402

EAPOL_TEST = "/usr/bin/eapol_test"
# The method as eapol_test names it, and what it is to do inside.
CASES = {
    "md5": ("MD5", "", "md5"),
    "mschapv2": ("MSCHAPV2", "", "mschapv2"),
    "tls": ("TLS", "", "tls"),
    "ttls-pap": ("TTLS", 'phase2="auth=PAP"', "ttls"),
    "ttls-mschapv2": ("TTLS", 'phase2="auth=MSCHAPV2"', "ttls"),
    "ttls-eap-mschapv2": ("TTLS", 'phase2="autheap=MSCHAPV2"', "ttls"),
    "ttls-eap-md5": ("TTLS", 'phase2="autheap=MD5"', "ttls"),
    "ttls-eap-gtc": ("TTLS", 'phase2="autheap=GTC"', "ttls"),
    "peap-mschapv2": ("PEAP", 'phase2="auth=MSCHAPV2"', "peap"),
    "peap-gtc": ("PEAP", 'phase2="auth=GTC"', "peap"),
}

TLS = {"12": "TLSv1.2", "13": "TLSv1.3"}
ALL = [name + tail for name in CASES
       for tail in ([""] if name in ("md5", "mschapv2") else ["+12", "+13"])]


def expect(condition, what):
    if not condition:
        raise LabError(what)


def speak(host, folder, method, inner, version, password):
    peap = "peapver=0" if method == "PEAP" else ""
    (folder / "network.conf").write_text(f"""network={{
  key_mgmt=IEEE8021X
  eapol_flags=0
  eap={method}
  identity="alice"
  {'anonymous_identity="anonymous"' if method in ("TTLS", "PEAP") else ""}
  password="{password}"
  ca_cert="{folder}/ca.pem"
  client_cert="{folder}/alice.pem"
  private_key="{folder}/alice.key"
  phase1="tls_disable_tlsv1_3={int(version != "13")} {peap}"
  {inner}
  fragment_size=300
}}
""")
    keyless = ["-n"] if method == "MD5" else []
    return host.run(EAPOL_TEST, "-c", str(folder / "network.conf"), "-a", "127.0.0.1", "-p", "1812",
                    "-s", SECRET, "-t", "10", *keyless, check=False)


def case(lab, options):
    """The method succeeds and both have the same keys; a wrong password does not."""
    name, _, version = options.case.partition("+")
    method, inner, ours = CASES[name]
    host = lab.host("both")
    make_certificates(lab.folder)
    host.start("server", [options.driver, "127.0.0.1", "1812", SECRET, ours,
                          *(f"{lab.folder}/{file}.der" for file in ("server", "server.key", "alice"))])
    log = lab.folder / "server.log"
    wait_until(lambda: "ready" in log.read_text(), 10, "the server")
    done = speak(host, lab.folder, method, inner, version, "correct horse")
    expect(done.returncode == 0 and done.stdout.rstrip().endswith("SUCCESS"),
           f"{log.read_text()}\n{done.stdout[-4000:]}")
    if version:
        expect(f"Using TLS version {TLS[version]}" in done.stdout, "another version of TLS")
    expect(f"success {ours} alice" in log.read_text(), log.read_text())
    if ours != "tls":
        done = speak(host, lab.folder, method, inner, version, "battery staple")
        expect(done.returncode != 0 and "bad_credentials" in log.read_text(), log.read_text())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=ALL)
    parser.add_argument("--driver", required=True)
    options = parser.parse_args()
    if not Path(EAPOL_TEST).exists():
        print("skipped: no eapol_test here")
        return 77
    with Lab("cape") as lab:
        try:
            case(lab, options)
        except (LabError, subprocess.TimeoutExpired) as error:
            print(error)
            return 1
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
