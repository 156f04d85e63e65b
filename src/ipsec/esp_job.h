#pragma once
// What a cipher is told of a packet in ESP.

#include <cstddef>
#include <cstdint>

#include "crypto/crypto.h"
#include "ipsec/sa.h"
#include "wire/esp.h"

namespace caponier::ipsec {

/// `text` octets behind SPI, sequence number and IV at `esp`, and the ICV behind them, to be sealed
/// or opened.
inline void set_esp_job(crypto::PacketJob& job, std::byte* esp, std::size_t text, const Sa& sa,
                        std::uint64_t sequence) {
  const EspShape shape = sa.shape;
  std::byte* const iv = esp + wire::esp_header_size;
  std::byte* const begin = iv + shape.iv;
  job.header = {esp, wire::esp_header_size};
  job.esn_high = static_cast<std::uint32_t>(sequence >> 32);
  if (!sa.esn) job.esn_high.reset();
  job.iv = {iv, shape.iv};
  job.text = {begin, text};
  job.icv = {begin + text, shape.icv};
  job.iv_counter = sequence;
  job.ok = false;
}

}  // namespace caponier::ipsec
