#!/usr/bin/env python3
"""The stored profiles as parsers that are not ours read them. Exit code 1 when one is not what the
device expects."""
import base64
import json
import plistlib
import sys
from pathlib import Path

SERVER, AUTHORITY = "vpn.example.org", "vpn.example.org CA"


def payload(profile, kind):
    return next(part for part in profile["PayloadContent"] if part["PayloadType"] == kind)


def check_apple(path, user, has_certificate):
    profile = plistlib.loads(path.read_bytes())
    uuids = {part["PayloadUUID"] for part in [profile, *profile["PayloadContent"]]}
    assert len(uuids) == 1 + len(profile["PayloadContent"])
    vpn = payload(profile, "com.apple.vpn.managed")
    ike = vpn["IKEv2"]
    assert ike["RemoteAddress"] == ike["RemoteIdentifier"] == SERVER
    assert ike["LocalIdentifier"] == user
    assert ike["ServerCertificateIssuerCommonName"] == AUTHORITY
    assert payload(profile, "com.apple.security.root")["PayloadContent"] == b"authority in DER"
    if has_certificate:
        certificate = payload(profile, "com.apple.security.pkcs12")
        assert ike["AuthenticationMethod"] == "Certificate"
        assert ike["CertificateType"] == "ECDSA256"
        assert ike["PayloadCertificateUUID"] == certificate["PayloadUUID"]
        assert certificate["PayloadContent"] == b"the PKCS #12"
        assert "IPv4" not in vpn
    else:
        assert ike["ExtendedAuthEnabled"] == 1 and ike["AuthName"] == user
        assert vpn["IPv4"] == {"OverridePrimary": 1}


def check_android(path, user, has_certificate):
    profile = json.loads(path.read_text())
    assert profile["remote"]["addr"] == SERVER
    assert base64.b64decode(profile["remote"]["cert"]) == b"authority in DER"
    if has_certificate:
        assert profile["type"] == "ikev2-cert" and profile["local"]["id"] == user
        assert base64.b64decode(profile["local"]["p12"]) == b"the PKCS #12"
        assert profile["split-tunneling"] == {"subnets": ["10.1.0.0/16", "2001:db8::/32"]}
    else:
        assert profile["type"] == "ikev2-eap" and profile["local"] == {"eap_id": user}


def main():
    folder = Path(sys.argv[1])
    check_apple(folder / "alice.mobileconfig", "alice", True)
    check_apple(folder / "bob.mobileconfig", "b<o>b & \"co\"", False)
    check_android(folder / "alice.sswan", "alice", True)
    check_android(folder / "bob.sswan", "b<o>b & \"co\"", False)


if __name__ == "__main__":
    main()
