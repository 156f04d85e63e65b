#include "vici/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/secret.h"

namespace caponier::vici {
namespace {

/// Everything but items and ends has one.
bool has_name(ElementType type) {
  return type == ElementType::section_start || type == ElementType::key_value ||
         type == ElementType::list_start;
}

/// Takes the elements of a message one by one and builds the tree.
class Decoder {
 public:
  explicit Decoder(base::Bytes bytes) : in_(bytes) { open_.push_back(&root_); }

  std::expected<Message, MessageError> run() {
    while (in_.remaining() > 0) {
      at_ = in_.offset();
      if (++count_ > elements_max) return fail(MessageFault::too_many_elements);
      if (const auto fault = step()) return fail(*fault);
    }
    at_ = in_.offset();
    if (list_ != nullptr) return fail(MessageFault::unbalanced_list);
    if (open_.size() > 1) return fail(MessageFault::unbalanced_section);
    return std::move(root_);
  }

 private:
  using Fault = std::optional<MessageFault>;

  [[nodiscard]] std::unexpected<MessageError> fail(MessageFault fault) const {
    return std::unexpected{MessageError{fault, at_}};
  }

  Fault step() {
    const auto type = static_cast<ElementType>(in_.u8("type").value_or(0));
    std::string name;
    if (has_name(type)) {
      auto read = text(in_.u8("name.size"));
      if (!read) return MessageFault::truncated;
      name = std::move(*read);
    }
    const bool is_of_list = type == ElementType::list_item || type == ElementType::list_end;
    switch (type) {
      case ElementType::section_start:
      case ElementType::section_end:
      case ElementType::key_value:
      case ElementType::list_start:
        if (list_ != nullptr) return MessageFault::element_inside_list;
        break;
      case ElementType::list_item:
      case ElementType::list_end: break;
      default: return MessageFault::unknown_type;
    }
    return is_of_list ? step_in_list(type) : step_in_section(type, std::move(name));
  }

  Fault step_in_list(ElementType type) {
    if (type == ElementType::list_item) {
      auto value = text(in_.u16("item.size"));
      if (!value) return MessageFault::truncated;
      if (list_ == nullptr) return MessageFault::item_outside_list;
      list_->push_back(std::move(*value));
      return std::nullopt;
    }
    if (list_ == nullptr) return MessageFault::unbalanced_list;
    list_ = nullptr;
    return std::nullopt;
  }

  Fault step_in_section(ElementType type, std::string name) {
    if (type == ElementType::section_end) {
      if (open_.size() == 1) return MessageFault::unbalanced_section;
      open_.pop_back();
      return std::nullopt;
    }
    Element element;
    element.name = std::move(name);
    if (type == ElementType::key_value) {
      auto value = text(in_.u16("value.size"));
      if (!value) return MessageFault::truncated;
      element.value = std::move(*value);
      open_.back()->elements.push_back(std::move(element));
      return std::nullopt;
    }
    const bool is_list = type == ElementType::list_start;
    element.kind = is_list ? Element::Kind::list : Element::Kind::section;
    if (!is_list && open_.size() > depth_max) return MessageFault::too_deep;
    Element& made = open_.back()->elements.emplace_back(std::move(element));
    if (is_list) {
      list_ = &made.items;
    } else {
      open_.push_back(&made.section);
    }
    return std::nullopt;
  }

  template <class Size>
  std::optional<std::string> text(const base::Wire<Size>& size) {
    if (!size) return std::nullopt;
    const auto bytes = in_.take(*size, "text");
    if (!bytes) return std::nullopt;
    return std::string{base::as_text(*bytes)};
  }

