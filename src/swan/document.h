#pragma once
// A configuration of ours that is being written, which knows of every line where it comes from.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "config/config.h"

namespace caponier::swan {

/// Where something of ours was said in the foreign configuration.
struct Origin {
  config::Place where;
  std::string path;  ///< "connections.gw.children.net"
};

using SharedSecret = std::shared_ptr<const base::SecretBytes>;

class Document {
 public:
  /// "# words" above the next table.
  void comment(std::string_view words);
  void table(std::string_view title, const Origin& origin);
  void list_table(std::string_view title, const Origin& origin);
  /// `value` as TOML.
  void add(std::string_view key, const std::string& value, const Origin& origin);
  void add_text(std::string_view key, std::string_view text, const Origin& origin);
  void add_list(std::string_view key, const std::vector<std::string>& items, const Origin& origin);
  void append(const Document& other);

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  /// Of a line, from 1; null where there is none.
  [[nodiscard]] const Origin* origin_of(unsigned line) const;

  /// What "@name" stands for, as the file would hold it.
  std::map<std::string, SharedSecret> secrets;
  std::map<std::string, SharedSecret> users;  ///< passwords, by name

 private:
  void line(std::string text, const Origin& origin);
  std::string text_;
  std::vector<Origin> origins_;
};

/// "90m", "1h": as our configuration writes times.
[[nodiscard]] std::string toml_time(base::Duration time);
/// [A-Za-z0-9_-], as the name of a table or secret.
[[nodiscard]] std::string safe_name(std::string_view text);

}  // namespace caponier::swan
