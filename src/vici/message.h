#pragma once
// Messages of the Versatile IKE Control Interface: an ordered tree of sections, key/value pairs and
// lists, each element an octet that says what it is, a name of up to 255 octets with its length in
// one, and a value of up to 65535 with its length in two.

#include <concepts>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace caponier::vici {

inline constexpr std::size_t name_size_max = 255;
inline constexpr std::size_t value_size_max = 65535;
/// Of one segment, its length field not counted.
inline constexpr std::size_t segment_size_max = 512UL * 1024;
/// Sections inside each other; configurations need five.
inline constexpr std::size_t depth_max = 32;
/// Of one message, list items included; what it is kept in is larger than its octets.
inline constexpr std::size_t elements_max = 32768;

enum class ElementType : std::uint8_t {
  section_start = 1,
  section_end = 2,
  key_value = 3,
  list_start = 4,
  list_item = 5,
  list_end = 6,
};

enum class MessageFault : std::uint8_t {
  truncated,            ///< ends inside an element
  unknown_type,         ///< an element that is none of the six
  unbalanced_section,   ///< one that ends without a beginning, or has no end
  unbalanced_list,      ///< likewise
  item_outside_list,    ///< a list item where no list is open
  element_inside_list,  ///< anything but items and the end
  too_deep,
  too_many_elements,
};
[[nodiscard]] std::string_view name_of(MessageFault fault);

struct MessageError {
  MessageFault fault{};
  std::size_t offset = 0;  ///< of the element
  /// "truncated at octet 17".
  [[nodiscard]] std::string to_string() const;
};

struct Element;

/// A section, or the message as a whole. Values are octets; what they mean is for who uses them.
struct Message {
  std::vector<Element> elements;

  [[nodiscard]] static std::expected<Message, MessageError> decode(base::Bytes bytes);
  [[nodiscard]] std::string encode() const;

  /// The last element of this name: of several it counts.
  [[nodiscard]] const Element* find(std::string_view name) const;
  /// The value of a key; empty when there is none.
  [[nodiscard]] std::optional<std::string_view> value(std::string_view name) const;
  [[nodiscard]] std::string text(std::string_view name, std::string_view otherwise = "") const;
  /// yes, true, enabled or 1.
  [[nodiscard]] bool is_yes(std::string_view name) const;
  [[nodiscard]] const Message* section(std::string_view name) const;
  /// Empty when there is none.
  [[nodiscard]] const std::vector<std::string>& list(std::string_view name) const;

  /// Overwrites all values, for they may have been secrets.
  void wipe();
  Message& add(std::string_view name, std::string_view value);
  Message& add_list(std::string_view name, std::vector<std::string> items);
  Message& add_section(std::string_view name, Message section);
  friend bool operator==(const Message&, const Message&);
};

struct Element {
  enum class Kind : std::uint8_t { value, list, section };
  std::string name;
  Kind kind = Kind::value;
  std::string value;
  std::vector<std::string> items;
  Message section;
  friend bool operator==(const Element&, const Element&) = default;
};

/// Writes a message without making the tree. Names and values longer than there is room for are
/// cut; the caller's sections and lists are balanced.
class MessageWriter {
 public:
  MessageWriter& value(std::string_view name, std::string_view value);
  template <std::unsigned_integral T>
  MessageWriter& value(std::string_view name, T number) {
    return value(name, std::string_view{std::to_string(number)});
  }
  MessageWriter& begin_section(std::string_view name);
  MessageWriter& end_section();
  MessageWriter& begin_list(std::string_view name);
  MessageWriter& item(std::string_view value);
  MessageWriter& end_list();
  MessageWriter& list(std::string_view name, const std::vector<std::string>& items);
  /// What has been encoded already.
  MessageWriter& append(std::string_view encoded);

  [[nodiscard]] const std::string& text() const { return out_; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void named(ElementType type, std::string_view name);
  void blob(std::string_view value);
  std::string out_;
};

}  // namespace caponier::vici
