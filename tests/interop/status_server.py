#!/usr/bin/env python3
"""An HTTP server of an authority: its CRL and other files, and OCSP answers made by `openssl`.

  status_server.py FOLDER PORT

FOLDER holds ca.pem, ca.key, ca.crl, `revoked` (serial numbers, one a line) and `mode`, which may be
good, hang, drip, big, loop or wrong, and may change at any time. Every request is a line of output.
"""
import http.server
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.x509 import ocsp

FOLDER = Path(sys.argv[1])


def ocsp_answer(body):
    serial = ocsp.load_der_ocsp_request(body).serial_number
    revoked = {int(line) for line in (FOLDER / "revoked").read_text().split()}
    word, when = ("R", "200101000000Z") if serial in revoked else ("V", "")
    digits = f"{serial:X}"
    digits = digits.zfill(len(digits) + len(digits) % 2)
    with tempfile.TemporaryDirectory() as folder:
        index, asked, answer = (Path(folder) / name for name in ("index", "asked", "answer"))
        index.write_text(f"{word}\t491231235959Z\t{when}\t{digits}\tunknown\t/CN=somebody\n")
        asked.write_bytes(body)
        subprocess.run(["openssl", "ocsp", "-index", index, "-CA", FOLDER / "ca.pem",
                        "-rsigner", FOLDER / "ca.pem", "-rkey", FOLDER / "ca.key",
                        "-reqin", asked, "-respout", answer, "-nmin", "60"],
                       check=True, capture_output=True)
        return answer.read_bytes()


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
