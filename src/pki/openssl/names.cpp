// Distinguished names: their text, their comparison, and patterns of them.

#include <array>

#include <fmt/format.h>

#include "base/error.h"
#include "pki/openssl/ossl.h"
#include "pki/openssl/provider.h"

namespace caponier::pki::ossl {

namespace {

constexpr std::size_t name_text_size_max = 2048;
constexpr std::string_view special = ",+\"\\<>;=";

std::string type_text(const ASN1_OBJECT* type) {
  const int nid = OBJ_obj2nid(type);
  if (nid != NID_undef) return OBJ_nid2sn(nid);
  std::array<char, 128> dotted{};
  OBJ_obj2txt(dotted.data(), static_cast<int>(dotted.size()), type, 1);
  return dotted.data();
}

void append_escaped(std::string& out, std::string_view value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto c = static_cast<unsigned char>(value[i]);
    const bool is_outer_space = c == ' ' && (i == 0 || i + 1 == value.size());
    if (c < ' ' || c > '~') {
      out += fmt::format("\\{:02X}", c);
    } else if (is_outer_space || special.find(value[i]) != std::string_view::npos ||
               (c == '#' && i == 0)) {
      out += '\\';
      out += value[i];
    } else {
      out += value[i];
    }
  }
}

std::string value_text(const ASN1_STRING* value) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) return "#" + base::to_hex(bytes_of(value));
  const auto octets = std::as_bytes(std::span{utf8, static_cast<std::size_t>(size)});
  std::string out;
  append_escaped(out, base::as_text(octets));
  OPENSSL_free(utf8);
  return out;
}

/// One attribute of a text, its value without escapes.
struct Attribute {
  std::string type;
  std::string value;
  bool joins_previous = false;  ///< the same RDN
};

/// OpenSSL knows the sizes that values of some attributes have; "*" is a pattern, and has none.
int string_kind(const Attribute& attribute) {
  return attribute.value == "*" ? V_ASN1_UTF8STRING : MBSTRING_UTF8;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

/// Cursor over the text of a name.
class NameText {
 public:
  explicit NameText(std::string_view text) : rest_(text) {}

  std::expected<std::vector<Attribute>, std::string> parse() {
    std::vector<Attribute> attributes;
    bool joins = false;
    do {
      Attribute attribute = TRY(parse_one());
      attribute.joins_previous = joins;
      attributes.push_back(std::move(attribute));
      joins = separator_ == '+';
    } while (separator_ != '\0');
    return attributes;
  }

 private:
  std::expected<Attribute, std::string> parse_one() {
    skip_spaces();
    const std::size_t equals = rest_.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return std::unexpected{fmt::format("'{}' is no attribute such as CN=gw", rest_)};
    }
    Attribute attribute{std::string{rest_.substr(0, equals)}, {}, false};
    while (attribute.type.ends_with(' ')) attribute.type.pop_back();
    rest_.remove_prefix(equals + 1);
    skip_spaces();
    attribute.value = TRY(parse_value());
    if (attribute.value.empty()) {
      return std::unexpected{fmt::format("the attribute {} has no value", attribute.type)};
    }
    return attribute;
  }

  std::expected<std::string, std::string> parse_value() {
    std::string value;
    std::size_t kept = 0;  // spaces behind the value are not part of it, escaped ones are
    separator_ = '\0';
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == ',' || c == '+') {
        separator_ = c;
        break;
      }
      if (c == '\\') {
        value += TRY(parse_escape());
        kept = value.size();
        continue;
      }
      value += c;
      if (c != ' ') kept = value.size();
    }
    value.resize(kept);
    return value;
  }

  std::expected<char, std::string> parse_escape() {
    if (rest_.empty()) return std::unexpected{"it ends with a backslash"};
    const auto high = hex_digit(rest_.front());
    const auto low = rest_.size() > 1 ? hex_digit(rest_[1]) : std::nullopt;
    if (high && low) {
      rest_.remove_prefix(2);
      return static_cast<char>(*high << 4 | *low);
    }
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  void skip_spaces() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }

  std::string_view rest_;
  char separator_ = '\0';
};

