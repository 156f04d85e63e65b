#!/usr/bin/env python3
"""What `caponier why` says of a tunnel with strongSwan that does not come up: one case per call.

  test_why.py CASE we|they --bin DIR

CASE is a key of CASES; who begins is the second word. Each case: the code, how sure that is, the
values named; and then a fix that it tells, at our side or at strongSwan's, is written as told, and
the tunnel comes up and carries traffic.
"""
import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
from lab import Caponier, Lab, LabError, TwoGateways, ping, wait_until  # noqa: E402
from strongswan import InNamespace, PSK, has_child, swanctl_conf  # noqa: E402

# Our lines and strongSwan's, as far as they differ from what fits; what each of both beginnings
# must show: (code, certainty, values). `fix` is the side whose told lines are written; a dictionary
# is what a told sentence means.
CASES = {
    "ike_cipher": dict(ours={"ike": '["aes256gcm16-prfsha384-x25519"]'},
                       theirs={"ike": "aes256-sha256-modp2048"},
                       we=("CP-2001", "possible", ["NO_PROPOSAL_CHOSEN"], "theirs"),
                       they=("CP-2001", "proven", ["aes256gcm16", "aes256", "modp2048"], "ours")),
    "ike_prf": dict(ours={"ike": '["aes256gcm16-prfsha256-x25519"]'},
                    theirs={"ike": "aes256gcm16-prfsha512-x25519"},
                    we=("CP-2001", "possible", [], "theirs"),
                    they=("CP-2001", "proven", ["prfsha256", "prfsha512"], "theirs")),
    "ike_group": dict(ours={"ike": '["aes256gcm16-prfsha384-x25519"]'},
                      theirs={"ike": "aes256gcm16-prfsha384-ecp384"},
                      we=("CP-2001", "possible", [], "theirs"),
                      they=("CP-2002", "proven", ["x25519", "ecp384"], "ours")),
    "ike_weak": dict(ours={"ike": '["aes256gcm16-prfsha384-x25519"]'},
                     theirs={"ike": "3des-sha1-modp1024"},
                     they=("CP-2001", "proven", ["3des", "sha1"], "ours")),
    "esp_cipher": dict(ours={"esp": '["aes256gcm16"]'}, theirs={"esp": "aes128-sha256"},
                       we=("CP-4001", "possible", ["NO_PROPOSAL_CHOSEN"], "theirs"),
                       they=("CP-4001", "proven", ["aes256gcm16", "aes128"], "ours")),
    "esp_integrity": dict(ours={"esp": '["aes128-sha512"]'}, theirs={"esp": "aes128-sha256"},
                          we=("CP-4001", "possible", [], "theirs"),
                          they=("CP-4001", "proven", ["sha512", "sha256"], "theirs")),
    "psk": dict(theirs={"psk": "quite another pre-shared key of strongSwan"},
                we=("CP-3007", "possible", ["the pre-shared keys differ"], {"psk": PSK}),
                they=("CP-3001", "proven", [], {"psk": PSK})),
    "psk_newline": dict(theirs={"psk": "0x" + (PSK + "\n").encode().hex()}, raw_psk=True,
                        they=("CP-3002", "proven", ["newline"], {"psk": PSK})),
    "psk_quotes": dict(theirs={"psk": "0x" + ('"' + PSK + '"').encode().hex()}, raw_psk=True,
                       they=("CP-3002", "proven", ["quotes"], {"psk": PSK})),
    "psk_case": dict(theirs={"psk": PSK.upper()},
                     they=("CP-3002", "proven", ["upper case"], {"psk": PSK})),
    "id_of_peer": dict(theirs={"local_id": "gw.example"},
                       we=("CP-3007", "possible", [], {"local_id": "THEIRS"}),
                       they=("CP-3003", "proven", ["gw.example"], "ours")),
    "id_of_us": dict(theirs={"remote_id": "gw.example"},
                     we=("CP-3007", "possible", [], {"remote_id": "OURS"}),
                     they=("CP-3005", "proven", ["gw.example"], "ours")),
    "id_pattern": dict(ours={"remote_id": '"*.example.org"'}, theirs={"local_id": "gw.example.com"},
                       we=("CP-3004", "proven", ["*.example.org", "gw.example.com"], "ours")),
    "nets_of_peer": dict(ours={"remote_nets": '["10.9.0.0/24"]'},
                         we=("CP-4003", "proven", ["TS_UNACCEPTABLE", "10.9.0.0/24"], "repair"),
                         they=("CP-4003", "proven", ["10.9.0.0/24", "THEIR_NET"], "ours")),
    "nets_of_us": dict(ours={"local_nets": '["10.8.0.0/24"]'},
                       we=("CP-4003", "proven", ["TS_UNACCEPTABLE", "10.8.0.0/24"], "repair"),
                       they=("CP-4003", "proven", ["10.8.0.0/24", "OUR_NET"], "ours")),
    "nets_both": dict(ours={"local_nets": '["10.8.0.0/24"]', "remote_nets": '["10.9.0.0/24"]'},
                      they=("CP-4003", "proven", ["10.8.0.0/24", "10.9.0.0/24"], "ours")),
    "address_at_peer": dict(theirs={"remote": "203.0.113.77"},
                            we=("CP-2001", "possible", ["no connection for our address"],
                                {"remote": "OURS"})),
    "address_at_us": dict(ours={"remote": '"203.0.113.77"'},
                          they=("CP-2003", "proven", ["203.0.113.77"], "repair")),
    "version": dict(theirs={"version": "1"},
                    they=("CP-2004", "proven", ["IKE version 1.0"], {"version": "2"})),
    "blocked": dict(slow=True, rules=["udp dport { 500, 4500 } drop", "udp sport { 500, 4500 } drop",
                           "tcp dport { 443, 4500 } drop"],
                    we=("CP-1001", "possible", ["firewall"], "network")),
    "natt_blocked": dict(rules=["udp dport 4500 drop", "udp sport 4500 drop",
                                "tcp dport { 443, 4500 } drop"], slow=True,
                         we=("CP-1002", "strong", ["4500"], "network")),
    "off": dict(is_off=True, slow=True, we=("CP-1001", "possible", ["no IKE daemon"], "start")),
    "name": dict(ours={"remote": '"gw.does-not-exist.invalid"'},
                 we=("CP-1006", "proven", ["gw.does-not-exist.invalid"], "repair")),
    "pfs": dict(ours={"esp": '["aes256gcm16-x25519"]'}, theirs={"esp": "aes256gcm16-modp2048"},
                rekey=True, they=("CP-4002", "proven", ["x25519", "modp2048"], "ours")),
}
THEIR_KEYS = {"proposals": "ike", "esp_proposals": "esp", "id": None, "local_ts": "local_ts",
              "remote_ts": "remote_ts"}


