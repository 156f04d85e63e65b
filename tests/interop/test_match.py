#!/usr/bin/env python3
"""`caponier apply A --match B`: two ends are compared before they meet. No network, no daemon.

  test_match.py --bin DIR
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from strongswan import PSK, swanctl_conf  # noqa: E402

ALGORITHMS = 'ike = ["aes256gcm16-prfsha384-x25519"]\nesp = ["aes256gcm16"]\n'


def side(number, more=ALGORITHMS):
    other = 3 - number
    return (f'[site.{"branch" if number == 1 else "office"}]\nremote = "192.0.2.{other}"\n'
            f'local = "192.0.2.{number}"\npsk = "@key"\nlocal_nets = ["10.{number}.0.0/24"]\n'
            f'remote_nets = ["10.{other}.0.0/24"]\n{more}')


def strongswan(**changed):
    keys = dict(local="192.0.2.2", remote="192.0.2.1", local_id="192.0.2.2", remote_id="192.0.2.1",
                local_ts="10.2.0.0/24", remote_ts="10.1.0.0/24", mode="tunnel",
                ike="aes256gcm16-prfsha384-x25519", esp="aes256gcm16")
    return swanctl_conf(**{**keys, **changed})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="capmatch-") as top:
        number = 0

        def end(text, secret=PSK):
            nonlocal number
            number += 1
            folder = Path(top) / str(number)
            (folder / "secrets").mkdir(mode=0o700, parents=True)
            (folder / "secrets" / "key").write_text(secret + "\n")
            (folder / "secrets" / "key").chmod(0o600)
            path = folder / ("swanctl.conf" if "connections {" in text else "caponier.toml")
            path.write_text(text)
            path.chmod(0o600)
            return path

        def compare(ours, theirs, codes, said=""):
            command = [f"{options.bin}/caponier", "apply", str(ours), "--match", str(theirs)]
            done = subprocess.run([*command, "--json"], capture_output=True, text=True)
            text = subprocess.run(command, capture_output=True, text=True).stdout
            try:
                found = [one["code"] for match in json.loads(done.stdout)["matches"]
                         for one in match["differences"]]
            except (json.JSONDecodeError, KeyError):
                found = None
            if found != codes or done.returncode != (4 if codes else 0) or said not in text:
                sys.exit(f"{found} ({done.returncode}), not {codes}:\n{text}{done.stderr}")
            print(text, end="")

        ours = end(side(1))
        compare(ours, end(side(2)), [], "branch and office: the two ends agree")
        compare(ours, end(strongswan()), [], "the two ends agree")
        compare(ours, end(side(2, 'ike = ["aes128-sha256-modp2048"]\nesp = ["aes256gcm16"]\n')),
                ["CP-2001"], "aes256gcm16")
        compare(ours, end(side(2), "Bq7wE2nM5k9PjU0tYv4cXa1RgF8sHdLoJiKzUfWtSx4="), ["CP-3001"])
        compare(ours, end(strongswan(esp="aes128-sha256")), ["CP-4001"], "aes128")
        compare(ours, end(strongswan(local_ts="10.9.0.0/24")), ["CP-4003"], "10.9.0.0/24")
        compare(end(side(1, 'ike = ["aes256gcm16-prfsha384-x25519"]\nesp = ["aes256gcm16-x25519"]\n')),
                end(strongswan(esp="aes256gcm16-modp2048")), ["CP-4002"], "modp2048")
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
