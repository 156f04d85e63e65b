#!/usr/bin/env python3
"""Every mode, family, encapsulation, algorithm and kind of sequence number, both ways against
scapy: what the engine seals scapy opens, what scapy seals the engine opens, byte for byte.

  matrix.py DRIVER

Not in the matrix, because scapy 2.5 does not have them: BEET, AES-GCM and AES-CCM with short ICVs,
ENCR_NULL_AUTH_AES_GMAC and AES-GMAC in AH, AES-XCBC, implicit IVs, TFC padding, and the upper half
of extended sequence numbers on arrival, which a receiver infers: our end opens with an upper half of
zero and seals with one of 1. scapy aligns AH to 32 bits in IPv6 too, which RFC 4302 s2.6 forbids, so
there its packets are only made for the MACs of 96 bits, whose header is 64-bit aligned anyway. In
ESP scapy leaves the upper half of a sequence number out of MACs (RFC 4303 s2.2.1 wants it), so
extended ones go with AEADs and AH.
Unit tests stand for all of these. Exit code 77 without scapy.
"""
import subprocess
import sys

try:
    import logging
    logging.getLogger("scapy").setLevel(logging.ERROR)
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.ipsec import AH, ESP, SecurityAssociation
    from scapy.packet import Raw
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

SPI = 0x1000
# Every cell takes the first and the last, and one half of the others.
SIZES = (1, 2, 3, 15, 16, 17, 31, 255, 256, 1399, 1472, 4001, 8999, 9000)
OUTER = {4: ("203.0.113.1", "203.0.113.2"), 6: ("2001:db8:f::1", "2001:db8:f::2")}
INNER = {4: ("10.1.0.5", "10.2.0.9"), 6: ("2001:db8:1::5", "2001:db8:2::9")}

# Our numbers, key bits, octets of key and salt; scapy's name.
CIPHERS = (
    (20, 128, 16 + 4, "AES-GCM"), (20, 256, 32 + 4, "AES-GCM"),
    (16, 128, 16 + 3, "AES-CCM"), (16, 256, 32 + 3, "AES-CCM"),
    (28, 0, 32 + 4, "CHACHA20-POLY1305"),
    (12, 128, 16, "AES-CBC"), (12, 256, 32, "AES-CBC"), (13, 128, 16 + 4, "AES-CTR"),
    (13, 256, 32 + 4, "AES-CTR"), (3, 0, 24, "3DES"), (11, 0, 0, "NULL"),
)
AEAD = {"AES-GCM", "AES-CCM", "CHACHA20-POLY1305"}
MACS = (
    (2, 20, "HMAC-SHA1-96"), (8, 16, "AES-CMAC-96"), (12, 32, "SHA2-256-128"),
    (13, 48, "SHA2-384-192"), (14, 64, "SHA2-512-256"),
)


class Driver:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def key(size, first):
    return bytes((first + 7 * i) % 256 for i in range(size))


def packet(family, ends, size):
    """UDP of `size` octets between `ends`."""
    data = bytes((3 + 11 * i) % 256 for i in range(size))
    if family == 4:
        return IP(bytes(IP(src=ends[0], dst=ends[1], id=77) / UDP(sport=1, dport=2) / Raw(data)))
    return IPv6(bytes(IPv6(src=ends[0], dst=ends[1]) / UDP(sport=1, dport=2) / Raw(data)))


def parse(data):
    return IP(data) if data[0] >> 4 == 4 else IPv6(data)


def comparable(data, is_transport):
    """In transport mode a socket makes the header anew, so that of IPv4 only its addresses, length
    and protocol are the same."""
    if not is_transport or data[0] >> 4 == 6:
        return data
    return data[:1] + data[2:4] + data[9:10] + data[12:]


