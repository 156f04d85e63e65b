#pragma once
// Any text inside the syntax of each format, so that it is read back as it was.

#include <string>
#include <string_view>

namespace caponier::profile {

/// Octets that are no UTF-8, and control characters except tab and newline, become U+FFFD.
[[nodiscard]] std::string printable_text(std::string_view text);

// All below take what printable_text() returns.

/// Character data of XML 1.0.
[[nodiscard]] std::string xml_text(std::string_view text);
/// A string in single quotes. PowerShell takes typographic quotes for plain ones.
[[nodiscard]] std::string powershell_string(std::string_view text);
/// A string in double quotes of swanctl.conf.
[[nodiscard]] std::string swanctl_string(std::string_view text);

}  // namespace caponier::profile
