// The peer's AUTH payload. Input: an octet that chooses the key, one for the method, and the data.

#include "fuzz/pki_fixture.h"

namespace {

using namespace caponier;

const std::vector<pki::PublicKey>& keys() {
  static const std::vector<pki::PublicKey> all = [] {
    std::vector<pki::PublicKey> made;
    for (const std::string_view hex :
         {fuzz::root_key_hex, fuzz::ed25519_key_hex, fuzz::rsa_key_hex}) {
      made.push_back(pki::ossl::examine(fuzz::fixed_key(hex).get()).value());
    }
    return made;
  }();
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const pki::PublicKey& key = keys()[data[0] % keys().size()];
  const wire::AuthPayload auth{static_cast<wire::AuthMethod>(data[1]),
                               base::to_vec(fuzz::bytes_of(data, size).subspan(2))};
  const base::Bytes octets = base::as_bytes("octets");
  const auto strict = pki::OpensslPki{}.verify({octets, auth, key});
  const auto lax = pki::OpensslPki{}.verify({octets, auth, key, true});
  for (const auto& result : {strict, lax}) {
    fuzz::require(result ? pki::fits(key.kind, *result) : !result.error().text.empty(),
                  "the scheme fits the key, or there is a sentence");
  }
  fuzz::require(!strict || lax, "what is accepted strictly is accepted with SHA-1 allowed");
  fuzz::require(!strict || *strict != pki::SignatureScheme::rsa_pkcs1_sha1,
                "SHA-1 is accepted where it is allowed alone");
  const auto other = pki::OpensslPki{}.verify({base::as_bytes("other octets"), auth, key, true});
  fuzz::require(!(lax && other), "a signature is over one text");
  return 0;
}
