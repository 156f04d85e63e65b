"""libreswan as the other side, in a guest: pluto insists on the kernel's own ESP."""
import re

from guest import Guest, Image
from lab import LabError, wait_until

LIB = "/lib/x86_64-linux-gnu"  # where ldd finds them: NSS looks beside itself
PLUTO = "/usr/libexec/ipsec/pluto"
START = (f"{PLUTO} --nofork --stderrlog --nssdir /var/lib/ipsec/nss --nhelpers 0 --no-dnssec "
         "--uniqueids >>/tmp/daemon.log 2>&1 &\n")
IMAGE = Image(
    "libreswan", [PLUTO, "/usr/libexec/ipsec/whack", "/usr/libexec/ipsec/addconn",
                  "/usr/bin/certutil"],
    "mkdir -p /run/pluto /var/lib/ipsec/nss\n"
    ": >/etc/hosts\n: >/etc/resolv.conf\n"
    "certutil -N -d sql:/var/lib/ipsec/nss --empty-password >/tmp/daemon.log 2>&1\n" + START,
    peer="libreswan",
    more_libraries=[f"{LIB}/libsoftokn3.so", f"{LIB}/libfreebl3.so", f"{LIB}/libfreeblpriv3.so"])

DPD_SECONDS = 2
IKE = {"gcm": "aes_gcm256-sha2_512;dh31", "cbc": "aes256-sha2_256;modp2048"}
ESP = {"gcm": "aes_gcm256", "cbc": "aes256-sha2_256"}
# libreswan rekeys a Child SA with the IKE SA's group, and accepts no other.
OURS = {"gcm": ("aes256gcm16-prfsha512-x25519", "aes256gcm16-x25519"),
        "cbc": ("aes256-sha256-modp2048", "aes256-sha256-modp2048")}

CONF = """
config setup
    logfile=/dev/stderr

conn net
    ikev2=insist
    authby=secret
    left={local}
    leftid={local_id}
    leftsubnet={local_ts}
    leftupdown=%disabled
    right={remote}
    rightid={remote_id}
    rightsubnet={remote_ts}
    rightupdown=%disabled
    ike={ike}
    esp={esp}
    initial-contact=yes
    rekey=yes
    ikelifetime=1h
    salifetime=1h
    dpddelay={dpd}
    dpdaction=clear
    retransmit-timeout=10s
    keyingtries=1
    {more}
    auto=add
"""


class Libreswan:
    """pluto in a guest; the connection is `net`."""

    rekeys_on_command = True
    sends_initial_contact = True
    comes_back = True  # a connection that the other side has deleted is initiated again

    def __init__(self, lab, host, address, gateway, inner, psk):
        self.psk = psk
        self.guest = Guest(lab, host, "pluto", IMAGE, address, gateway, {}, inner)

    def load(self, suite, local, remote, local_id, remote_id, local_ts, remote_ts,
             initiator, more=""):
        del initiator  # the connection is `auto=add` either way
        conf = CONF.format(local=local, remote=remote, local_id=self.id_text(local_id),
                           remote_id=self.id_text(remote_id), local_ts=local_ts,
                           remote_ts=remote_ts, ike=IKE[suite], esp=ESP[suite], dpd=DPD_SECONDS,
                           more=more)
        self.guest.sh("cat /tmp/input >/etc/ipsec.secrets", text_input=f': PSK "{self.psk}"\n')
        self.guest.sh("cat /tmp/input >/etc/ipsec.conf", text_input=conf)
        self.listen()

    def listen(self):
        wait_until(lambda: "pluto.ctl" in self.guest.sh("ls /run/pluto"), 20, "pluto")
        self.guest.sh("whack --listen; whack --rereadsecrets; addconn net")
        if "added IKEv2 connection" not in self.log:
            raise LabError(f"libreswan did not take the connection:\n{self.log}")

    def restart(self):
        """Kills the daemon, so that nobody is told, and starts it again."""
        self.guest.sh("kill -9 $(pidof pluto); rm -f /run/pluto/*; : >/tmp/daemon.log; "
                      "ip xfrm state flush; ip xfrm policy flush; " + START)
        self.listen()

    @staticmethod
    def id_text(identity):
        return identity if re.fullmatch(r"[\d.]+", identity) else f"@{identity}"

    def whack(self, *arguments):
        return self.guest.sh("whack " + " ".join(arguments), timeout=40)

    def initiate(self):
        said = self.whack("--name", "net", "--initiate")
        if "established" not in said:
            raise LabError(f"libreswan did not bring the tunnel up:\n{said}\n{self.log}")

    def rekey_child(self):
        return self.whack("--rekey-ipsec", "--asynchronous", "--name", "net")

    def rekey_ike(self):
        return self.whack("--rekey-ike", "--asynchronous", "--name", "net")

    def states(self):
        """[(number, kind)] of the established SAs, kind "ike" or "child"."""
        found = []
        for line in self.whack("--showstates").splitlines():
            match = re.search(r"#(\d+):.*(ESTABLISHED_IKE_SA|ESTABLISHED_CHILD_SA)", line)
            if match:
                found.append((int(match[1]), "ike" if "IKE" in match[2] else "child"))
        return found

    def sas(self):
        """How many (IKE SAs, Child SAs) are established."""
        kinds = [kind for _, kind in self.states()]
        return kinds.count("ike"), kinds.count("child")

    def terminate_child(self):
        for number, kind in self.states():
            if kind == "child":
                self.whack("--deletestate", str(number))

    def terminate(self):
        self.whack("--name", "net", "--terminate")

    @property
    def log(self):
        text = self.guest.sh("cat /tmp/daemon.log")
        return text[text.find("listening for IKE"):]  # without the self-test
