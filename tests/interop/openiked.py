"""OpenIKED as the other side, in a guest: on Linux it speaks PF_KEY, which few kernels still have."""
import re

from guest import Guest, Image
from lab import LabError, run, wait_until

IMAGE = Image(
    "openiked", ["/usr/sbin/iked", "/usr/sbin/ikectl"],
    "mkdir -p /var/lib/openiked/empty /etc/iked/ca /etc/iked/certs /etc/iked/crls "
    "/etc/iked/pubkeys\n", peer="openiked",
    more_libraries=["/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so"],
    accounts=["_iked:x:100:100:iked:/var/lib/openiked/empty:/bin/false"])

IKE = {"gcm": "enc aes-256-gcm prf hmac-sha2-512 group curve25519",
       "cbc": "auth hmac-sha2-256 enc aes-256 prf hmac-sha2-256 group modp2048"}
# Through PF_KEY Linux has no AES-GCM and a SHA-256 that nobody else speaks. iked knows both, and
# leaves out the former when it offers and fails to install the latter, without a word to its peer.
ESP = {"gcm": "auth hmac-sha2-512 enc aes-256 group curve25519 group none noesn",
       "cbc": "auth hmac-sha2-512 enc aes-128 group modp2048 noesn"}
OURS = {"gcm": ("aes256gcm16-prfsha512-x25519", "aes256-sha512-x25519"),
        "cbc": ("aes256-sha256-modp2048", "aes128-sha512-modp2048")}

DPD_SECONDS = 2
CHILD_LIFETIME_SECONDS = 12
IKE_LIFETIME_SECONDS = 18

CONF = """
set dpd_check_interval {dpd}
set enforcesingleikesa
ikev2 "net" {start} esp \\
    from {local_ts} to {remote_ts} \\
    local {local} peer {remote} \\
    ikesa {ike} \\
    childsa {esp} \\
    srcid {local_id} dstid {remote_id} \\
    ikelifetime {ike_lifetime} lifetime {child_lifetime} \\
    psk "{psk}"
"""
START = "iked -dvv >>/tmp/daemon.log 2>&1 &"


class OpenIked:
    """iked in a guest. It has no command to rekey: short lifetimes make it. Nor has it one to
    delete a Child SA alone, or to initiate: an active policy does so by itself."""

    rekeys_on_command = False
    sends_initial_contact = False
    comes_back = False

    def __init__(self, lab, host, address, gateway, inner, psk):
        self.psk = psk
        key = run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout"]).stdout
        self.guest = Guest(lab, host, "iked", IMAGE, address, gateway,
                           {"/etc/iked/private/local.key": key}, inner)

    def load(self, suite, local, remote, local_id, remote_id, local_ts, remote_ts, initiator):
        self.remote_id = remote_id
        conf = CONF.format(local=local, remote=remote.replace("%", ""), local_id=local_id,
                           remote_id=remote_id,
                           local_ts=local_ts, remote_ts=remote_ts, ike=IKE[suite],
                           esp=ESP[suite], dpd=DPD_SECONDS, start="active" if initiator else "passive",
                           ike_lifetime=IKE_LIFETIME_SECONDS,
                           child_lifetime=CHILD_LIFETIME_SECONDS, psk=self.psk)
        said = self.guest.sh("cat /tmp/input >/etc/iked.conf; chmod 600 /etc/iked.conf; iked -n",
                             text_input=conf)
        if "configuration OK" not in said:
            raise LabError(f"OpenIKED refuses its configuration:\n{said}")
        self.initiator = initiator
        if not initiator:
            self.start()

    def start(self):
        self.guest.sh(START)
        wait_until(lambda: "iked.sock" in self.guest.sh("ls /run"), 20, "iked")

    def restart(self):
        """Kills the daemon, so that nobody is told, and starts it again."""
        self.guest.sh("kill -9 $(pidof iked); rm -f /run/iked.sock; ip xfrm state flush; "
                      "ip xfrm policy flush; : >/tmp/daemon.log")
        if not self.initiator:
            self.start()

    def initiate(self):
        if not self.guest.sh("pidof iked").strip():
            self.start()
        else:  # makes it look for what is not up at once, not only after its minute
            self.ikectl("passive")
            self.ikectl("active")

    def ikectl(self, *arguments):
        return self.guest.sh("ikectl " + " ".join(arguments))

    def sas(self):
        """How many (IKE SAs, Child SAs) are established."""
        lines = self.ikectl("show", "sa").splitlines()
        return (sum(line.startswith("iked_sas:") and " ESTABLISHED " in line for line in lines),
                sum("sa_childsas:" in line and " in " in line for line in lines))

    def terminate(self):
        kind = "IPV4" if re.fullmatch(r"[\d.]+", self.remote_id) else "FQDN"
        self.ikectl("reset", "id", f"{kind}/{self.remote_id}")

    @property
    def log(self):
        skip = "ikev2_pld|next_payload|ikev2_msg_|prfplus|ca_|config_get"
        return self.guest.sh(f"grep -vE '{skip}' /tmp/daemon.log")
