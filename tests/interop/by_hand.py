#!/usr/bin/env python3
"""An IKEv2 client made by hand around wpa_supplicant's EAP client: what it says by EAP is carried
to a server and back, and the keys that it has come to prove it.

  by_hand.py SERVER NETWORK_CONF [--windows]

NETWORK_CONF is eapol_test's. Prints "given ADDRESS", and with --windows what is asked there by
DHCPINFORM: "dhcp OPTION HEX". eapol_test's own words go to NETWORK_CONF.log.
"""
import hashlib
import hmac
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SA, KE, IDI, AUTH, NONCE, NOTIFY, VENDOR, TSI, TSR, SK, CP, EAP = (
    33, 34, 35, 39, 40, 41, 43, 44, 45, 46, 47, 48)
IKE_SA_INIT, IKE_AUTH = 34, 35
SIGNATURE_HASH_ALGORITHMS = 16431
WINDOWS = ["1e2b516905991c7d7c96fcbfb587e46100000009", "fb1de3cdf341b7ea16b7e5be0855f120"]
RADIUS_SECRET = b"what both ends of a loopback know"


def prf(key, data):
    return hmac.new(key, data, hashlib.sha384).digest()


def prf_plus(key, seed, size):
    out, block, count = b"", b"", 1
    while len(out) < size:
        block = prf(key, block + seed + bytes([count]))
        out, count = out + block, count + 1
    return out[:size]


def chain(payloads):
    """(type, body) pairs as they stand in a message; the first type is said elsewhere."""
    out = b""
    for at, (_, body) in enumerate(payloads):
        following = payloads[at + 1][0] if at + 1 < len(payloads) else 0
        out += struct.pack(">BBH", following, 0, len(body) + 4) + body
    return out


def split(kind, data):
    payloads = []
    while kind != 0:
        following, _, size = struct.unpack_from(">BBH", data)
        payloads.append((kind, data[4:size]))
        kind, data = following, data[size:]
    return payloads


def proposal(protocol, spi, transforms):
    body = b""
    for at, (kind, number, key_bits) in enumerate(transforms):
        attribute = struct.pack(">HH", 0x800e, key_bits) if key_bits else b""
        body += struct.pack(">BBHBBH", 3 if at + 1 < len(transforms) else 0, 0,
                            8 + len(attribute), kind, 0, number) + attribute
    return struct.pack(">BBHBBBB", 0, 0, 8 + len(spi) + len(body), 1, protocol, len(spi),
                       len(transforms)) + spi + body


def selector(first, last):
    return struct.pack(">BBHHH", 7, 0, 16, 0, 65535) + socket.inet_aton(first) + \
        socket.inet_aton(last)


class Client:
    def __init__(self, server, is_windows):
        self.server = server
        self.vendor_ids = [bytes.fromhex(one) for one in WINDOWS] if is_windows else []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("", 500))
        self.socket.settimeout(10)
        self.spi_i, self.spi_r = os.urandom(8), bytes(8)
        self.spi_esp = os.urandom(4)
        self.message_id = 0

    def header(self, kind, exchange, size):
        return self.spi_i + self.spi_r + struct.pack(
            ">BBBBII", kind, 0x20, exchange, 0x08, self.message_id, size)

    def exchange(self, datagram):
        self.socket.sendto(datagram, (self.server, 500))
        while True:
            answer = self.socket.recv(65535)
            if answer[19] & 0x20 and struct.unpack_from(">I", answer, 20)[0] == self.message_id:
                return answer

    def knock(self):
        key = X25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        nonce = os.urandom(32)
        hashes = struct.pack(">BBHHHH", 0, 0, SIGNATURE_HASH_ALGORITHMS, 2, 3, 4)
        payloads = [(SA, proposal(1, b"", [(1, 20, 256), (2, 6, 0), (4, 31, 0)])),
                    (KE, struct.pack(">HH", 31, 0) + public), (NONCE, nonce), (NOTIFY, hashes),
                    *((VENDOR, one) for one in self.vendor_ids)]
        body = chain(payloads)
        self.init = self.header(SA, IKE_SA_INIT, 28 + len(body)) + body
        answer = self.exchange(self.init)
        said = dict(split(answer[16], answer[28:]))
        self.spi_r, self.nonce_r = answer[8:16], said[NONCE]
        shared = key.exchange(X25519PublicKey.from_public_bytes(said[KE][4:]))
        seed = nonce + self.nonce_r
        keys = prf_plus(prf(seed, shared), seed + self.spi_i + self.spi_r, 48 + 36 + 36 + 48 + 48)
        self.sk_d, self.sk_ei, self.sk_er, self.sk_pi = keys[:48], keys[48:84], keys[84:120], \
            keys[120:168]
        child = prf_plus(self.sk_d, seed, 72)
        self.esp_out, self.esp_in = child[:36], child[36:]
        self.message_id = 1

    def ask(self, payloads):
        """A protected exchange of IKE_AUTH."""
        inner = chain(payloads) + b"\0"
        size = 28 + 4 + 8 + len(inner) + 16
        aad = self.header(SK, IKE_AUTH, size) + struct.pack(
            ">BBH", payloads[0][0], 0, size - 28)
        iv = struct.pack(">Q", self.message_id)
        sealed = AESGCM(self.sk_ei[:32]).encrypt(self.sk_ei[32:] + iv, inner, aad)
        answer = self.exchange(aad + iv + sealed)
        self.message_id += 1
        text = AESGCM(self.sk_er[:32]).decrypt(self.sk_er[32:] + answer[32:40], answer[40:],
                                               answer[:32])
        return dict(split(answer[28], text[:-1 - text[-1]]))

    def first_auth(self):
        self.id = struct.pack(">BBH", 2, 0, 0) + b"by.hand"
        everything = struct.pack(">BBH", 1, 0, 0) + selector("0.0.0.0", "255.255.255.255")
        asks = b"".join(struct.pack(">HH", kind, 0) for kind in (1, 3, 13, 23456))
        return self.ask([(IDI, self.id), (CP, struct.pack(">BBH", 1, 0, 0) + asks),
                         (SA, proposal(3, self.spi_esp, [(1, 20, 256), (5, 0, 0)])),
                         (TSI, everything), (TSR, everything)])

    def prove(self, msk):
        octets = self.init + self.nonce_r + prf(self.sk_pi, self.id)
        auth = prf(prf(msk, b"Key Pad for IKEv2"), octets)
        return self.ask([(AUTH, struct.pack(">BBH", 2, 0, 0) + auth)])


