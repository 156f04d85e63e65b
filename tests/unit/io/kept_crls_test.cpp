#include "io/http/kept_crls.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "pki/trust.h"
#include "unit/io/temporary_folder.h"

namespace caponier::io {
namespace {

gateway::KeepCrl crl(const std::string& url, std::string_view text) {
  return {url, base::to_vec(base::as_bytes(text))};
}

TEST(KeptCrls, are_read_back_with_their_urls) {
  const TemporaryFolder folder;
  const KeptCrls kept{folder / "crls"};
  EXPECT_TRUE(kept.load().empty());
  ASSERT_TRUE(kept.keep(crl("http://a.example/1", "one\ntwo")));
  ASSERT_TRUE(kept.keep(crl("http://a.example/2", "three")));
  ASSERT_TRUE(kept.keep(crl("http://a.example/1", "newer\n")));
  const KeptCrls again{folder / "crls"};
  std::map<std::string, std::string> found;
  for (const auto& one : again.load()) found[one.url] = base::as_text(one.octets);
  EXPECT_EQ(found, (std::map<std::string, std::string>{{"http://a.example/1", "newer\n"},
                                                       {"http://a.example/2", "three"}}));
}

TEST(KeptCrls, are_for_their_owner_alone) {
  const TemporaryFolder folder;
  ASSERT_TRUE(KeptCrls{folder / "crls"}.keep(crl("http://a.example/1", "one")));
  struct stat info{};
  ASSERT_EQ(::stat((folder / "crls").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
}

TEST(KeptCrls, are_no_more_than_the_store_would_keep) {
  const TemporaryFolder folder;
  const KeptCrls kept{folder / "crls"};
  for (std::size_t i = 0; i < pki::cached_crls_max + 20; ++i) {
    ASSERT_TRUE(kept.keep(crl("http://a.example/" + std::to_string(i), "x")));
  }
  EXPECT_EQ(kept.load().size(), pki::cached_crls_max);
}

TEST(KeptCrls, of_other_files_none_is_read) {
  const TemporaryFolder folder;
  folder.write("crls/readme", "text");
  folder.write("crls/long.crl", std::string(pki::url_size_max + 1, 'x'));
  folder.write("crls/empty.crl", "");
  folder.write("crls/draft.crl.new", "http://a.example/\nx");
  EXPECT_TRUE(KeptCrls{folder / "crls"}.load().empty());
}

TEST(KeptCrls, a_folder_that_cannot_be_written_is_an_error_with_a_cure) {
  const TemporaryFolder folder;
  folder.write("crls", "a file");
  const auto kept = KeptCrls{folder / "crls"}.keep(crl("http://a.example/", "x"));
  ASSERT_FALSE(kept);
  EXPECT_FALSE(kept.error().fix.empty());
}

}  // namespace
}  // namespace caponier::io
