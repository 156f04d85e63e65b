#include "config/strength.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/secret.h"

namespace caponier::config {

namespace {

/// What everybody tries first; a secret that continues one of these is not surprising.
constexpr std::string_view notorious =
    "abcdefghijklmnopqrstuvwxyz zyxwvutsrqponmlkjihgfedcba 01234567890 09876543210 qwertyuiop "
    "asdfghjkl zxcvbnm qwertz azerty 1qaz2wsx3edc password passw0rd p@ssw0rd secret letmein "
    "changeme welcome admin caponier strongswan ipsec tunnel presharedkey";

/// The characters of a secret, wiped at the end. Never grows, so that no copy stays behind.
class Symbols {
 public:
  explicit Symbols(std::size_t size_max) { values_.reserve(size_max); }
  Symbols(const Symbols&) = delete;
  Symbols& operator=(const Symbols&) = delete;
  Symbols(Symbols&&) noexcept = default;
  Symbols& operator=(Symbols&&) = delete;
  ~Symbols() { base::wipe(std::as_writable_bytes(std::span{values_})); }

  void add(std::uint32_t symbol) { values_.push_back(symbol); }
  [[nodiscard]] std::size_t size() const { return values_.size(); }
  [[nodiscard]] std::uint32_t operator[](std::size_t i) const { return values_[i]; }
  [[nodiscard]] std::size_t count_distinct() {
    std::ranges::sort(values_);
    return static_cast<std::size_t>(std::ranges::unique(values_).begin() - values_.begin());
  }

