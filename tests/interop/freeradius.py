"""FreeRADIUS as the back end: its own configuration in the lab's folder, users in a file, and a
certificate authority of the day for its TLS methods."""
import os
import re
import shutil
import time
from pathlib import Path

from lab import LabError, run, wait_until

FREERADIUS = "/usr/sbin/freeradius"
SECRET = "kGq8ZxuW3tYb"

CONF = """
prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = {folder}
logdir = {folder}
run_dir = {folder}
max_requests = 1024
log {{ destination = stdout  auth = yes }}
security {{ max_attributes = 200  reject_delay = 0  status_server = yes }}
client lab {{
  ipaddr = {clients}
  secret = {secret}
  require_message_authenticator = yes
}}
thread pool {{ start_servers = 1  max_servers = 2  min_spare_servers = 1  max_spare_servers = 2 }}
modules {{
  pap {{ }}
  mschap {{ use_mppe = yes  require_encryption = yes  require_strong = yes }}
  files {{ usersfile = {folder}/users }}
  detail {{ filename = {folder}/accounting }}
  eap {{
    default_eap_type = {default}
    md5 {{ }}
    gtc {{ auth_type = PAP }}
    mschapv2 {{ }}
    tls-config common {{
      private_key_file = {folder}/server.key
      certificate_file = {folder}/server.pem
      ca_file = {folder}/ca.pem
      cipher_list = "DEFAULT"
      tls_min_version = "1.2"
      tls_max_version = "1.3"
      fragment_size = {fragment}
    }}
    tls {{ tls = common }}
    ttls {{ tls = common  default_eap_type = mschapv2  virtual_server = inner }}
    peap {{ tls = common  default_eap_type = mschapv2  virtual_server = inner }}
  }}
}}
server outer {{
  listen {{ type = auth  ipaddr = {address}  port = 1812 }}
  listen {{ type = acct  ipaddr = {address}  port = 1813 }}
  authorize {{ eap {{ ok = return }}  files  pap }}
  authenticate {{
    Auth-Type PAP {{ pap }}
    Auth-Type MS-CHAP {{ mschap }}
    mschap
    eap
  }}
  post-auth {{
    update reply {{
      Filter-Id := "staff"
      Class := 0x0102030405
      Session-Timeout := 3600
      Framed-IP-Address := {framed}
    }}
  }}
  accounting {{ detail }}
}}
server inner {{
  authorize {{ mschap  eap {{ ok = return }}  files  pap }}
  authenticate {{
    Auth-Type PAP {{ pap }}
    Auth-Type MS-CHAP {{ mschap }}
    mschap
    eap
  }}
}}
"""


def make_certificates(folder):
    """An authority "ca", a server "server" and a user "alice", on P-256: NAME.pem, NAME.key, and
    the same as DER."""

    def openssl(*arguments):
        run(["openssl", *arguments])

    def key(name):
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                f"{folder}/{name}.key")
        openssl("pkcs8", "-topk8", "-nocrypt", "-in", f"{folder}/{name}.key", "-outform", "DER",
                "-out", f"{folder}/{name}.key.der")

    key("ca")
    openssl("req", "-x509", "-new", "-key", f"{folder}/ca.key", "-subj", "/CN=Lab CA", "-days",
            "2", "-out", f"{folder}/ca.pem")
    for name, subject, usage in (("server", "/CN=radius.example.org", "serverAuth"),
                                 ("alice", "/CN=alice", "clientAuth")):
        key(name)
        openssl("req", "-new", "-key", f"{folder}/{name}.key", "-subj", subject, "-out",
                f"{folder}/{name}.csr")
        (folder / f"{name}.ext").write_text(f"extendedKeyUsage = {usage}\n")
        openssl("x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/ca.pem", "-CAkey",
                f"{folder}/ca.key", "-CAcreateserial", "-days", "2", "-extfile",
                f"{folder}/{name}.ext", "-out", f"{folder}/{name}.pem")
        openssl("x509", "-in", f"{folder}/{name}.pem", "-outform", "DER", "-out",
                f"{folder}/{name}.der")


class FreeRadius:
    """`users`: name to password. `clients`: who may ask, a prefix."""

    def __init__(self, lab, host, address, clients, users, default="mschapv2", fragment=1024,
                 framed="10.9.0.7"):
        if not Path(FREERADIUS).exists():
            raise LabError("no freeradius here")
        self.lab, self.host, self.address = lab, host, address
        self.folder = lab.folder / "freeradius"
        self.folder.mkdir()
        make_certificates(self.folder)
        (self.folder / "users").write_text("".join(
            f'{name} Cleartext-Password := "{password}"\n' for name, password in users.items()))
        conf = CONF.format(folder=self.folder, address=address, clients=clients, secret=SECRET,
                           default=default, fragment=fragment, framed=framed)
        # FreeRADIUS wants each item on a line of its own.
        (self.folder / "radiusd.conf").write_text(
            re.sub(r"(?<=\{) +| {2,}(?=\S)| +(?=\})", "\n", conf))
        for path in ["/etc/freeradius/3.0/dictionary", "/usr/share/freeradius/dictionary"]:
            if Path(path).exists():
                shutil.copy(path, self.folder / "dictionary")
                break
        self.process = None

    @property
    def log(self):
        return (self.lab.folder / "freeradius.log").read_text()

    @property
    def accounting(self):
        path = self.folder / "accounting"
        return path.read_text() if path.exists() else ""

    def start(self):
        self.process = self.host.start(
            "freeradius", [FREERADIUS, "-X", "-d", str(self.folder), "-n", "radiusd"],
            env={"OPENSSL_CONF": os.devnull})
        wait_until(lambda: "Ready to process requests" in self.log or self.process.poll(), 20,
                   "freeradius")
        if self.process.poll() is not None:
            raise LabError(f"freeradius does not start:\n{self.log[-3000:]}")
        return self

    def ask(self, command, attributes, address, port=3799):
        """radclient: "disconnect" or "coa". What it printed; an Event-Timestamp is added."""
        text = ", ".join([*attributes, f"Event-Timestamp = {int(time.time())}"])
        done = self.host.run("radclient", "-x", "-r", "1", "-t", "3", "-d",
                             "/usr/share/freeradius", f"{address}:{port}", command, SECRET,
                             text_input=text + "\n", check=False)
        return done.stdout + done.stderr
