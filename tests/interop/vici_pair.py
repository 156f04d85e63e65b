"""Caponier with nothing but a VICI socket, and charon on the other side: each is given a swanctl.conf
by Debian's swanctl --load-all."""
import shutil
import signal
from pathlib import Path

from lab import LabError, TwoGateways, wait_until
from strongswan import InNamespace
from vici import Session

CREDENTIALS = Path(__file__).resolve().parent / "swanctl" / "credentials"


def expect(condition, message):
    if not condition:
        raise LabError(message)


class Side:
    """One end, whoever it is: its socket, and swanctl with a folder of its own."""

    def __init__(self, host, path, folder):
        self.host, self.path, self.folder = host, path, folder
        self.etc = folder / "etc"
        for name in ("x509", "x509ca", "private", "pubkey"):
            (self.etc / name).mkdir(parents=True)
        for letter in "ab":
            shutil.copy(CREDENTIALS / f"{letter}.pem", self.etc / "x509")
            shutil.copy(CREDENTIALS / f"{letter}.pub", self.etc / "pubkey")
        shutil.copy(CREDENTIALS / "ca.pem", self.etc / "x509ca")

    def own(self, letter):
        """Only its own private key."""
        shutil.copy(CREDENTIALS / f"{letter}.key", self.etc / "private")

    def swanctl(self, *arguments, check=True, timeout=60):
        done = self.host.run("env", f"SWANCTL_DIR={self.etc}", "swanctl", *arguments, "--uri",
                             f"unix://{self.path}", check=False, timeout=timeout)
        said = done.stdout + done.stderr
        expect(not check or done.returncode == 0,
               f"swanctl {' '.join(arguments)} ended with {done.returncode}:\n{said}\n{self.log}")
        return said

    def load(self, conf, *arguments, check=True):
        (self.etc / "swanctl.conf").write_text(conf)
        return self.swanctl("--load-all", "--noprompt", *arguments, check=check)

    def session(self):
        return Session(self.path)

    def sas(self):
        session = self.session()
        try:
            return session.sas()
        finally:
            session.close()

    def initiate(self, child):
        return self.swanctl("--initiate", "--child", child, "--timeout", "15")

    def terminate(self, ike):
        return self.swanctl("--terminate", "--ike", ike, "--timeout", "10")


class Ours(Side):
    """`caponierd --vici PATH`, and no file."""

    def __init__(self, lab, host, bin_folder):
        self.lab = lab
        folder = lab.folder / f"caponier-{host.name}"
        folder.mkdir()
        super().__init__(host, folder / "vici", folder)
        self.process = host.start(
            f"caponierd-{host.name}",
            [str(Path(bin_folder).resolve() / "caponierd"), "--vici", str(self.path), "--run-dir",
             str(folder / "run"), "--state-dir", str(folder / "state")], log=folder / "log")
        wait_until(lambda: self.path.exists() or self.process.poll() is not None, 15, "the socket")
        expect(self.process.poll() is None, self.log)

    @property
    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def stop(self):
        return self.lab.stop(self.process, signal.SIGTERM)


class Theirs(Side):
    """charon with its userspace ESP."""

    def __init__(self, lab, host, plugins="counters "):
        self.charon = InNamespace(lab, host, plugins=plugins)
        super().__init__(host, self.charon.socket, self.charon.folder)

    @property
    def log(self):
        return self.charon.log


class Pair:
    """Caponier at A, charon at B."""

    def __init__(self, lab, options):
        self.net = TwoGateways(lab)
        self.a = Ours(lab, self.net.gw_a, options.bin)
        self.b = Theirs(lab, self.net.gw_b)
        self.a.own("a")
        self.b.own("b")

    def words(self, side):
        """What differs between the files of the two sides."""
        net = self.net
        ours, theirs = ((net.OUTER_A, "10.1.0.0/24"), (net.OUTER_B, "10.2.0.0/24"))
        if side is self.b:
            ours, theirs = theirs, ours
        own, other = ("a", "b") if side is self.a else ("b", "a")
        return {"local": ours[0], "remote": theirs[0], "local_ts": ours[1], "remote_ts": theirs[1],
                "own": own, "other": other}


__all__ = ["Ours", "Pair", "Side", "Theirs", "expect"]
