#pragma once
// What must not leave the house, taken out of a text: secrets by their values in any of the usual
// spellings, and by the names of keys; addresses by numbers, if that is wanted.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"

namespace caponier::cli {

inline constexpr std::string_view redacted = "[redacted]";
/// A shorter value is a word like any other, and is found by the name of its key alone.
inline constexpr std::size_t secret_size_min = 4;

class Redaction {
 public:
  /// Its octets, also as hexadecimal and as base 64, wherever they begin in that.
  void add_secret(base::Bytes value);
  /// A file of keys: each of its lines, and its octets when it is no text.
  void add_key_file(base::Bytes content);
  [[nodiscard]] std::string apply(std::string_view text) const;

 private:
  void add_pattern(std::string_view pattern);
  std::vector<base::SecretBytes> patterns_;  ///< the longest first
};

/// The value of `key = value` and `key: value` where the key is one of secrets, unless the value is
/// a reference ("@name", "cred:name"); and what stands in a PEM block of a private key.
[[nodiscard]] std::string without_named_secrets(std::string_view text);

/// Each address, IPv4, IPv6 or MAC, has a number; the same one wherever it stands.
class AddressHider {
 public:
  [[nodiscard]] std::string apply(std::string_view text);

 private:
  [[nodiscard]] const std::string& word_for(std::string_view kind, const std::string& address);
  std::map<std::string, std::string> words_;
  std::map<std::string, unsigned, std::less<>> counts_;
};

}  // namespace caponier::cli
