#include "cli/setup/password.h"

#include <string_view>

namespace caponier::cli {

base::SecretBytes make_password(base::Rng& rng) {
  constexpr std::string_view alphabet = "abcdefghijkmnpqrstuvwxyz23456789";
  static_assert(256 % alphabet.size() == 0);  // every character is as likely as the others
  constexpr std::size_t size = 20;
  constexpr std::size_t group = 5;
  base::Secret<size> octets;
  rng.fill_secret(octets.reveal_mutable());
  base::SecretBytes out{size + size / group - 1};
  std::size_t at = 0;
  for (std::size_t i = 0; i < size; ++i) {
    if (i > 0 && i % group == 0) out.reveal_mutable()[at++] = std::byte{'-'};
    const auto index = std::to_integer<std::size_t>(octets.reveal()[i]) % alphabet.size();
    out.reveal_mutable()[at++] = static_cast<std::byte>(alphabet[index]);
  }
  return out;
}

}  // namespace caponier::cli
