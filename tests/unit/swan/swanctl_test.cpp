// What each configuration in tests/interop/swanctl becomes: a.txt and b.txt beside a.conf and
// b.conf. With CAPONIER_WRITE_EXPECTED=1 in the environment they are written anew, to be read
// before they are committed.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "swan/connection.h"
#include "swan/keys.h"
#include "unit/swan/memory_files.h"
#include "unit/swan/swanctl_folder.h"

namespace caponier::swan {
namespace {

std::string text_of(const Remark& remark) {
  constexpr std::array<std::string_view, 3> words{"note", "warning", "error"};
  return std::string{words[static_cast<std::size_t>(remark.gravity)]} + ": " + remark.to_string() +
         "\n";
}

std::string shown(const Pool& pool) {
  std::string text =
      "pool " + pool.name + ": " + pool.first.to_string() + "-" + pool.last.to_string() + "\n";
  for (const Pool::Attribute& attribute : pool.attributes) {
    text += "  " + attribute.type + " =";
    for (const std::string& value : attribute.values) text += " " + value;
    text += "\n";
  }
  return text;
}

std::string shown(const Authority& authority) {
  std::string text = "authority " + authority.name + ": " + authority.cacert +
                     authority.object.file + authority.object.handle + "\n";
  for (const std::string& uri : authority.crl_uris) text += "  crl " + uri + "\n";
  for (const std::string& uri : authority.ocsp_uris) text += "  ocsp " + uri + "\n";
  if (!authority.cert_uri_base.empty()) text += "  base " + authority.cert_uri_base + "\n";
  return text;
}

/// Of a secret only how long it is.
std::string shown(const Secret& secret) {
  std::string text = "secret " + secret.name + " (" + secret.type +
                     "): " + std::to_string(secret.value ? secret.value->size() : 0) + " octets";
  for (const Who& owner : secret.owners) text += " " + owner.text;
  return text + (secret.file.empty() ? "" : " " + secret.file) +
         (secret.object.handle.empty() ? "" : " token " + secret.object.handle) + "\n";
}

class Swanctl : public testing::TestWithParam<std::string> {};

TEST_P(Swanctl, is_read_as_it_is_meant) {
  const std::filesystem::path path = swanctl_folder() / GetParam();
  MemoryFiles files = files_of(content_of(path));
  const auto settings = load_settings(std::string{settings_file}, files);
  ASSERT_TRUE(settings);
  Report report;
  const Everything all = read_swanctl(settings->root, report);
  std::string text;
  for (const Connection& connection : all.connections) text += to_text(connection);
  for (const Pool& pool : all.pools) text += shown(pool);
  for (const Authority& authority : all.authorities) text += shown(authority);
  for (const Secret& secret : all.secrets) text += shown(secret);
  for (const Remark& remark : report.remarks()) text += text_of(remark);
  expect_stored(std::filesystem::path{path}.replace_extension(".txt"), text);
}

INSTANTIATE_TEST_SUITE_P(All, Swanctl, testing::ValuesIn(swanctl_files()), test_name);

void collect(const Section& section, std::set<std::string>& keys) {
  for (const Value& value : section.values) keys.insert(value.key);
  for (const Section& inner : section.sections) collect(inner, keys);
}

TEST(SwanctlFiles, mention_every_key_there_is) {
  std::set<std::string> keys;
  for (const std::string& name : swanctl_files()) {
    MemoryFiles files = files_of(content_of(swanctl_folder() / name));
    const auto settings = load_settings(std::string{settings_file}, files);
    ASSERT_TRUE(settings) << name;
    collect(settings->root, keys);
  }
  for (const KeyRow& row : all_keys()) {
    EXPECT_TRUE(keys.contains(std::string{row.name})) << row.name;
  }
}

}  // namespace
}  // namespace caponier::swan
