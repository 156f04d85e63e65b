// AES-XCBC (RFC 3566) and AES-CMAC (RFC 4493): the chaining of CBC, and a mask on the last block.

#include <algorithm>

#include "base/error.h"
#include "crypto/openssl/ossl.h"

namespace caponier::crypto::ossl {

namespace {

using Block = std::array<std::byte, CbcMac::size>;

const EVP_CIPHER* aes_128_cbc() {
  static const Cipher algorithm{EVP_CIPHER_fetch(nullptr, "AES-128-CBC", nullptr)};
  return algorithm.get();
}

/// RFC 4493 s2.3: times x in GF(2^128).
Block doubled(const Block& block) {
  Block out{};
  unsigned carry = 0;
  for (std::size_t i = block.size(); i-- > 0;) {
    const unsigned octet = std::to_integer<unsigned>(block[i]) << 1;
    out[i] = static_cast<std::byte>((octet & 0xff) | carry);
    carry = octet >> 8;
  }
  out.back() ^= static_cast<std::byte>(carry * 0x87);
  return out;
}

void mask(Block& block, Bytes with) {
  for (std::size_t i = 0; i < block.size(); ++i) block[i] ^= with[i];
}

}  // namespace

bool CbcMac::rekey(Bytes key) {
  return EVP_EncryptInit_ex2(ctx_.get(), aes_128_cbc(), raw(key), nullptr, nullptr) == 1 &&
         EVP_CIPHER_CTX_set_padding(ctx_.get(), 0) == 1;
}

bool CbcMac::restart() {
  static constexpr Block zero{};
  used_ = 0;
  return EVP_EncryptInit_ex2(ctx_.get(), nullptr, nullptr, raw(Bytes{zero}), nullptr) == 1;
}

bool CbcMac::encrypt(Bytes blocks, MutBytes out) {
  int written = 0;
  return EVP_EncryptUpdate(ctx_.get(), raw(out), &written, raw(blocks), size_of(blocks)) == 1 &&
         written == size_of(blocks);
}

bool CbcMac::init(Kind kind, Bytes key) {
  ctx_.reset(EVP_CIPHER_CTX_new());
  if (key.size() != size || ctx_ == nullptr || aes_128_cbc() == nullptr || !rekey(key)) {
    return false;
  }
  const auto derive = [this](unsigned value, MutBytes out) {
    Block block;
    block.fill(static_cast<std::byte>(value));
    return restart() && encrypt(block, out);
  };
  base::Secret<size> derived;
  const MutBytes out = derived.reveal_mutable();
  if (kind == Kind::xcbc) {
    return derive(2, whole_.reveal_mutable()) && derive(3, padded_.reveal_mutable()) &&
           derive(1, out) && rekey(out);
  }
  if (!derive(0, out)) return false;
  Block block;
  base::copy_into(block, out);
  block = doubled(block);
  base::copy_into(whole_.reveal_mutable(), block);
  block = doubled(block);
  base::copy_into(padded_.reveal_mutable(), block);
  base::wipe(block);
  return true;
}

bool CbcMac::absorb(Bytes data) {
  std::array<std::byte, 512> chained;
  // The last block is special, so that one is always kept back.
  while (!data.empty()) {
    if (used_ == size) {
      if (!encrypt(block_, chained)) return false;
      used_ = 0;
    }
    std::size_t taken = std::min(size - used_, data.size());
    if (used_ == 0 && data.size() > size) {
      taken = std::min((data.size() - 1) / size * size, chained.size());
      if (!encrypt(data.first(taken), chained)) return false;
    } else {
      base::copy_into(MutBytes{block_}.subspan(used_, taken), data.first(taken));
      used_ += taken;
    }
    data = data.subspan(taken);
  }
  return true;
}

bool CbcMac::compute(std::span<const Bytes> parts, MutBytes out) {
  CAPONIER_ASSERT(out.size() >= size);
  if (!restart()) return false;
  for (const Bytes part : parts) {
    if (!absorb(part)) return false;
  }
  const bool is_whole = used_ == size;
  if (!is_whole) {
    std::ranges::fill(MutBytes{block_}.subspan(used_), std::byte{0});
    block_[used_] = std::byte{0x80};
  }
  mask(block_, is_whole ? whole_.reveal() : padded_.reveal());
  return encrypt(block_, out.first(size));
}

}  // namespace caponier::crypto::ossl