class Attributes:
    """RADIUS, as much as eapol_test wants of a server."""

    def __init__(self, datagram):
        self.identifier, self.authenticator = datagram[1], datagram[4:20]
        self.eap, at = b"", 20
        while at < len(datagram):
            kind, size = datagram[at], datagram[at + 1]
            if kind == 79:
                self.eap += datagram[at + 2:at + size]
            at += size

    def answer(self, code, eap):
        body = b"".join(bytes([79, len(part) + 2]) + part
                        for part in (eap[at:at + 253] for at in range(0, len(eap), 253)))
        body += bytes([24, 6]) + b"once"
        mac_at = len(body) + 2
        body += bytes([80, 18]) + bytes(16)
        head = struct.pack(">BBH", code, self.identifier, 20 + len(body))
        mac = hmac.new(RADIUS_SECRET, head + self.authenticator + body, "md5").digest()
        body = body[:mac_at] + mac + body[mac_at + 16:]
        return head + hashlib.md5(head + self.authenticator + body +
                                  RADIUS_SECRET).digest() + body


def talk(client, conf):
    """Carries EAP both ways until the server has decided; the key, or None."""
    radius = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    radius.bind(("127.0.0.1", 1812))
    radius.settimeout(20)
    said = client.first_auth()
    log = Path(conf + ".log")
    with log.open("wb") as out:
        peer = subprocess.Popen(["/usr/bin/eapol_test", "-n", "-c", conf, "-a", "127.0.0.1", "-p",
                                 "1812", "-s", RADIUS_SECRET.decode(), "-t", "15"],
                                stdout=out, stderr=out)
        while EAP in said and said[EAP][0] == 1:
            datagram, source = radius.recvfrom(65535)
            request = Attributes(datagram)
            eap = request.eap
            # It has asked itself for the identity.
            if eap[4] == 1:
                eap = eap[:1] + said[EAP][1:2] + eap[2:]
            said = client.ask([(EAP, eap)])
            if EAP not in said:
                raise SystemExit(f"the server has ended it: {said}")
            code = {1: 11, 3: 2, 4: 3}[said[EAP][0]]
            radius.sendto(request.answer(code, said[EAP]), source)
        peer.wait(20)
    if said[EAP][0] != 3:
        return None
    keys = re.findall(r"Derived key - hexdump\(len=64\):((?: [0-9a-f]{2}){64})",
                      log.read_text(errors="replace"))
    return bytes.fromhex(keys[-1].replace(" ", ""))


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def inform(client, said, address):
    """What Windows asks inside its tunnel, and the answer's options."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, 50)
    raw.settimeout(5)
    spi = said[SA][8:12]
    message = struct.pack(">BBBBI", 1, 8, 6, 0, 0xcafe) + bytes(4) + address + bytes(12) + \
        bytes(16 + 64 + 128) + bytes.fromhex("63825363" "350108" "370c01030f062c2e2f1f2179f92b" "ff")
    udp = struct.pack(">HHHH", 68, 67, 8 + len(message), 0) + message
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 128, 17, 0) + address + b"\xff" * 4
    packet = head[:10] + struct.pack(">H", checksum(head)) + head[12:] + udp
    pad = -(len(packet) + 2) % 4
    text = packet + bytes(range(1, pad + 1)) + bytes([pad, 4])
    iv, front = bytes(7) + b"\1", spi + struct.pack(">I", 1)
    sealed = AESGCM(client.esp_out[:32]).encrypt(client.esp_out[32:] + iv, text, front)
    raw.sendto(front + iv + sealed, (client.server, 0))
    esp = raw.recv(65535)[20:]
    text = AESGCM(client.esp_in[:32]).decrypt(client.esp_in[32:] + esp[8:16], esp[16:], esp[:8])
    options, found = text[20 + 8 + 240:], {}
    while options[0] != 255:
        found[options[0]] = options[2:2 + options[1]].hex()
        options = options[2 + options[1]:]
    return found


def main():
    server, conf, is_windows = sys.argv[1], sys.argv[2], "--windows" in sys.argv
    client = Client(server, is_windows)
    client.knock()
    msk = talk(client, conf)
    if msk is None:
        print("refused")
        return
    said = client.prove(msk)
    if CP not in said:
        raise SystemExit(f"no inner address: {said}")
    attributes, config = {}, said[CP][4:]
    while config:
        kind, size = struct.unpack_from(">HH", config)
        attributes[kind & 0x7fff], config = config[4:4 + size], config[4 + size:]
    print("given", socket.inet_ntoa(attributes[1]))
    if 23456 in attributes:
        print("server", socket.inet_ntoa(attributes[23456]))
    if is_windows:
        for option, value in sorted(inform(client, said, attributes[1]).items()):
            print("dhcp", option, value)


if __name__ == "__main__":
    main()
