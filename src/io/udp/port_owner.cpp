#include "io/udp/port_owner.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace caponier::io {
namespace {

template <class T>
std::optional<T> parse_number(std::string_view text, int radix) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, radix);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split_words(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t begin = line.find_first_not_of(' ');
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
  return words;
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

bool holds_inode(const std::filesystem::path& process, std::uint64_t inode) {
  const std::string wanted = fmt::format("socket:[{}]", inode);
  std::error_code error;
  for (std::filesystem::directory_iterator at{process / "fd", error}, end; !error && at != end;
       at.increment(error)) {
    std::error_code unreadable;
    if (std::filesystem::read_symlink(at->path(), unreadable) == wanted) return true;
  }
  return false;
}

}  // namespace

std::optional<std::uint64_t> find_port_inode(std::string_view table, std::uint16_t port) {
  while (!table.empty()) {
    const std::size_t end = std::min(table.find('\n'), table.size());
    const auto words = split_words(table.substr(0, end));
    table.remove_prefix(std::min(end + 1, table.size()));
    if (words.size() < 10) continue;
    const std::size_t colon = words[1].find(':');
    if (colon == std::string_view::npos) continue;
    const auto local_port = parse_number<std::uint16_t>(words[1].substr(colon + 1), 16);
    if (local_port == port) return parse_number<std::uint64_t>(words[9], 10);
  }
  return std::nullopt;
}

std::string describe_port_owner(std::uint16_t port) {
  auto inode = find_port_inode(read_text("/proc/net/udp"), port);
  if (!inode) inode = find_port_inode(read_text("/proc/net/udp6"), port);
  if (!inode) return "another program";
  std::error_code error;
  for (std::filesystem::directory_iterator at{"/proc", error}, end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!parse_number<int>(name, 10) || !holds_inode(at->path(), *inode)) continue;
    std::string command = read_text(at->path() / "comm");
    while (command.ends_with('\n')) command.pop_back();
    return fmt::format("{}, process {}", command, name);
  }
  return "another program";
}

}  // namespace caponier::io
