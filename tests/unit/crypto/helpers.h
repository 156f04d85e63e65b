#pragma once
// Packets, generators and the list of back ends for the tests of crypto.

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/rng.h"
#include "crypto/crypto.h"
#include "crypto/openssl/provider.h"
#ifdef CAPONIER_HAS_IPSECMB
#include "crypto/ipsecmb/provider.h"
#endif

namespace caponier::crypto::test {

/// The back ends that give security, each named by name().
inline std::vector<const CryptoProvider*> real_providers() {
  static const OpensslProvider openssl;
#ifdef CAPONIER_HAS_IPSECMB
  static const IpsecMbProvider ipsecmb{openssl};
  return {&openssl, &ipsecmb};
#else
  return {&openssl};
#endif
}

inline std::vector<CipherSuite> all_suites() {
  std::vector<CipherSuite> suites;
  for (const EncrInfo& encr : all_encr()) {
    for (const std::uint16_t bits : std::array<std::uint16_t, 4>{0, 128, 192, 256}) {
      if (is_valid({encr.id, bits, IntegId::none})) suites.push_back({encr.id, bits});
      for (const IntegInfo& integ : all_integ()) {
        const CipherSuite suite{encr.id, bits, integ.id};
        if (is_valid(suite)) suites.push_back(suite);
      }
    }
  }
  return suites;
}

/// Gives out the same bytes on every call, from their start: an injected private value or IV.
class ReplayRng final : public base::Rng {
 public:
  explicit ReplayRng(ByteVec bytes) : bytes_(std::move(bytes)) {}
  void fill_public(MutBytes out) override { fill(out); }
  void fill_secret(MutBytes out) override { fill(out); }

 private:
  void fill(MutBytes out) const {
    for (std::size_t i = 0; i < out.size() && !bytes_.empty(); ++i) {
      out[i] = bytes_[i % bytes_.size()];
    }
  }
  ByteVec bytes_;
};

inline ByteVec random_bytes(base::Rng& rng, std::size_t size) {
  ByteVec bytes(size);
  rng.fill_public(bytes);
  return bytes;
}

inline ByteVec hex(std::string_view text) { return base::from_hex(text).value(); }

/// `bytes` without surplus leading zeros, or with missing ones, as big-endian numbers have them.
inline ByteVec resized(Bytes bytes, std::size_t size) {
  while (bytes.size() > size && bytes.front() == std::byte{0}) bytes = bytes.subspan(1);
  ByteVec out(size - std::min(size, bytes.size()));
  base::append(out, bytes);
  return out;
}

/// One packet in its own memory, and the job over it. Moving keeps the job valid.
struct Packet {
  ByteVec bytes;
  PacketJob job;

  Packet(Bytes header, Bytes iv, Bytes text, Bytes icv,
         std::optional<std::uint32_t> esn_high = std::nullopt) {
    for (const Bytes part : {header, iv, text, icv}) base::append(bytes, part);
    const MutBytes all{bytes};
    job.header = all.first(header.size());
    job.iv = all.subspan(header.size(), iv.size());
    job.text = all.subspan(header.size() + iv.size(), text.size());
    job.icv = all.last(icv.size());
    job.esn_high = esn_high;
    if (iv.size() == sizeof job.iv_counter) {
      job.iv_counter = base::load_be<std::uint64_t>(iv.data());
    }
  }
  Packet(Packet&&) = default;
  Packet& operator=(Packet&&) = default;
};

}  // namespace caponier::crypto::test
