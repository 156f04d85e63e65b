#pragma once
// What the fuzz targets of certificates share: keys that are the same in every run, so that what a
// corpus signs stays signed, and a root and a leaf made of them.

#include <string_view>

#include "fuzz/fuzz.h"
#include "pki/openssl/issuing.h"
#include "pki/openssl/provider.h"

namespace caponier::fuzz {

// PKCS #8. They protect nothing.
inline constexpr std::string_view root_key_hex =
    "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420c335ef4556bf1ba1"
    "5308026af152c0f69e9a2ebcb5e2f6fee3ddef4eb8389fc4a14403420004e1dc6cf4d333a0d7eab0fda89418"
    "f9a2bac482d04cceb660fd745573fc8397a8917c92d80c0f5f2558aaf064b66bbae6dff013acf971b18c45d3"
    "74654d122d0b";
inline constexpr std::string_view leaf_key_hex =
    "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b02010104209581eabfbf84b26a"
    "7eb56f05e227143e9a8a0f18b93a86581271f96328661b63a144034200040b0c9cd294fe6263727f2f8e6d96"
    "8a4be71ca4cf4ea1e13808b3ba37ca1773064ef9a1cf23e3c27d5b2205c3dd085326d25d73674d8267627df7"
    "b1f1aa76e011";
inline constexpr std::string_view ed25519_key_hex =
    "302e020100300506032b65700422042070b9459e419cebec46eea5d307abea599d91877a049bafcc7a4a432d"
    "a87a1a0f";
inline constexpr std::string_view rsa_key_hex =
    "308204bd020100300d06092a864886f70d0101010500048204a7308204a30201000282010100bf5ace36022a"
    "5b2bab6830696c834b911bb2e6c666a46190ee63d86d38c75e40d3cb4588add9ec28095bff3cc08ff946f08e"
    "c051950a6bb14d3558e50dd2a6331ba747f90c94d8be60df675e487bdda75b566c19aaf0fe66dc2afbcdf0f9"
    "f815d430c229b97c403b1f22bf30deac5a4360da4792c51e8bd683b1fbb3cb868364c0d38100cf59c19866ea"
    "c5e4443b907191de71504edc36880631bf3f598e478c75c934d5d8a56434e043181004a7b524ce0fcf331ea1"
    "c42ee3d5d67213e948cc8e8a88ac95d13cfdfff9ac4ad2018b4f487bd8bd730195c265d44d16a404925cddf8"
    "13147acc4f8204670a4949e6059f16b8044a8c6b682f7b608ece0488b8b90203010001028201001281d350e8"
    "ebb4cea7f0d741d3036dd316853a89b4d2b03706bf7466b7e79c6793b464c0bfe3c451e8f9d3594a5c826508"
    "8e1deea606107d60f4c868baea05360b36262161c4a1a3e415a7573896764d21e9dd61ac254bcda1fcac46f2"
    "4812e4f59553aa1a6cf87f5f570a7bcd0589635be230aaf2d2adfeacd5117d85b13852e2f325b6b22b002024"
    "da3bffb661222160f56d90298eec5ed2fa9c723b65bbc53ffde8420f4eda5a157e3748580d936b3cd4c8156a"
    "513d5ddee2ea761c3ccb5b11640fcb7822e90f49f55a027983e3aa3ce09d85d0075def81338ba453da85155a"
    "d8964ec42aa2ae8538c5a0bb38c8b69dcdb8ce72b8e7191e347035c239112302818100e710e14120b79242e6"
    "15c018331e25360323e130b5d33f1d676dc7af493e84fb53e3e5fc8efe4388b93aa825234b652fc16058ddc8"
    "453ce223827050e2ea603ecb6903662593ee80a2fb301f75e029c65fdbf86af54f948eccf4ec20af8101a8ab"
    "c53af02cd4f45b8ae75512c0c44872b049354f8dc1c0b2d195254d0a5d565f02818100d400ea8372b5b88bf7"
    "add4fd81be4df3668ce741d261f6ebfd46b9ff56d9ccbed229cbcf97864e4b1b2abc597d62119b03ad966f16"
    "b945b9aaf2eafc3a6e222c468c70cc10b4ce9ce7d7bbe37cfdda359618ec66b40294953ad8d79b1f5a07542d"
    "1caf6a94b5c06ff6f3e3ebf7114db9fadd9bdcc8874a8d9805838bd2fad7e70281801987a2ebb83ab01d5620"
    "a715c5681a426a7c67602366d0bd65f51a3002ceb690b24726dd0dcb8818ae268df7747bdb1538af758223a3"
    "8ac38d9ad6e009024e5a01cd7b83a8b93c8bd7f61aee0eef128e897edb66adedfa0301203a8aadf979fe71e4"
    "1bcbf7981bdb957053d4fb99744bbfb08704602c3d2744c2ced94140e8cf02818100c78af930b22672c66360"
    "9da9e295b19f18762530e2094d35401672f8efd15e927913d7fed3bb19343e24d25554db9a80924cafdc6dc2"
    "02ebc8088ebecb6c6003d67f57a7eb4d936f4214df87365d6526acd956a1306b815898a40303c1d5a63247a7"
    "c940032ab32f6f7c8d99cad9e193dc98fb9c2aae94b083572542d5593f1f0281802887718e9c3d571877708c"
    "d89c19cc29ae8bd1232f9de988bd6d68d203d276337c45dd26ea8cc09a8a0a2ca4ada4fea13295cae8f2cde1"
    "5b1f2673614b5e9db101a110dfa2b878029e753117bbada7b6b33ce9c2a846b55e15511e31fc960cd00d7ef6"
    "5260ca00315de8c424ae92e94f50312723cf9eaad2b30b1dc2043c87c7";

/// 2030-01-01.
inline constexpr pki::UnixTime now{1893456000};
inline constexpr pki::UnixTime year_later{now.value + 365 * 86400};

[[nodiscard]] inline pki::ossl::Pkey fixed_key(std::string_view hex) {
  const base::ByteVec der = base::from_hex(hex).value();
  return pki::ossl::object_of<pki::ossl::Pkey>(der, d2i_AutoPrivateKey);
}

/// A root called "CN=R", and a leaf below it, which names an OCSP responder and a CRL.
struct Pair {
  pki::ossl::Pkey root_key = fixed_key(root_key_hex);
  pki::ossl::Pkey leaf_key = fixed_key(leaf_key_hex);
  pki::ossl::X509Ptr root;
  pki::ossl::X509Ptr leaf;
  base::ByteVec root_der;
  base::ByteVec leaf_der;