std::string_view usual_type(std::string_view type) {
  if (type == "E" || type == "EMAIL" || type == "email") return "emailAddress";
  return type == "S" ? "ST" : type;
}

/// A Name of this one attribute.
Name alone(const X509_NAME_ENTRY* entry) {
  Name name{X509_NAME_new()};
  if (name == nullptr || X509_NAME_add_entry(name.get(), entry, -1, 0) != 1) name.reset();
  return name;
}

bool is_any(const X509_NAME_ENTRY* entry) {
  return base::as_text(bytes_of(X509_NAME_ENTRY_get_data(entry))) == "*";
}

bool is_same_entry(const X509_NAME_ENTRY* given, const X509_NAME_ENTRY* wanted) {
  if (OBJ_cmp(X509_NAME_ENTRY_get_object(given), X509_NAME_ENTRY_get_object(wanted)) != 0) {
    return false;
  }
  if (is_any(wanted)) return true;
  const Name left = alone(given);
  const Name right = alone(wanted);
  return left != nullptr && right != nullptr && X509_NAME_cmp(left.get(), right.get()) == 0;
}

/// Every attribute, in order.
bool is_same_but_for_any(const X509_NAME* given, const X509_NAME* wanted) {
  const int count = X509_NAME_entry_count(wanted);
  if (X509_NAME_entry_count(given) != count) return false;
  for (int i = 0; i < count; ++i) {
    if (!is_same_entry(X509_NAME_get_entry(given, i), X509_NAME_get_entry(wanted, i))) return false;
  }
  return true;
}