  base::Reader in_;
  Message root_;
  /// The last element of each is the one that follows: none of them moves while it is open.
  std::vector<Message*> open_;
  std::vector<std::string>* list_ = nullptr;
  std::size_t at_ = 0;
  std::size_t count_ = 0;
};

void write(MessageWriter& out, const Message& message) {
  for (const Element& element : message.elements) {
    switch (element.kind) {
      case Element::Kind::value: out.value(element.name, element.value); break;
      case Element::Kind::list: out.list(element.name, element.items); break;
      case Element::Kind::section:
        out.begin_section(element.name);
        write(out, element.section);
        out.end_section();
        break;
    }
  }
}

}  // namespace

std::string_view name_of(MessageFault fault) {
  switch (fault) {
    case MessageFault::truncated: return "truncated";
    case MessageFault::unknown_type: return "unknown element";
    case MessageFault::unbalanced_section: return "unbalanced section";
    case MessageFault::unbalanced_list: return "unbalanced list";
    case MessageFault::item_outside_list: return "list item outside of a list";
    case MessageFault::element_inside_list: return "something else than items in a list";
    case MessageFault::too_deep: return "too many sections inside each other";
    case MessageFault::too_many_elements: return "too many elements";
  }
  return "unknown";
}

std::string MessageError::to_string() const {
  return fmt::format("{} at octet {}", name_of(fault), offset);
}

std::expected<Message, MessageError> Message::decode(base::Bytes bytes) {
  return Decoder{bytes}.run();
}

std::string Message::encode() const {
  MessageWriter out;
  write(out, *this);
  return out.take();
}

const Element* Message::find(std::string_view name) const {
  const auto found = std::find_if(elements.rbegin(), elements.rend(),
                                  [&](const Element& element) { return element.name == name; });
  return found == elements.rend() ? nullptr : &*found;
}

std::optional<std::string_view> Message::value(std::string_view name) const {
  const Element* const found = find(name);
  if (found == nullptr || found->kind != Element::Kind::value) return std::nullopt;
  return found->value;
}

std::string Message::text(std::string_view name, std::string_view otherwise) const {
  return std::string{value(name).value_or(otherwise)};
}

bool Message::is_yes(std::string_view name) const {
  const auto said = value(name);
  return said == "yes" || said == "true" || said == "enabled" || said == "1";
}

const Message* Message::section(std::string_view name) const {
  const Element* const found = find(name);
  return found == nullptr || found->kind != Element::Kind::section ? nullptr : &found->section;
}

const std::vector<std::string>& Message::list(std::string_view name) const {
  static const std::vector<std::string> none;
  const Element* const found = find(name);
  return found == nullptr || found->kind != Element::Kind::list ? none : found->items;
}

void Message::wipe() {
  for (Element& element : elements) {
    base::wipe(std::as_writable_bytes(std::span{element.value}));
    element.section.wipe();
  }
}

Message& Message::add(std::string_view name, std::string_view value) {
  elements.push_back({std::string{name}, Element::Kind::value, std::string{value}, {}, {}});
  return *this;
}

Message& Message::add_list(std::string_view name, std::vector<std::string> items) {
  elements.push_back({std::string{name}, Element::Kind::list, {}, std::move(items), {}});
  return *this;
}

Message& Message::add_section(std::string_view name, Message section) {
  elements.push_back({std::string{name}, Element::Kind::section, {}, {}, std::move(section)});
  return *this;
}

bool operator==(const Message& a, const Message& b) { return a.elements == b.elements; }

// ---- Writing

void MessageWriter::named(ElementType type, std::string_view name) {
  name = name.substr(0, name_size_max);
  out_.push_back(static_cast<char>(type));
  out_.push_back(static_cast<char>(name.size()));
  out_ += name;
}

void MessageWriter::blob(std::string_view value) {
  value = value.substr(0, value_size_max);
  out_.push_back(static_cast<char>(value.size() >> 8U));
  out_.push_back(static_cast<char>(value.size() & 0xffU));
  out_ += value;
}

MessageWriter& MessageWriter::value(std::string_view name, std::string_view value) {
  named(ElementType::key_value, name);
  blob(value);
  return *this;
}

MessageWriter& MessageWriter::begin_section(std::string_view name) {
  named(ElementType::section_start, name);
  return *this;
}

MessageWriter& MessageWriter::end_section() {
  out_.push_back(static_cast<char>(ElementType::section_end));
  return *this;
}

MessageWriter& MessageWriter::begin_list(std::string_view name) {
  named(ElementType::list_start, name);
  return *this;
}

MessageWriter& MessageWriter::item(std::string_view value) {
  out_.push_back(static_cast<char>(ElementType::list_item));
  blob(value);
  return *this;
}

MessageWriter& MessageWriter::end_list() {
  out_.push_back(static_cast<char>(ElementType::list_end));
  return *this;
}

MessageWriter& MessageWriter::list(std::string_view name, const std::vector<std::string>& items) {
  begin_list(name);
  for (const std::string& each : items) item(each);
  return end_list();
}

MessageWriter& MessageWriter::append(std::string_view encoded) {
  out_ += encoded;
  return *this;
}

}  // namespace caponier::vici
