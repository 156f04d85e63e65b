// A peer's CERT payloads. Input: an octet of options, then blocks of an octet (what it is, and
// whether we sign it for the peer, so that its fields are looked at), a length of two, and content.

#include <algorithm>
#include <array>

#include "fuzz/pki_fixture.h"

namespace {

using namespace caponier;

constexpr std::uint8_t encoding_mask = 0x0f;
constexpr std::uint8_t sign_bit = 0x80;

const fuzz::Pair& pair() {
  static const fuzz::Pair made;
  return made;
}

/// Signed by the root, if it is a certificate.
base::ByteVec signed_by_root(base::Bytes der) {
  const auto certificate = pki::ossl::object_of<pki::ossl::X509Ptr>(der, d2i_X509);
  if (certificate == nullptr ||
      X509_sign(certificate.get(), pair().root_key.get(), EVP_sha256()) <= 0) {
    return base::to_vec(der);
  }
  return pki::ossl::der_of(certificate.get(), i2d_X509);
}

struct Input {
  std::uint8_t options = 0;
  std::vector<wire::CertPayload> certs;
  bool any_signed = false;
};

Input read(base::Bytes bytes) {
  Input input;
  base::Reader in{bytes};
  input.options = in.u8("options").value_or(0);
  while (in.remaining() > 0) {
    const auto what = in.u8("what");
    const auto size = in.u16("size");
    if (!what || !size) break;
    const auto content = in.take(std::min<std::size_t>(*size, in.remaining()), "content");
    const bool is_signed = (*what & sign_bit) != 0;
    input.any_signed = input.any_signed || is_signed;
    input.certs.push_back({static_cast<std::uint8_t>(*what & encoding_mask),
                           is_signed ? signed_by_root(*content) : base::to_vec(*content)});
  }
  return input;
}

policy::Identity identity_of(std::uint8_t options) {
  constexpr std::array<std::string_view, 4> names{"gw.example.org", "192.0.2.1", "a@example.org",
                                                  "keyid:00"};
  if ((options & 4) != 0) return pki::OpensslPki{}.parse_name("CN=L").value();
  return policy::Identity::parse(names[options & 3]);
}

void check(const pki::Verdict& verdict, bool any_signed) {
  if (const auto* const refused = std::get_if<pki::Refused>(&verdict)) {
    fuzz::require(!refused->text.empty(), "a refusal has a sentence");
    fuzz::require(refused->reason != pki::Refusal::internal, "a peer causes no internal failure");
    return;
  }
  fuzz::require(any_signed, "what no authority signed is neither trusted nor fetched for");
  if (const auto* const trusted = std::get_if<pki::Trusted>(&verdict)) {
    fuzz::require(trusted->chain.size() >= 2 && trusted->anchor == "root", "a chain has an anchor");
    fuzz::require(!trusted->leaf.key.spki.empty(), "a trusted leaf has a key");
    return;
  }
  for (const pki::Fetch& fetch : std::get<pki::NeedsFetch>(verdict).fetches) {
    fuzz::require(fetch.url.starts_with("http://") && fetch.url.size() <= pki::url_size_max,
                  "only HTTP is fetched");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Input input = read(fuzz::bytes_of(data, size));
  const auto store = pair().make_store();
  const policy::Identity identity = identity_of(input.options);
  check(store->verify({.identity = identity,
                       .certs = input.certs,
                       .now = fuzz::now,
                       .revocation = static_cast<pki::Revocation>((input.options >> 4) % 3),
                       .purpose = static_cast<pki::Purpose>(input.options >> 6),
                       .anchors = {},
                       .required_policies = {},
                       .may_fetch = (input.options & 8) != 0}),
        // The pair's own leaf is in the corpus, signed.
        input.any_signed || std::ranges::any_of(input.certs, [](const wire::CertPayload& cert) {
          const auto one = pki::ossl::parse_certificate(cert.data);
          return one != nullptr && X509_verify(one.get(), pair().root_key.get()) == 1;
        }));
  return 0;
}
