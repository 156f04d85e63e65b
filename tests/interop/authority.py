"""A certificate authority of the day: keys and certificates for the lab's hosts."""
import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

KINDS = {"rsa": lambda: rsa.generate_private_key(65537, 2048),
         "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
         "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
         "ed25519": ed25519.Ed25519PrivateKey.generate}


def pem_of_key(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption()).decode()


def raw_key(key):
    """As peer_key wants it."""
    import base64
    spki = key.public_key().public_bytes(serialization.Encoding.DER,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)
    return "cv1:" + base64.b64encode(spki).decode()


def name(text, unit=None):
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
    return x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, text)])


def alternative(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.RFC822Name(text) if "@" in text else x509.DNSName(text)


def status_extensions(crl, ocsp):
    extensions = []
    if crl:
        extensions.append((x509.CRLDistributionPoints([x509.DistributionPoint(
            [x509.UniformResourceIdentifier(crl)], None, None, None)]), False))
    if ocsp:
        extensions.append((x509.AuthorityInformationAccess([x509.AccessDescription(
            x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))]), False))
    return extensions


class Authority:
    def __init__(self, title="Lab CA", kind="p256"):
        self.key, self.name = KINDS[kind](), name(title)
        self.certificate = self._sign(self.name, self.key.public_key(), [
            (x509.BasicConstraints(ca=True, path_length=1), True),
            (x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)])
        self.revoked = []

    def _sign(self, subject, public_key, extensions, days=(-1, 30)):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
                   .public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(now + datetime.timedelta(days=days[0]))
                   .not_valid_after(now + datetime.timedelta(days=days[1])))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        is_eddsa = isinstance(self.key, ed25519.Ed25519PrivateKey)
        return builder.sign(self.key, None if is_eddsa else hashes.SHA256())

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, who, kind="p256", server=False, days=(-1, 30), unit=None, crl=None, ocsp=None,
              policy=None):
        """(certificate, key), both PEM. `crl`, `ocsp`: URLs where its status is to be had."""
        key = KINDS[kind]()
        usage = Usage.SERVER_AUTH if server else Usage.CLIENT_AUTH
        policies = [] if policy is None else [(x509.CertificatePolicies(
            [x509.PolicyInformation(x509.ObjectIdentifier(policy), None)]), False)]
        certificate = self._sign(name(who, unit), key.public_key(), [
            *policies,
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.SubjectAlternativeName([alternative(who)]), False),
            (x509.ExtendedKeyUsage([usage]), False), *status_extensions(crl, ocsp)], days)
        return certificate.public_bytes(serialization.Encoding.PEM).decode(), pem_of_key(key)

    def revoke(self, certificate_pem):
        self.revoked.append(x509.load_pem_x509_certificate(certificate_pem.encode()).serial_number)

    @property
    def crl(self):
        now = datetime.datetime.utcnow()
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.name)
                   .last_update(now - datetime.timedelta(days=1))
                   .next_update(now + datetime.timedelta(days=7)))
        for serial in self.revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial)
                .revocation_date(now - datetime.timedelta(hours=1)).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(
            serialization.Encoding.PEM).decode()