class Cell:
    made = 0

    def __init__(self, driver, mode, protocol, outer, inner, cipher, mac, esn, udp):
        self.driver, self.mode, self.protocol = driver, mode, protocol
        self.outer, self.inner, self.esn, self.udp = outer, inner, esn, udp
        self.cipher, self.mac = cipher, mac
        self.is_transport = mode == "transport"
        self.sizes = SIZES[:1] + SIZES[1 + Cell.made % 2:-1:2] + SIZES[-1:]
        Cell.made += 1
        self.ends = OUTER[outer] if self.is_transport else INNER[inner]

    def __str__(self):
        return (f"{self.protocol} {self.mode} v{self.inner} in v{self.outer} "
                f"{self.cipher and self.cipher[3]}{self.cipher and self.cipher[1]} "
                f"{self.mac and self.mac[2]} {'esn' if self.esn else 'noesn'} "
                f"{'udp' if self.udp else 'native'}")

    def make(self, high):
        """Both ends; the numbers sent begin in this upper half."""
        encr, bits, encr_size, _ = self.cipher or (11, 0, 0, "NULL")
        integ, integ_size, _ = self.mac or (0, 0, None)
        encr_key, integ_key = key(encr_size, 1), key(integ_size, 2)
        first = (high << 32) + 5
        answer = self.driver.say(
            f"sa {self.mode} {self.protocol} {' '.join(OUTER[self.outer])} {' '.join(self.ends)} "
            f"{encr} {bits} {integ} {int(self.esn)} {int(self.udp)} {encr_key.hex() or '-'} "
            f"{integ_key.hex() or '-'} {first}")
        if answer != "ok":
            raise AssertionError(f"{self}: {answer}")
        options = {}
        if self.cipher:
            options.update(crypt_algo=self.cipher[3], crypt_key=encr_key)
        if self.mac:
            options.update(auth_algo=self.mac[2], auth_key=integ_key)
        if not self.is_transport:
            header = IP if self.outer == 4 else IPv6
            options["tunnel_header"] = header(src=OUTER[self.outer][0], dst=OUTER[self.outer][1])
        if self.udp:
            options["nat_t_header"] = UDP(sport=4500, dport=4500)
        return SecurityAssociation(ESP if self.protocol == "esp" else AH, spi=SPI,
                                   esn_en=self.esn, esn=high, **options)

    def check(self, what, got, wanted):
        if comparable(got, self.is_transport) != comparable(wanted, self.is_transport):
            raise AssertionError(f"{self}: {what}:\n  {got.hex()[:160]}\n  {wanted.hex()[:160]}")

    def openable(self, data):
        """scapy leaves the UDP header of RFC 3948 in front of what it opens in IPv6's transport mode."""
        if not (self.udp and self.is_transport and self.outer == 6):
            return data
        length = (int.from_bytes(data[4:6], "big") - 8).to_bytes(2, "big")
        return data[:4] + length + bytes([50]) + data[7:40] + data[48:]

    def we_seal(self):
        sa = self.make(1 if self.esn else 0)
        for size in self.sizes:
            plain = packet(self.inner, self.ends, size)
            answer = self.driver.say("seal " + bytes(plain).hex())
            if answer.startswith("drop"):
                raise AssertionError(f"{self}: size {size}: {answer}")
            opened = sa.decrypt(parse(self.openable(bytes.fromhex(answer))))
            self.check(f"scapy opens size {size}", bytes(opened), bytes(plain))

    def scapy_seals(self):
        sa = self.make(0)
        for number, size in enumerate(self.sizes):
            plain = packet(self.inner, self.ends, size)
            sealed = bytes(sa.encrypt(plain.copy(), seq_num=number + 1))
            answer = self.driver.say("open " + sealed.hex())
            if answer.startswith("drop"):
                raise AssertionError(f"{self}: size {size}: {answer}")
            self.check(f"we open size {size}", bytes.fromhex(answer), bytes(plain))

    def run(self):
        self.we_seal()
        if self.protocol == "ah" and self.outer == 6 and not self.mac[2].endswith("-96"):
            return
        self.scapy_seals()


def cells(driver):
    shapes = [("transport", outer, outer) for outer in (4, 6)]
    shapes += [("tunnel", outer, inner) for outer in (4, 6) for inner in (4, 6)]
    for mode, outer, inner in shapes:
        for esn in (False, True):
            for udp in (False, True):
                for cipher in CIPHERS:
                    macs = (None,) if cipher[3] in AEAD else MACS
                    for mac in macs:
                        if esn and mac:
                            continue
                        yield Cell(driver, mode, "esp", outer, inner, cipher, mac, esn, udp)
            for mac in MACS:
                yield Cell(driver, mode, "ah", outer, inner, None, mac, esn, False)


def main():
    driver = Driver(sys.argv[1])
    count, failures = 0, []
    for cell in cells(driver):
        count += 1
        try:
            cell.run()
        except Exception as error:  # scapy's errors are of many kinds
            failures.append(f"{cell}: {type(error).__name__}: {error}")
    driver.close()
    for failure in failures[:20]:
        print(failure)
    print(f"{count} cells, {len(failures)} failed, {len(SIZES)} sizes, both ways")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