bool has_entry(const X509_NAME* name, const X509_NAME_ENTRY* wanted) {
  const ASN1_OBJECT* const type = X509_NAME_ENTRY_get_object(wanted);
  const Name only_wanted = alone(wanted);
  for (int at = X509_NAME_get_index_by_OBJ(name, type, -1); at >= 0;
       at = X509_NAME_get_index_by_OBJ(name, type, at)) {
    if (is_any(wanted)) return true;
    const Name only = alone(X509_NAME_get_entry(name, at));
    if (only != nullptr && only_wanted != nullptr &&
        X509_NAME_cmp(only.get(), only_wanted.get()) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string text_of(const X509_NAME* name) {
  std::string out;
  int last_set = -1;
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(name, i);
    const int set = X509_NAME_ENTRY_set(entry);
    if (i > 0) out += set == last_set ? "+" : ", ";
    last_set = set;
    out += type_text(X509_NAME_ENTRY_get_object(entry));
    out += '=';
    out += value_text(X509_NAME_ENTRY_get_data(entry));
    if (out.size() > name_text_size_max) return out.substr(0, name_text_size_max) + "...";
  }
  return out;
}

std::expected<Name, std::string> parse_name_text(std::string_view text) {
  const ErrorScope errors;
  if (text.size() > name_text_size_max) return std::unexpected{"it is too long for a name"};
  const auto attributes = TRY(NameText{text}.parse());
  Name name{X509_NAME_new()};
  for (const Attribute& attribute : attributes) {
    const std::string type{usual_type(attribute.type)};
    if (OBJ_txt2nid(type.c_str()) == NID_undef && type.find('.') == std::string::npos) {
      return std::unexpected{
          fmt::format("there is no attribute '{}'; known are CN, O, OU, C, ST, L, emailAddress, "
                      "DC, UID, serialNumber and dotted OIDs",
                      attribute.type)};
    }
    const std::unique_ptr<ASN1_OBJECT, Freed<ASN1_OBJECT_free>> oid{OBJ_txt2obj(type.c_str(), 0)};
    const Bytes value = base::as_bytes(attribute.value);
    if (name == nullptr || oid == nullptr ||
        X509_NAME_add_entry_by_OBJ(name.get(), oid.get(), string_kind(attribute), raw(value),
                                   size_of(value), -1, attribute.joins_previous ? -1 : 0) != 1) {
      return std::unexpected{
          fmt::format("'{}' is no value for {} (a country has two letters, a common name at most "
                      "64 characters)",
                      attribute.value, attribute.type)};
    }
  }
  return name;
}

Name parse_name_der(Bytes der) { return object_of<Name>(der, d2i_X509_NAME); }

}  // namespace caponier::pki::ossl

namespace caponier::pki {

std::expected<policy::Identity, std::string> OpensslPki::parse_name(std::string_view text) const {
  const ossl::Name name = TRY(ossl::parse_name_text(text));
  return policy::Identity{wire::IdType::der_asn1_dn, ossl::der_of(name.get(), i2d_X509_NAME)};
}

namespace {

bool is_star(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  return first != std::string_view::npos && text[first] == '*' &&
         text.find_first_not_of(' ', first + 1) == std::string_view::npos;
}

class WrittenName final : public policy::NameRule {
 public:
  WrittenName(ByteVec pattern, bool is_open) : pattern_(std::move(pattern)), is_open_(is_open) {}
  [[nodiscard]] bool matches(Bytes name) const override {
    if (is_open_) return OpensslPki{}.matches_name(pattern_, name);
    const ossl::ErrorScope errors;
    const ossl::Name given = ossl::parse_name_der(name);
    const ossl::Name wanted = ossl::parse_name_der(pattern_);
    return given != nullptr && wanted != nullptr &&
           ossl::is_same_but_for_any(given.get(), wanted.get());
  }

 private:
  ByteVec pattern_;
  bool is_open_;
};

}  // namespace

std::expected<policy::IdentityPattern, std::string> OpensslPki::name_pattern(
    std::string_view text) const {
  const std::size_t comma = text.rfind(',');
  const bool is_open = comma != std::string_view::npos && is_star(text.substr(comma + 1));
  const ossl::Name name = TRY(ossl::parse_name_text(is_open ? text.substr(0, comma) : text));
  bool has_any = is_open;
  for (int i = 0; i < X509_NAME_entry_count(name.get()); ++i) {
    has_any = has_any || ossl::is_any(X509_NAME_get_entry(name.get(), i));
  }
  ByteVec der = ossl::der_of(name.get(), i2d_X509_NAME);
  auto rule = std::make_shared<WrittenName>(der, is_open);
  return policy::IdentityPattern::names(
      std::string{text}, {wire::IdType::der_asn1_dn, std::move(der)}, !has_any, std::move(rule));
}

std::string OpensslPki::name_text(Bytes name) const {
  const ossl::ErrorScope errors;
  const ossl::Name parsed = ossl::parse_name_der(name);
  return parsed == nullptr
             ? "dn:" + base::to_hex(name.first(std::min<std::size_t>(name.size(), 64)))
             : ossl::text_of(parsed.get());
}

bool OpensslPki::is_same_name(Bytes a, Bytes b) const {
  const ossl::ErrorScope errors;
  const ossl::Name left = ossl::parse_name_der(a);
  const ossl::Name right = ossl::parse_name_der(b);
  return left != nullptr && right != nullptr && X509_NAME_cmp(left.get(), right.get()) == 0;
}

bool OpensslPki::matches_name(Bytes pattern, Bytes name) const {
  const ossl::ErrorScope errors;
  const ossl::Name wanted = ossl::parse_name_der(pattern);
  const ossl::Name given = ossl::parse_name_der(name);
  if (wanted == nullptr || given == nullptr || X509_NAME_entry_count(wanted.get()) == 0) {
    return false;
  }
  for (int i = 0; i < X509_NAME_entry_count(wanted.get()); ++i) {
    if (!ossl::has_entry(given.get(), X509_NAME_get_entry(wanted.get(), i))) return false;
  }
  return true;
}

}  // namespace caponier::pki
