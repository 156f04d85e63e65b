#!/usr/bin/env python3
"""An HTTP server of an authority: its CRL and other files, and OCSP answers made by
python3-cryptography.

  status_server.py FOLDER PORT

FOLDER holds ca.pem, ca.key, ca.crl, `revoked` (serial numbers, one a line) and `mode`, which may be
good, hang, drip, big, loop or wrong, and may change at any time. Every request is a line of output.
"""
import datetime
import http.server
import sys
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

FOLDER = Path(sys.argv[1])


def ocsp_answer(body):
    request = ocsp.load_der_ocsp_request(body)
    ca = x509.load_pem_x509_certificate((FOLDER / "ca.pem").read_bytes())
    key = serialization.load_pem_private_key((FOLDER / "ca.key").read_bytes(), None)
    revoked = {int(line) for line in (FOLDER / "revoked").read_text().split()}
    now = datetime.datetime.utcnow()
    is_revoked = request.serial_number in revoked
    answer = ocsp.OCSPResponseBuilder().add_response_by_hash(
        issuer_name_hash=request.issuer_name_hash, issuer_key_hash=request.issuer_key_hash,
        serial_number=request.serial_number, algorithm=request.hash_algorithm,
        cert_status=ocsp.OCSPCertStatus.REVOKED if is_revoked else ocsp.OCSPCertStatus.GOOD,
        this_update=now - datetime.timedelta(minutes=1),
        next_update=now + datetime.timedelta(hours=1),
        revocation_time=now - datetime.timedelta(hours=1) if is_revoked else None,
        revocation_reason=None).responder_id(ocsp.OCSPResponderEncoding.HASH, ca)
    return answer.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, form, *arguments):
        print(form % arguments, flush=True)

    def answer(self, make):
        mode = (FOLDER / "mode").read_text().strip()
        if mode == "loop":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        body = b"<html>no</html>" if mode == "wrong" else make()
        self.send_response(200)
        if mode == "hang":
            time.sleep(60)
        self.send_header("Content-Length", str(100 << 20 if mode == "big" else len(body)))
        self.end_headers()
        for octet in body if mode == "drip" else ():
            self.wfile.write(bytes([octet]))
            self.wfile.flush()
            time.sleep(2)
        self.wfile.write(body)
        for _ in range(100 if mode == "big" else 0):
            self.wfile.write(bytes(1 << 20))

    def do_GET(self):
        self.answer((FOLDER / Path(self.path).name).read_bytes)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(lambda: ocsp_answer(body))


print("ready", flush=True)
http.server.ThreadingHTTPServer(("", int(sys.argv[2])), Handler).serve_forever()