class Trial:
    def __init__(self, lab, options):
        self.lab, self.options, self.case = lab, options, CASES[options.case]
        self.we_begin = options.begins == "we"
        self.net = net = TwoGateways(lab)
        self.ours_at, self.theirs_at = net.OUTER_A, net.OUTER_B
        self.lines = {"remote": f'"{self.theirs_at}"', "psk": '"@peer"', "peer": '"strongswan"',
                      "local_id": f'"{self.ours_at}"', "remote_id": f'"{self.theirs_at}"',
                      "local_nets": '["10.1.0.0/24"]', "remote_nets": '["10.2.0.0/24"]',
                      "ike": '["aes256gcm16-prfsha384-x25519"]', "esp": '["aes256gcm16"]',
                      "retry_max": '"5s"', "start": "true" if self.we_begin else "false"}
        self.good_lines = dict(self.lines)
        self.lines.update(self.case.get("ours", {}))
        self.keys = {"local": self.theirs_at, "remote": self.ours_at, "local_id": self.theirs_at,
                     "remote_id": self.ours_at, "local_ts": "10.2.0.0/24",
                     "remote_ts": "10.1.0.0/24", "mode": "tunnel", "encap": "yes",
                     "ike": "aes256gcm16-prfsha384-x25519", "esp": "aes256gcm16", "psk": PSK,
                     "version": "2"}
        self.good_keys = dict(self.keys)
        self.keys.update(self.case.get("theirs", {}))
        if self.case.get("rules"):
            net.net.filter(*self.case["rules"])
        if not self.case.get("is_off"):
            self.start_strongswan()
        self.ours = Caponier(lab, net.gw_a, self.toml(), {"peer": PSK}, options.bin).start()

    def toml(self):
        return "[site.peer]\n" + "".join(f"{key} = {value}\n" for key, value in self.lines.items())

    def start_strongswan(self):
        self.theirs = InNamespace(self.lab, self.net.gw_b)
        self.load()

    def load(self):
        keys = dict(self.keys)
        version = keys.pop("version")
        conf = swanctl_conf(**keys).replace("version = 2", f"version = {version}")
        if keys["psk"].startswith("0x"):
            conf = conf.replace(f'"{keys["psk"]}"', keys["psk"])
        self.theirs.load(conf)

    def begin(self):
        """strongSwan's attempt may fail: that is what is asked about."""
        self.theirs.swanctl("--initiate", "--child", "net", "--timeout", "5", check=False)

    def why(self):
        unknown = self.options.case == "address_at_us"
        arguments = ["why", "--unknown"] if unknown else ["why", "peer"]
        document = json.loads(self.ours.cli(*arguments, "--json", check=False).stdout)
        text = self.ours.cli(*arguments, check=False)
        found = document["failures"][0] if unknown and document["failures"] \
            else document.get("current")
        return found, text.stdout, text.returncode

    def explained(self):
        code, certainty, values, fix = self.case[self.options.begins]
        end = time.monotonic() + (130 if self.case.get("slow") else 60)
        while True:
            if not self.we_begin:
                self.begin()
                if self.case.get("rekey"):
                    self.theirs.swanctl("--rekey", "--child", "net", check=False)
                    time.sleep(1)
            found, text, exit_code = self.why()
            if found and found["code"] == code and found["certainty"] == certainty:
                break
            if time.monotonic() > end:
                raise LabError(f"not {code} ({certainty}):\n{text}\n{json.dumps(found, indent=1)}")
            time.sleep(0.5)
        print(text)
        if exit_code != found["exit_code"]:
            raise LabError(f"exit code {exit_code}, not {found['exit_code']}")
        said = json.dumps(found, ensure_ascii=False)
        for value in values:
            value = {"OUR_NET": "10.1.0.0/24", "THEIR_NET": "10.2.0.0/24"}.get(value, value)
            if value not in said:
                raise LabError(f"{value} is not named:\n{text}")
        lines = text.splitlines()
        if len(lines) > 12 or any(len(line) > 100 for line in lines):
            raise LabError(f"more than 12 lines of 100 columns:\n{text}")
        self.mend(found, fix)

    # -- the fix, as it was told

    def mend(self, found, fix):
        if fix == "network":
            self.net.net.filter()
        elif fix == "start":
            self.start_strongswan()
        elif fix == "repair":
            self.lines = self.good_lines
            self.reload()
        elif isinstance(fix, dict):
            names = {"OURS": self.ours_at, "THEIRS": self.theirs_at}
            self.keys.update({key: names.get(value, value) for key, value in fix.items()})
            self.load()
        elif fix == "ours":
            told = next(one for one in found["fixes"] if one["side"] == "us" and one["settings"])
            for setting in told["settings"]:
                if setting["table"] != "site.peer":
                    raise LabError(f"a line for {setting['table']}")
                self.lines[setting["key"]] = setting["value"]
            self.reload()
        else:
            told = next(one for one in found["fixes"] if one["side"] == "them" and one["lines"])
            for line in told["lines"]:
                key, value = line.split(" = ", 1)
                self.keys[THEIR_KEYS[key.rsplit(".", 1)[1]]] = value
            self.load()

    def reload(self):
        self.ours.config.write_text(self.toml())
        self.ours.cli("reload")

    def works(self):
        if not self.we_begin:
            wait_until(lambda: self.begin() or self.ours.status("peer")["children"], 30,
                       "strongSwan's tunnel")
        self.ours.wait_up("peer", 40)
        wait_until(lambda: has_child(self.theirs.sas()), 20, "strongSwan's child")
        if "10.1.0.0/24" in self.lines["local_nets"] and "10.2.0.0/24" in self.lines["remote_nets"]:
            got = ping(self.net.client_a, "10.2.0.10")[0]
            if got != 3:
                raise LabError(f"{got} of 3 pings came back")
        _, text, exit_code = self.why()
        if exit_code != 0 and self.options.case not in ("address_at_us", "pfs"):
            raise LabError(f"still something is wrong:\n{text}")

    def run(self):
        self.explained()
        self.works()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=sorted(CASES))
    parser.add_argument("begins", choices=["we", "they"])
    parser.add_argument("--bin", required=True)
    options = parser.parse_args()
    with Lab("capwhy") as lab:
        trial = None
        try:
            trial = Trial(lab, options)
            trial.run()
        except LabError as error:
            print(error)
            if trial is not None and hasattr(trial, "ours"):
                print(trial.ours.log[-6000:])
            if trial is not None and hasattr(trial, "theirs"):
                print(trial.theirs.log[-3000:])
            return 1
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