  Pair() {
    const pki::UnixTime before{now.value - 86400};
    root = pki::ossl::make_certificate({"CN=R",
                                        before,
                                        year_later,
                                        {{"basicConstraints", "critical,CA:TRUE"},
                                         {"keyUsage", "critical,keyCertSign,cRLSign"}},
                                        {std::byte{1}},
                                        nullptr},
                                       root_key.get(), nullptr, root_key.get())
               .value();
    leaf = pki::ossl::make_certificate({"CN=L",
                                        before,
                                        year_later,
                                        {{"subjectAltName", "DNS:gw.example.org"},
                                         {"authorityInfoAccess", "OCSP;URI:http://o/"},
                                         {"crlDistributionPoints", "URI:http://c/"}},
                                        {std::byte{2}},
                                        nullptr},
                                       leaf_key.get(), root.get(), root_key.get())
               .value();
    root_der = pki::ossl::der_of(root.get(), i2d_X509);
    leaf_der = pki::ossl::der_of(leaf.get(), i2d_X509);
  }

  [[nodiscard]] std::unique_ptr<pki::CertificateStore> make_store() const {
    return pki::OpensslPki{}.make_store({.anchors = {{"root", root_der}}}).value();
  }
  [[nodiscard]] pki::Fetch fetch(pki::FetchKind kind) const {
    return {kind, "http://x/", {}, 0, leaf_der, root_der};
  }
};

}  // namespace caponier::fuzz
