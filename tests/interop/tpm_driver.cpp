// Loads a key of a TPM and signs with it: tpm_driver NAME [FILE]. NAME is "handle:0x81000000", or
// with FILE anything.

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "pki/openssl/ossl.h"
#include "pki/openssl/provider.h"

namespace {

using namespace caponier;

void say(const std::string& text) { static_cast<void>(std::puts(text.c_str())); }

/// Each scheme that the key says it can make is made and checked.
int try_all(pki::Signer& signer) {
  using enum pki::SignatureScheme;
  const pki::ossl::Pkey key = pki::ossl::parse_public_key(signer.public_key().spki);
  say("key " + std::string{pki::name_of(signer.public_key().kind)});
  const auto octets = base::as_bytes("what is signed");
  for (const auto scheme : {rsa_pkcs1_sha2_256, rsa_pkcs1_sha2_384, rsa_pss_sha2_256,
                            ecdsa_sha2_256, ecdsa_concatenated}) {
    if (!signer.can(scheme)) continue;
    const auto made = signer.sign(scheme, octets);
    if (!made || !pki::ossl::is_signature(key.get(), scheme, 32, octets, *made)) return 1;
    say("signed " + std::string{pki::name_of(scheme)});
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::string content;
  if (argc > 2) {
    std::ifstream file{argv[2]};
    content.assign(std::istreambuf_iterator<char>{file}, {});
  }
  const pki::OpensslPki pki;
  const auto credential = pki.load_credential({.key = {argv[1], base::as_bytes(content)}});
  if (!credential) {
    say(credential.error().to_string());
    return 1;
  }
  return try_all(*credential->signer);
}
