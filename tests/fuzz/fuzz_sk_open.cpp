// MessageProtection::open with the null provider. The first octet picks the suite and what the rest
// is: a whole datagram, or the text of an SK payload that is then sealed, so that the fuzzer gets
// behind the integrity check.

#include <array>
#include <span>

#include "crypto/null/provider.h"
#include "fuzz/fuzz.h"
#include "ike/protection.h"

namespace {

using namespace caponier;
using base::Bytes;
using base::ByteVec;
using base::MutBytes;
using crypto::EncrId;
using crypto::IntegId;
using fuzz::require;
using OpenError = ike::MessageProtection::OpenError;

constexpr std::array suites = {
    crypto::CipherSuite{EncrId::aes_gcm_16, 256, IntegId::none},
    crypto::CipherSuite{EncrId::chacha20_poly1305, 0, IntegId::none},
    crypto::CipherSuite{EncrId::aes_cbc, 128, IntegId::hmac_sha2_256_128},
    crypto::CipherSuite{EncrId::aes_ctr, 256, IntegId::hmac_sha2_512_256},
};

ike::IkeKeys zero_keys(const crypto::CipherSuite& cipher) {
  ike::IkeKeys keys;
  keys.sk_ei = base::SecretBytes{crypto::encr_key_size(cipher)};
  keys.sk_er = base::SecretBytes{crypto::encr_key_size(cipher)};
  keys.sk_ai = base::SecretBytes{crypto::integ_key_size(cipher)};
  keys.sk_ar = base::SecretBytes{crypto::integ_key_size(cipher)};
  return keys;
}

/// Empty when the text cannot be sealed: no whole blocks, or too long.
ByteVec sealed(const crypto::CipherSuite& suite, const ike::IkeKeys& keys, base::Rng& rng,
               wire::PayloadType first, Bytes text) {
  const auto cipher = crypto::NullProvider{nullptr}
                          .make_cipher(suite, keys.sk_ei.reveal(), keys.sk_ai.reveal(), rng)
                          .value();
  const std::size_t body_size = cipher->iv_size() + text.size() + cipher->icv_size();
  wire::SkPayload sk{first, ByteVec(body_size)};
  base::copy_into(MutBytes{sk.body}.subspan(cipher->iv_size()), text);
  wire::IkeMessage message;
  message.payloads.emplace_back(std::move(sk));
  auto datagram = message.encode();
  if (!datagram) return {};
  const MutBytes all{*datagram};
  const std::size_t body_at = all.size() - body_size;
  crypto::PacketJob job;
  job.header = all.first(body_at);
  job.iv = all.subspan(body_at, cipher->iv_size());
  job.text = all.subspan(body_at + cipher->iv_size(), text.size());
  job.icv = all.last(cipher->icv_size());
  cipher->seal(std::span{&job, 1});
  return job.ok ? *datagram : ByteVec{};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const Bytes input = fuzz::bytes_of(data, size);
  const policy::IkeSuite suite{suites[data[0] % suites.size()], crypto::PrfId::hmac_sha2_256,
                               crypto::KeGroup::curve25519};
  const bool seal_it = (data[0] & 0x80) != 0;
  base::SeededRng rng{1};
  const crypto::NullProvider crypto{nullptr};
  const ike::IkeKeys keys = zero_keys(suite.cipher);
  const auto make = [&](bool is_initiator) {
    ike::IkeKeys taken = zero_keys(suite.cipher);
    return ike::MessageProtection::make(crypto, suite, taken, is_initiator, rng).value();
  };
  auto responder = make(false);
  auto initiator = make(true);

  ByteVec datagram = base::to_vec(input.subspan(1));
  if (seal_it) {
    const auto first = static_cast<wire::PayloadType>(data[1]);
    datagram = sealed(suite.cipher, keys, rng, first, input.subspan(2));
    if (datagram.empty()) return 0;
  }
  const auto opened = responder.open(datagram);
  if (!opened) {
    const bool is_inner_error = opened.error() == OpenError::bad_inner;
    // A text without even a pad length cannot pass for an authentic one.
    require(!seal_it || size == 2 || is_inner_error, "what was sealed is authentic");
    return 0;
  }
  const auto again = initiator.seal({}, *opened);
  if (!again) return 0;  // a body that only just fitted without our padding
  const auto reopened = responder.open(*again);
  require(reopened.has_value() && *reopened == *opened, "open(seal(x)) == x");
  return 0;
}
