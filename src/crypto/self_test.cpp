#include "crypto/self_test.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "crypto/self_test_vectors.h"

namespace caponier::crypto {

namespace {

using Outcome = std::expected<void, std::string>;

Outcome wrong(std::string_view algorithm, std::string_view what) {
  return std::unexpected{std::string{algorithm} + ": " + std::string{what}};
}

ByteVec bytes_of(std::string_view hex) {
  auto bytes = base::from_hex(hex);
  CAPONIER_ASSERT(bytes.has_value());
  return std::move(*bytes);
}

/// Gives out the same bytes for ever, from their start on every call.
class ReplayRng final : public base::Rng {
 public:
  explicit ReplayRng(Bytes bytes) : bytes_(bytes) {}
  void fill_public(MutBytes out) override { fill(out); }
  void fill_secret(MutBytes out) override { fill(out); }

 private:
  void fill(MutBytes out) const {
    for (std::size_t i = 0; i < out.size() && !bytes_.empty(); ++i) {
      out[i] = bytes_[i % bytes_.size()];
    }
  }
  Bytes bytes_;
};

/// header | iv | text | icv in one buffer, as a job over it.
struct Packet {
  ByteVec bytes;
  PacketJob job;

  Packet(const CipherCase& known, std::string_view text_and_icv, std::size_t icv_size) {
    bytes = bytes_of(known.header);
    const std::size_t header_size = bytes.size();
    const ByteVec iv = bytes_of(known.iv);
    base::append(bytes, iv);
    base::append(bytes, bytes_of(text_and_icv));
    const MutBytes rest = MutBytes{bytes}.subspan(header_size);
    job.header = Bytes{bytes}.first(header_size);
    job.esn_high = known.esn_high;
    job.iv = rest.first(iv.size());
    job.text = rest.subspan(iv.size(), rest.size() - iv.size() - icv_size);
    job.icv = rest.last(icv_size);
    if (iv.size() == sizeof(job.iv_counter)) {
      job.iv_counter = base::load_be<std::uint64_t>(iv.data());
    }
  }
};

Outcome test_cipher(const CryptoProvider& provider, const CipherCase& known) {
  const std::string name = to_string(known.suite);
  const ByteVec iv = bytes_of(known.iv);
  ReplayRng rng{iv};
  auto cipher =
      provider.make_cipher(known.suite, bytes_of(known.encr_key), bytes_of(known.integ_key), rng);
  if (!cipher) return wrong(name, name_of(cipher.error()));
  const std::size_t icv_size = (*cipher)->icv_size();

  const std::string room(icv_size * 2, '0');
  Packet sealed{known, std::string{known.plaintext} + room, icv_size};
  (*cipher)->seal({&sealed.job, 1});
  const Packet expected{known, known.sealed, icv_size};
  if (!sealed.job.ok || !base::equal(sealed.bytes, expected.bytes)) return wrong(name, "seal");

  (*cipher)->open({&sealed.job, 1});
  if (!sealed.job.ok || !base::equal(sealed.job.text, bytes_of(known.plaintext))) {
    return wrong(name, "open");
  }
  Packet forged{known, known.sealed, icv_size};
  forged.job.icv.back() ^= std::byte{1};
  (*cipher)->open({&forged.job, 1});
  if (forged.job.ok) return wrong(name, "a forgery was accepted");
  return {};
}

Outcome test_prf(const CryptoProvider& provider, const PrfCase& known) {
  const std::string_view name = find(known.prf)->name;
  const auto prf = provider.make_prf(known.prf);
  if (!prf) return wrong(name, name_of(prf.error()));
  const std::array parts{base::as_bytes("what do ya want "), base::as_bytes("for nothing?")};
  const SecretBytes out = (*prf)->compute(base::as_bytes("Jefe"), parts);
  if (!base::equal(out.reveal(), bytes_of(known.out))) return wrong(name, "output");
  return {};
}

Outcome test_prf_plus(const CryptoProvider& provider) {
  const auto prf = provider.make_prf(PrfId::hmac_sha2_256);
  if (!prf) return wrong("prf+", name_of(prf.error()));
  const ByteVec seed = bytes_of(prf_plus_seed);
  const ByteVec expected = bytes_of(prf_plus_out);
  const std::array<Bytes, 1> parts{seed};
  const auto out = prf_plus(**prf, bytes_of(prf_plus_key), parts, expected.size());
  if (!out || !base::equal(out->reveal(), expected)) return wrong("prf+", "output");
  return {};
}

bool is_known(const CryptoProvider& provider, Bytes value, std::string_view known_hex) {
  const ByteVec known = bytes_of(known_hex);
  if (known.size() != nat_hash_size()) return base::equal(value, known);
  return base::equal(provider.nat_hash({&value, 1}), known);
}

Outcome test_key_exchange(const CryptoProvider& provider, const KeyExchangeCase& known) {
  const KeInfo& info = *find(known.group);
  const ByteVec private_value = bytes_of(known.private_value);
  ReplayRng rng{private_value};
  const auto exchange = provider.make_key_exchange(known.group, rng);
  if (!exchange) return wrong(info.name, name_of(exchange.error()));
  if (!is_known(provider, (*exchange)->public_value(), known.public_value)) {
    return wrong(info.name, "public value");
  }
  ByteVec peer(info.public_size);
  const ByteVec significant = bytes_of(known.peer_public);
  base::copy_into(MutBytes{peer}.last(significant.size()), significant);
  const auto shared = (*exchange)->derive(peer);
  if (!shared || !is_known(provider, shared->reveal(), known.shared)) {
    return wrong(info.name, "shared secret");
  }
  if ((*exchange)->derive(ByteVec(info.public_size))) {
    return wrong(info.name, "an invalid public value was accepted");
  }
  return {};
}

Outcome test_nat_hash(const CryptoProvider& provider) {
  const std::array parts{base::as_bytes("a"), base::as_bytes("bc")};  // FIPS 180-4, "abc"
  const ByteVec known = bytes_of("a9993e364706816aba3e25717850c26c9cd0d89d");
  if (!base::equal(provider.nat_hash(parts), known)) return wrong("sha1", "output");
  return {};
}

}  // namespace

std::expected<void, std::string> self_test(const CryptoProvider& provider) {
  TRY_VOID(test_nat_hash(provider));
  for (const PrfCase& known : prf_cases) {
    if (provider.supports(known.prf)) TRY_VOID(test_prf(provider, known));
  }
  if (provider.supports(PrfId::hmac_sha2_256)) TRY_VOID(test_prf_plus(provider));
  for (const CipherCase& known : cipher_cases) {
    if (provider.supports(known.suite)) TRY_VOID(test_cipher(provider, known));
  }
  for (const KeyExchangeCase& known : key_exchange_cases) {
    if (provider.supports(known.group)) TRY_VOID(test_key_exchange(provider, known));
  }
  return {};
}

}  // namespace caponier::crypto