 private:
  std::vector<std::uint32_t> values_;
};

bool is_digit(std::uint32_t c) { return c >= '0' && c <= '9'; }
bool is_lower(std::uint32_t c) { return c >= 'a' && c <= 'z'; }
bool is_upper(std::uint32_t c) { return c >= 'A' && c <= 'Z'; }
std::uint32_t to_lower(std::uint32_t c) { return is_upper(c) ? c + ('a' - 'A') : c; }

/// Code points of UTF-8; empty when the bytes are something else.
std::optional<Symbols> decode_utf8(base::Bytes secret) {
  Symbols symbols{secret.size()};
  for (std::size_t i = 0; i < secret.size();) {
    const auto lead = std::to_integer<std::uint32_t>(secret[i++]);
    std::size_t more = 0;
    if (lead >= 0xf0 && lead < 0xf8) {
      more = 3;
    } else if (lead >= 0xe0) {
      more = 2;
    } else if (lead >= 0xc0) {
      more = 1;
    }
    if (lead >= 0xf8 || (lead >= 0x80 && more == 0) || secret.size() - i < more) {
      return std::nullopt;
    }
    std::uint32_t symbol = more == 0 ? lead : lead & (0x3fU >> more);
    for (; more > 0; --more) {
      const auto next = std::to_integer<std::uint32_t>(secret[i++]);
      if ((next & 0xc0) != 0x80) return std::nullopt;
      symbol = symbol << 6 | (next & 0x3f);
    }
    symbols.add(symbol);
  }
  return symbols;
}

Symbols as_octets(base::Bytes secret) {
  Symbols symbols{secret.size()};
  for (const std::byte octet : secret) symbols.add(std::to_integer<std::uint32_t>(octet));
  return symbols;
}

bool is_base64(std::uint32_t c) {
  return is_digit(c) || is_lower(c) || is_upper(c) || c == '+' || c == '/' || c == '-' || c == '_';
}

bool is_hex(std::uint32_t c) { return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f'); }

/// Over how many characters whoever made this secret seems to have drawn.
double alphabet_size(const Symbols& symbols) {
  bool digit = false;
  bool lower = false;
  bool upper = false;
  bool mark = false;
  bool control = false;
  bool foreign = false;
  bool hex = true;
  bool base64 = true;
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const std::uint32_t c = symbols[i];
    const bool padding = c == '=' && i + 2 >= symbols.size();
    hex = hex && is_hex(c);
    base64 = base64 && (is_base64(c) || padding);
    if (is_digit(c)) {
      digit = true;
    } else if (is_lower(c)) {
      lower = true;
    } else if (is_upper(c)) {
      upper = true;
    } else if (c < 0x20 || c == 0x7f) {
      control = true;
    } else if (c < 0x7f) {
      mark = true;
    } else {
      foreign = true;
    }
  }
  const double size = (digit ? 10 : 0) + (lower ? 26 : 0) + (upper ? 26 : 0) + (mark ? 33 : 0) +
                      (control ? 33 : 0) + (foreign ? 128 : 0);
  if (hex) return std::min(size, 16.0);
  // A short base64 string may lack digits and marks by chance.
  return base64 && lower && upper ? 64 : size;
}

/// How many of the characters are news: what repeats earlier characters or a notorious string, at a
/// length that chance would hardly produce, counts as one.
std::size_t count_unexplained(const Symbols& symbols, double alphabet) {
  constexpr double chance_bits = 22;
  // Matches disregard case, which leaves fewer characters to hit by chance.
  const double folded = alphabet > 52 ? alphabet - 26 : alphabet;
  const auto length_min = static_cast<std::size_t>(std::ceil(chance_bits / std::log2(folded)));
  Symbols history{notorious.size() + symbols.size()};
  for (const char c : notorious) history.add(static_cast<unsigned char>(c));
  for (std::size_t i = 0; i < symbols.size(); ++i) history.add(to_lower(symbols[i]));
  std::size_t count = 0;
  for (std::size_t at = notorious.size(); at < history.size(); ++count) {
    std::size_t longest = 0;
    for (std::size_t from = 0; from < at; ++from) {
      std::size_t length = 0;
      while (at + length < history.size() && history[from + length] == history[at + length]) {
        ++length;
      }
      longest = std::max(longest, length);
    }
    at += longest >= length_min ? longest : 1;
  }
  return count;
}

/// The bits of a phrase of words ("correct horse battery staple"), as drawn from a list of 7776;
/// empty when the secret does not look like one.
std::optional<double> phrase_bits(std::string_view text) {
  constexpr double bits_per_word = 12.9;
  constexpr double bits_per_digit = 3.3;
  std::vector<std::string_view> words;
  double bits = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(" -_.,:;"), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) continue;
    if (std::ranges::all_of(part, [](char c) { return is_digit(static_cast<unsigned char>(c)); })) {
      bits += bits_per_digit * static_cast<double>(part.size());
    } else if (std::ranges::all_of(
                   part.substr(1),
                   [](char c) { return is_lower(static_cast<unsigned char>(c)); }) &&
               (is_lower(static_cast<unsigned char>(part[0])) ||
                is_upper(static_cast<unsigned char>(part[0])))) {
      words.push_back(part);
    } else {
      return std::nullopt;
    }
  }
  if (words.size() < 2) return std::nullopt;
  std::ranges::sort(words);
  const auto distinct = std::ranges::unique(words).begin() - words.begin();
  return bits + bits_per_word * static_cast<double>(distinct);
}

}  // namespace

unsigned estimate_entropy_bits(base::Bytes secret) {
  if (secret.empty()) return 0;
  std::optional<Symbols> text = decode_utf8(secret);
  const bool binary = !text;
  Symbols symbols = binary ? as_octets(secret) : std::move(*text);
  const double alphabet = binary ? 256.0 : alphabet_size(symbols);
  const double length = static_cast<double>(symbols.size());
  const std::size_t unexplained = count_unexplained(symbols, alphabet);

  // Far fewer different characters than so many draws would bring: those few are the alphabet.
  const double expected_distinct = alphabet * (1 - std::pow(1 - 1 / alphabet, length));
  const auto distinct = static_cast<double>(symbols.count_distinct());
  const double bits_each = std::log2(distinct < 0.7 * expected_distinct ? distinct : alphabet);

  double bits = bits_each * static_cast<double>(unexplained);
  if (const auto phrase = phrase_bits(base::as_text(secret))) bits = std::min(bits, *phrase);
  return static_cast<unsigned>(bits);
}

}  // namespace caponier::config
