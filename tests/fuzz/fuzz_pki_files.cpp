// Any octets as a key, certificates, CRLs, a name or a raw key, with and without a passphrase.

#include "fuzz/pki_fixture.h"

namespace {

using namespace caponier;

template <class T>
void check(const pki::Loaded<T>& loaded) {
  fuzz::require(loaded || (!loaded.error().message.empty() && !loaded.error().fix.empty() &&
                           loaded.error().file == "file"),
                "a mistake names its file and has a cure");
}

void check_store(const pki::StoreFiles& files) {
  const auto store = pki::OpensslPki{}.make_store(files);
  fuzz::require(store.has_value() || !store.error().empty(), "no store, but no mistake");
  if (store) (void)(*store)->expiries();
}

void check_text(std::string_view text) {
  const pki::OpensslPki provider;
  if (const auto name = provider.parse_name(text)) {
    const std::string written = provider.name_text(name->data);
    const auto again = provider.parse_name(written);
    fuzz::require(again && provider.is_same_name(again->data, name->data),
                  "a name is written so that it reads back");
    fuzz::require(provider.matches_name(name->data, name->data), "a name matches itself");
  }
  if (const auto key = provider.raw_key(text)) {
    fuzz::require(pki::raw_key_text(*key) == text, "a raw key has one text");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const base::Bytes content = fuzz::bytes_of(data, size);
  const pki::NamedFile file{"file", content};
  const pki::OpensslPki provider;
  for (const std::string_view passphrase : {"", "secret"}) {
    check(provider.load_credential({.key = file, .passphrase = base::as_bytes(passphrase)}));
  }
  check(provider.load_certificates(file));
  check_store({.anchors = {file}});
  check_store({.crls = {file}});
  check_text(base::as_text(content));
  (void)provider.name_text(content);
  (void)provider.is_same_name(content, content);
  (void)provider.public_key(content);
  return 0;
}
