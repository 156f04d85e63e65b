// One certificate for each rule. Every row begins with a chain that is in order and changes one
// thing.

#include "unit/pki/chain.h"

#include <algorithm>

#include <openssl/core_names.h>
#include <openssl/param_build.h>

namespace caponier::pki {
namespace {

using test::after;
using test::Chain;
using test::day;
using test::key_called;
using test::now;
using test::set;

struct Row {
  const char* name;
  std::string expected;
  std::function<void(Chain&)> change;
};

std::string reason(Refusal refusal) { return std::string{name_of(refusal)}; }

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class ChainRule : public ::testing::TestWithParam<Row> {};

TEST_P(ChainRule, holds) {
  Chain chain;
  GetParam().change(chain);
  chain.build();
  const auto store = chain.make_store();
  ASSERT_NE(store, nullptr);
  const Verdict verdict = chain.verify(*store);
  const auto* const refused = std::get_if<Refused>(&verdict);
  EXPECT_EQ(test::word_of(verdict), GetParam().expected) << (refused ? refused->text : "");
}

std::string row_name(const ::testing::TestParamInfo<Row>& info) { return info.param.name; }

// Changes.

auto on_leaf(std::string name, std::string value) {
  return [=](Chain& chain) { set(chain.leaf, name, value); };
}
auto on_inter(std::string name, std::string value) {
  return [=](Chain& chain) { set(chain.inter, name, value); };
}
auto on_root(std::string name, std::string value) {
  return [=](Chain& chain) { set(chain.root, name, value); };
}
auto called(std::string identity) {
  return [=](Chain& chain) { chain.identity = test::name_of_peer(identity); };
}
auto named(std::string alternative_names, std::string identity) {
  return [=](Chain& chain) {
    set(chain.leaf, "subjectAltName", alternative_names);
    chain.identity = test::name_of_peer(identity);
  };
}
auto as_subject(std::string name) {
  return [=](Chain& chain) { chain.identity = OpensslPki{}.parse_name(name).value(); };
}
auto of_type(wire::IdType type, std::string data) {
  return [=](Chain& chain) { chain.identity = {type, base::to_vec(base::as_bytes(data))}; };
}
auto constrained(std::string constraints, std::string alternative_names) {
  return [=](Chain& chain) {
    set(chain.inter, "nameConstraints", "critical," + constraints);
    set(chain.leaf, "subjectAltName", alternative_names);
  };
}
auto spoilt_leaf(std::function<void(ByteVec&)> spoil) {
  return [=](Chain& chain) { chain.spoil_leaf = spoil; };
}
/// A key that lives for the whole run.
EVP_PKEY* keep(ossl::Pkey key) {
  static std::vector<ossl::Pkey> kept;
  return kept.emplace_back(std::move(key)).get();
}
auto leaf_key(std::function<ossl::Pkey()> make) {
  return [=](Chain& chain) { chain.leaf_key = keep(make()); };
}
auto inter_key(std::function<ossl::Pkey()> make) {
  return [=](Chain& chain) { chain.inter_key = keep(make()); };
}

/// An RSA key of any numbers, which nobody would generate.
ossl::Pkey strange_rsa(int bits, unsigned long exponent) {
  const ossl::Bn n{BN_new()};
  const ossl::Bn e{BN_new()};
  BN_set_bit(n.get(), bits - 1);
  BN_add_word(n.get(), 12345677);
  BN_set_word(e.get(), exponent);
  OSSL_PARAM_BLD* const builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e.get());
  OSSL_PARAM* const params = OSSL_PARAM_BLD_to_param(builder);
  const ossl::PkeyCtx ctx{EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr)};
  EVP_PKEY* key = nullptr;
  EVP_PKEY_fromdata_init(ctx.get());
  EVP_PKEY_fromdata(ctx.get(), &key, EVP_PKEY_PUBLIC_KEY, params);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(builder);
  return ossl::Pkey{key};
}

ossl::Pkey explicit_curve() {
  ossl::Pkey key = test::ec_key("P-256");
  EVP_PKEY_set_utf8_string_param(key.get(), OSSL_PKEY_PARAM_EC_ENCODING,
                                 OSSL_PKEY_EC_ENCODING_EXPLICIT);
  return key;
}

void replace(ByteVec& in, std::string_view from_hex, std::string_view to_hex) {
  const ByteVec from = base::from_hex(from_hex).value();
  const ByteVec to = base::from_hex(to_hex).value();
  const auto found = std::ranges::search(in, from);
  ASSERT_FALSE(found.empty()) << from_hex;
  std::ranges::copy(to, found.begin());
}

/// A certificate of version 1 has no extensions.
void make_version_1(Chain& chain) {
  chain.inter.extensions.clear();
  set(chain.leaf, "authorityKeyIdentifier", "");
  chain.change_inter = [&chain](X509* inter) {
    X509_set_version(inter, X509_VERSION_1);
    X509_sign(inter, chain.root_key, EVP_sha256());
  };
}

const std::string trusted = "trusted";

INSTANTIATE_TEST_SUITE_P(
    Accepts, ChainRule,
    ::testing::Values(
        Row{"a_chain_in_order", trusted, [](Chain&) {}},
        Row{"an_anchor_sent_as_well", trusted,
            [](Chain& chain) {
              chain.build();
              chain.more = {test::payload_of(chain.root_made.get())};
            }},
        Row{"a_leaf_right_below_the_anchor", trusted,
            [](Chain& chain) {
              chain.signs_leaf = chain.root_key;
              chain.inter = chain.root;
              chain.inter_key = chain.root_key;
              chain.send_inter = false;
            }},
        Row{"the_first_second", trusted, [](Chain& chain) { chain.leaf.not_before = now; }},
        Row{"the_last_second", trusted, [](Chain& chain) { chain.leaf.not_after = now; }},
        Row{"the_last_second_of_the_intermediate", trusted,
            [](Chain& chain) { chain.inter.not_after = now; }},
        Row{"the_last_second_of_the_anchor", trusted,
            [](Chain& chain) { chain.root.not_after = now; }},
        Row{"a_name_in_other_case", trusted, called("GW.Example.ORG")},
        Row{"a_mail_address_in_other_case", trusted, called("Anna@EXAMPLE.org")},
        Row{"an_ipv4_address", trusted, called("192.0.2.1")},
        Row{"an_ipv6_address", trusted, called("2001:db8::1")},
        Row{"the_whole_subject", trusted, as_subject("C=CH, O=Example, CN=gw")},
        Row{"the_subject_in_other_case_and_spacing", trusted, as_subject("C=ch, O=EXAMPLE, CN=GW")},
        Row{"no_extended_key_usage", trusted, on_leaf("extendedKeyUsage", "")},
        Row{"any_extended_key_usage", trusted, on_leaf("extendedKeyUsage", "anyExtendedKeyUsage")},
        Row{"ipsec_ike", trusted, on_leaf("extendedKeyUsage", "1.3.6.1.5.5.7.3.17")},
        Row{"the_older_ike_intermediate", trusted,
            on_leaf("extendedKeyUsage", "1.3.6.1.5.5.8.2.2")},
        Row{"no_key_usage", trusted, on_leaf("keyUsage", "")},
        Row{"non_repudiation", trusted, on_leaf("keyUsage", "critical,nonRepudiation")},
        Row{"an_intermediate_without_key_usage", trusted, on_inter("keyUsage", "")},
        Row{"identifiers_left_out", trusted,
            [](Chain& chain) {
              for (auto* form : {&chain.root, &chain.inter, &chain.leaf}) {
                set(*form, "subjectKeyIdentifier", "");
                set(*form, "authorityKeyIdentifier", "");
              }
            }},
        Row{"a_path_length_that_suffices", trusted,
            on_root("basicConstraints", "critical,CA:TRUE,pathlen:1")},
        Row{"names_within_constraints", trusted,
            constrained("permitted;DNS:example.org,permitted;IP:192.0.2.0/255.255.255.0",
                        "DNS:gw.example.org,IP:192.0.2.1")},
        Row{"a_policy_that_is_needed", trusted,
            [](Chain& chain) {
              set(chain.leaf, "certificatePolicies", "1.2.3.4");
              set(chain.inter, "certificatePolicies", "1.2.3.4,1.2.3.5");
              chain.required_policies = {"1.2.3.4"};
            }},
        Row{"an_unknown_extension_that_is_not_critical", trusted, on_leaf("1.2.3.4", "DER:0500")},
        Row{"another_key_type_at_each_step", trusted,
            [](Chain& chain) {
              chain.root_key = key_called("root rsa", NewKey::rsa_3072);
              chain.leaf_key = key_called("leaf ed", NewKey::ed25519);
            }},
        Row{"junk_beside_what_is_needed", trusted,
            [](Chain& chain) { chain.more = {{4, ByteVec(10)}, {7, ByteVec(5)}, {99, {}}}; }}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    RefusesWhatIsNoCertificate, ChainRule,
    ::testing::Values(
        Row{"too_many", reason(Refusal::too_many_certificates),
            [](Chain& chain) {
              chain.build();
              chain.more.assign(15, test::payload_of(chain.root_made.get()));
            }},
        Row{"too_large", reason(Refusal::certificate_too_large),
            [](Chain& chain) { chain.more = {{4, ByteVec(certificate_size_max + 1)}}; }},
        Row{"empty", reason(Refusal::malformed), spoilt_leaf([](ByteVec& der) { der.clear(); })},
        Row{"zeros", reason(Refusal::malformed),
            spoilt_leaf([](ByteVec& der) { std::ranges::fill(der, std::byte{0}); })},
        Row{"one_octet_more", reason(Refusal::malformed),
            spoilt_leaf([](ByteVec& der) { der.push_back(std::byte{0}); })},
        Row{"one_octet_less", reason(Refusal::malformed),
            spoilt_leaf([](ByteVec& der) { der.pop_back(); })},
        Row{"two_in_one", reason(Refusal::malformed), spoilt_leaf([](ByteVec& der) {
              const ByteVec copy = der;
              base::append(der, copy);
            })},
        Row{"a_time_in_a_ninetieth_month", reason(Refusal::malformed),
            spoilt_leaf([](ByteVec& der) {
              const ByteVec utc_time = base::from_hex("170d").value();
              *(std::ranges::search(der, utc_time).end() + 2) = std::byte{'9'};
            })}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    RefusesKeys, ChainRule,
    ::testing::Values(Row{"rsa_of_1024_bits", reason(Refusal::weak_key),
                          leaf_key([] { return test::rsa_key(1024); })},
                      Row{"rsa_of_1024_bits_in_the_intermediate", reason(Refusal::weak_key),
                          inter_key([] { return test::rsa_key(1024); })},
                      Row{"rsa_of_16384_bits", reason(Refusal::weak_key),
                          leaf_key([] { return strange_rsa(16384, 65537); })},
                      Row{"rsa_with_exponent_1", reason(Refusal::weak_key),
                          leaf_key([] { return strange_rsa(2048, 1); })},
                      Row{"rsa_with_exponent_0", reason(Refusal::weak_key),
                          leaf_key([] { return strange_rsa(2048, 0); })},
                      Row{"rsa_with_an_even_exponent", reason(Refusal::weak_key),
                          leaf_key([] { return strange_rsa(2048, 65536); })},
                      Row{"a_curve_by_its_parameters", reason(Refusal::weak_key),
                          leaf_key(explicit_curve)},
                      Row{"secp256k1", reason(Refusal::unsupported_key),
                          leaf_key([] { return test::ec_key("secp256k1"); })},
                      Row{"p_224", reason(Refusal::unsupported_key),
                          leaf_key([] { return test::ec_key("P-224"); })},
                      Row{"x25519", reason(Refusal::unsupported_key), leaf_key([] {
                            return ossl::Pkey{EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519")};
                          })},
                      Row{"a_point_that_is_not_on_the_curve", reason(Refusal::unsupported_key),
                          [](Chain& chain) {
                            chain.spoil_leaf = [](ByteVec& der) {
                              const ByteVec head = base::from_hex("03420004").value();
                              const auto found = std::ranges::search(der, head);
                              *(found.end() + 3) ^= std::byte{1};
                            };
                          }}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    RefusesSignatures, ChainRule,
    ::testing::Values(
        Row{"sha1_on_the_leaf", reason(Refusal::weak_signature),
            [](Chain& chain) { chain.leaf.hash = EVP_sha1(); }},
        Row{"sha1_on_the_intermediate", reason(Refusal::weak_signature),
            [](Chain& chain) { chain.inter.hash = EVP_sha1(); }},
        Row{"md5_on_the_leaf", reason(Refusal::weak_signature),
            [](Chain& chain) {
              chain.inter_key = key_called("inter rsa", NewKey::rsa_3072);
              chain.leaf.hash = EVP_md5();
            }},
        Row{"one_bit_of_the_leafs_signature", reason(Refusal::bad_signature),
            spoilt_leaf([](ByteVec& der) { der.back() ^= std::byte{1}; })},
        Row{"one_bit_of_the_leafs_subject", reason(Refusal::bad_signature),
            spoilt_leaf([](ByteVec& der) { replace(der, "0c026777", "0c026776"); })},
        Row{"one_bit_of_the_intermediates_signature", reason(Refusal::bad_signature),
            [](Chain& chain) {
              chain.spoil_inter = [](ByteVec& der) { der.back() ^= std::byte{1}; };
            }},
        Row{"another_key_with_the_authoritys_name", reason(Refusal::bad_signature),
            [](Chain& chain) { chain.signs_leaf = key_called("impostor"); }},
        Row{"another_root_key_with_the_roots_name", reason(Refusal::bad_signature),
            [](Chain& chain) { chain.signs_inter = key_called("impostor"); }},
        // The algorithm outside of what is signed: ecdsa-with-SHA384 where SHA256 is inside.
        Row{"algorithms_that_differ_inside_and_outside", reason(Refusal::bad_signature),
            spoilt_leaf([](ByteVec& der) {
              const ByteVec oid = base::from_hex("06082a8648ce3d040302").value();
              const auto found = std::ranges::find_end(der, oid);
              *(found.end() - 1) = std::byte{3};
            })}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    RefusesPaths, ChainRule,
    ::testing::Values(
        Row{"a_missing_intermediate", reason(Refusal::unknown_authority),
            [](Chain& chain) { chain.send_inter = false; }},
        Row{"an_anchor_that_is_not_meant", reason(Refusal::unknown_authority),
            [](Chain& chain) { chain.anchors = {"other.pem"}; }},
        Row{"a_self_signed_leaf", reason(Refusal::unknown_authority),
            [](Chain& chain) {
              set(chain.leaf, "authorityKeyIdentifier", "");
              chain.build();
              const auto own =
                  test::certificate_of(chain.leaf, chain.leaf_key, nullptr, chain.leaf_key);
              chain.spoil_leaf = [der = test::der_of(own.get())](ByteVec& out) { out = der; };
            }},
        Row{"a_root_of_the_peers_own", reason(Refusal::unknown_authority),
            [](Chain& chain) {
              chain.build();
              const auto own = test::certificate_of(chain.root, key_called("impostor"), nullptr,
                                                    key_called("impostor"));
              chain.signs_inter = key_called("impostor");
              set(chain.inter, "authorityKeyIdentifier", "");
              chain.more = {test::payload_of(own.get())};
              chain.anchors = {"none"};
            }},
        Row{"a_leaf_not_valid_yet", reason(Refusal::not_yet_valid),
            [](Chain& chain) { chain.leaf.not_before = after(1); }},
        Row{"an_intermediate_not_valid_yet", reason(Refusal::not_yet_valid),
            [](Chain& chain) { chain.inter.not_before = after(1); }},
        Row{"an_anchor_not_valid_yet", reason(Refusal::not_yet_valid),
            [](Chain& chain) { chain.root.not_before = after(1); }},
        Row{"a_leaf_expired", reason(Refusal::expired),
            [](Chain& chain) { chain.leaf.not_after = after(-1); }},
        Row{"an_intermediate_expired", reason(Refusal::expired),
            [](Chain& chain) { chain.inter.not_after = after(-1); }},
        Row{"an_anchor_expired", reason(Refusal::expired),
            [](Chain& chain) { chain.root.not_after = after(-1); }},
        Row{"a_leaf_as_authority", reason(Refusal::not_an_authority),
            on_inter("basicConstraints", "critical,CA:FALSE")},
        Row{"an_intermediate_without_basic_constraints", reason(Refusal::not_an_authority),
            on_inter("basicConstraints", "")},
        Row{"an_intermediate_of_version_1", reason(Refusal::not_an_authority), make_version_1},
        Row{"a_root_without_basic_constraints", reason(Refusal::not_an_authority),
            on_root("basicConstraints", "")},
        Row{"a_path_longer_than_the_root_allows", reason(Refusal::path_length),
            on_root("basicConstraints", "critical,CA:TRUE,pathlen:0")}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    RefusesUses, ChainRule,
    ::testing::Values(
        Row{"an_intermediate_that_may_not_sign", reason(Refusal::key_usage),
            on_inter("keyUsage", "critical,cRLSign")},
        Row{"a_root_that_may_not_sign", reason(Refusal::key_usage),
            on_root("keyUsage", "critical,cRLSign")},
        Row{"a_leaf_for_encryption", reason(Refusal::key_usage),
            on_leaf("keyUsage", "critical,keyEncipherment")},
        Row{"a_leaf_for_agreement", reason(Refusal::key_usage),
            on_leaf("keyUsage", "critical,keyAgreement")},
        Row{"a_leaf_to_sign_code", reason(Refusal::extended_key_usage),
            on_leaf("extendedKeyUsage", "codeSigning")},
        Row{"a_server_where_a_client_is_wanted", reason(Refusal::extended_key_usage),
            [](Chain& chain) { chain.purpose = Purpose::client; }},
        Row{"a_server_where_ike_is_wanted", reason(Refusal::extended_key_usage),
            [](Chain& chain) { chain.purpose = Purpose::ike; }},
        Row{"a_client_where_a_server_is_wanted", reason(Refusal::extended_key_usage),
            on_leaf("extendedKeyUsage", "clientAuth")},
        Row{"an_intermediate_for_clients_only", reason(Refusal::extended_key_usage),
            on_inter("extendedKeyUsage", "clientAuth")},
        Row{"a_critical_extension_nobody_knows", reason(Refusal::unknown_critical_extension),
            on_leaf("1.2.3.4", "critical,DER:0500")},
        Row{"the_same_in_the_intermediate", reason(Refusal::unknown_critical_extension),
            on_inter("1.2.3.4", "critical,DER:0500")},
        Row{"a_name_extension_twice", reason(Refusal::invalid_extension),
            [](Chain& chain) {
              chain.leaf.extensions.push_back({"subjectAltName", "DNS:other.example.org"});
            }},
        Row{"a_name_extension_of_garbage", reason(Refusal::invalid_extension),
            on_leaf("subjectAltName", "DER:ffffffff")},
        Row{"a_key_usage_of_garbage", reason(Refusal::invalid_extension),
            on_leaf("keyUsage", "DER:0201")},
        Row{"basic_constraints_of_garbage", reason(Refusal::invalid_extension),
            on_leaf("basicConstraints", "critical,DER:31")},
        Row{"garbage_in_the_intermediate", reason(Refusal::invalid_extension),
            on_inter("nameConstraints", "critical,DER:0500")}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    RefusesNamesOutsideOfConstraints, ChainRule,
    ::testing::Values(
        Row{"a_domain_that_is_not_permitted", reason(Refusal::name_constraints),
            constrained("permitted;DNS:example.com", "DNS:gw.example.org")},
        Row{"a_domain_that_only_ends_like_it", reason(Refusal::name_constraints),
            constrained("permitted;DNS:example.org", "DNS:gw.badexample.org")},
        Row{"a_domain_that_is_excluded", reason(Refusal::name_constraints),
            constrained("excluded;DNS:example.org", "DNS:gw.example.org")},
        Row{"an_excluded_domain_in_other_case", reason(Refusal::name_constraints),
            constrained("excluded;DNS:example.org", "DNS:GW.EXAMPLE.ORG")},
        Row{"one_bad_name_among_good_ones", reason(Refusal::name_constraints),
            constrained("permitted;DNS:example.org", "DNS:gw.example.org,DNS:gw.example.com")},
        Row{"a_mail_domain_that_is_not_permitted", reason(Refusal::name_constraints),
            constrained("permitted;email:example.com", "DNS:gw.example.org,email:a@example.org")},
        Row{"a_mail_address_that_is_excluded", reason(Refusal::name_constraints),
            constrained("excluded;email:a@example.org", "DNS:gw.example.org,email:a@example.org")},
        Row{"an_address_that_is_not_permitted", reason(Refusal::name_constraints),
            constrained("permitted;IP:192.0.2.0/255.255.255.0",
                        "DNS:gw.example.org,IP:198.51.100.1")},
        Row{"an_address_that_is_excluded", reason(Refusal::name_constraints),
            constrained("excluded;IP:192.0.2.0/255.255.255.0", "DNS:gw.example.org,IP:192.0.2.9")},
        Row{"an_ipv6_address_under_an_exclusion_of_all", reason(Refusal::name_constraints),
            constrained("excluded;IP:::/::", "DNS:gw.example.org,IP:2001:db8::1")},
        Row{"a_constraint_of_the_root", reason(Refusal::name_constraints),
            on_root("nameConstraints", "critical,permitted;DNS:example.com")},
        Row{"a_constraint_that_is_not_critical", reason(Refusal::name_constraints),
            on_inter("nameConstraints", "permitted;DNS:example.com")}),
    row_name);

INSTANTIATE_TEST_SUITE_P(
    RefusesPolicies, ChainRule,
    ::testing::Values(Row{"that_are_needed_and_not_there", reason(Refusal::certificate_policy),
                          [](Chain& chain) { chain.required_policies = {"1.2.3.4"}; }},
                      Row{"that_the_authority_does_not_have", reason(Refusal::certificate_policy),
                          [](Chain& chain) {
                            set(chain.leaf, "certificatePolicies", "1.2.3.4");
                            chain.required_policies = {"1.2.3.4"};
                          }},
                      Row{"that_are_others", reason(Refusal::certificate_policy),
                          [](Chain& chain) {
                            set(chain.leaf, "certificatePolicies", "1.2.3.5");
                            set(chain.inter, "certificatePolicies", "1.2.3.5");
                            chain.required_policies = {"1.2.3.4"};
                          }},
                      Row{"that_an_authority_insists_on", reason(Refusal::certificate_policy),
                          on_inter("policyConstraints", "critical,requireExplicitPolicy:0")},
                      Row{"of_any_kind_where_that_is_inhibited",
                          reason(Refusal::certificate_policy),
                          [](Chain& chain) {
                            set(chain.inter, "inhibitAnyPolicy", "critical,0");
                            set(chain.inter, "certificatePolicies", "1.2.3.4");
                            set(chain.leaf, "certificatePolicies", "2.5.29.32.0");
                            chain.required_policies = {"1.2.3.4"};
                          }}),
    row_name);

using enum wire::IdType;

INSTANTIATE_TEST_SUITE_P(
    RefusesIdentities, ChainRule,
    ::testing::Values(
        Row{"another_name", reason(Refusal::identity_mismatch), called("other.example.org")},
        Row{"the_end_of_the_name", reason(Refusal::identity_mismatch), called("example.org")},
        Row{"the_name_with_more_before_it", reason(Refusal::identity_mismatch),
            called("x.gw.example.org")},
        Row{"the_name_with_a_dot_behind_it", reason(Refusal::identity_mismatch),
            called("gw.example.org.")},
        Row{"the_common_name", reason(Refusal::identity_mismatch), called("@gw")},
        Row{"a_name_in_the_subject_alone", reason(Refusal::identity_mismatch),
            [](Chain& chain) {
              chain.leaf.subject = "CN=gw.example.org";
              set(chain.leaf, "subjectAltName", "");
            }},
        Row{"what_a_wildcard_would_match", reason(Refusal::identity_mismatch),
            named("DNS:*.example.org", "gw.example.org")},
        Row{"a_wildcard_itself", reason(Refusal::identity_mismatch),
            named("DNS:*.example.org", "@*.example.org")},
        Row{"a_name_cut_by_a_zero", reason(Refusal::identity_mismatch),
            // dNSName "gw.example.org\0.evil"
            [](Chain& chain) {
              set(chain.leaf, "subjectAltName",
                  "DER:3016821467772e6578616d706c652e6f7267002e6576696c");
            }},
        Row{"an_address_that_is_a_dns_name_there", reason(Refusal::identity_mismatch),
            named("DNS:192.0.2.1", "192.0.2.1")},
        Row{"a_name_that_is_an_address_there", reason(Refusal::identity_mismatch),
            named("IP:192.0.2.1", "@192.0.2.1")},
        Row{"another_address", reason(Refusal::identity_mismatch), called("192.0.2.2")},
        Row{"another_ipv6_address", reason(Refusal::identity_mismatch), called("2001:db8::2")},
        Row{"an_address_of_the_wrong_size", reason(Refusal::identity_mismatch),
            of_type(ipv4_addr, std::string("\xc0\x00\x02\x01\x00", 5))},
        Row{"a_mail_address_as_a_name", reason(Refusal::identity_mismatch),
            of_type(fqdn, "anna@example.org")},
        Row{"a_name_as_a_mail_address", reason(Refusal::identity_mismatch),
            of_type(rfc822_addr, "gw.example.org")},
        Row{"another_mail_address", reason(Refusal::identity_mismatch), called("bob@example.org")},
        Row{"a_part_of_the_subject", reason(Refusal::identity_mismatch),
            as_subject("O=Example, CN=gw")},
        Row{"more_than_the_subject", reason(Refusal::identity_mismatch),
            as_subject("C=CH, O=Example, CN=gw, OU=x")},
        Row{"the_subject_in_another_order", reason(Refusal::identity_mismatch),
            as_subject("CN=gw, O=Example, C=CH")},
        Row{"a_subject_of_garbage", reason(Refusal::identity_mismatch),
            of_type(der_asn1_dn, "garbage")},
        Row{"an_empty_subject", reason(Refusal::identity_mismatch),
            [](Chain& chain) {
              chain.leaf.subject = "";
              chain.identity = {der_asn1_dn, base::from_hex("3000").value()};
            }},
        Row{"an_empty_name", reason(Refusal::identity_mismatch), of_type(fqdn, "")},
        Row{"a_key_id", reason(Refusal::identity_kind), called("keyid:00ff")},
        Row{"nothing", reason(Refusal::identity_kind), of_type(null, "")},
        Row{"a_general_name", reason(Refusal::identity_kind), of_type(der_asn1_gn, "x")},
        Row{"a_type_nobody_knows", reason(Refusal::identity_kind),
            of_type(static_cast<wire::IdType>(200), "x")}),
    row_name);

TEST(Chain, without_any_certificate_is_refused) {
  Chain chain;
  chain.build();
  const auto store = chain.make_store();
  chain.payloads.clear();
  EXPECT_EQ(test::word_of(chain.verify(*store)), reason(Refusal::no_certificate));
  chain.payloads = {{15, ByteVec(44)}, {12, ByteVec(30)}};
  EXPECT_EQ(test::word_of(chain.verify(*store)), reason(Refusal::no_certificate));
}

TEST(Chain, that_is_trusted_tells_leaf_anchor_and_the_first_to_end) {
  Chain chain;
  chain.inter.not_after = after(5 * day);
  chain.build();
  const auto store = chain.make_store();
  const auto trusted_chain = std::get<Trusted>(chain.verify(*store));
  EXPECT_EQ(trusted_chain.anchor, "root.pem");
  EXPECT_EQ(trusted_chain.not_after, after(5 * day));
  EXPECT_EQ(trusted_chain.chain,
            (std::vector<std::string>{"C=CH, O=Example, CN=gw", "O=Example, CN=Intermediate",
                                      "O=Example, CN=Root"}));
  EXPECT_EQ(trusted_chain.leaf.key, test::public_of(chain.leaf_key));
  EXPECT_EQ(trusted_chain.leaf.alternative_names.size(), 4U);
}

/// `count` authorities below the root, and a leaf below the last; leaf first.
std::vector<wire::CertPayload> long_chain(
    Chain& chain, std::size_t count, const std::string& last_constraints = "critical,CA:TRUE") {
  chain.build();
  std::vector<wire::CertPayload> payloads;
  ossl::X509Ptr above{X509_dup(chain.root_made.get())};
  EVP_PKEY* above_key = chain.root_key;
  for (std::size_t i = 0; i < count; ++i) {
    ossl::CertificateForm form = chain.inter;
    form.subject = "O=Example, CN=Authority " + std::to_string(i);
    if (i + 2 == count) set(form, "basicConstraints", last_constraints);
    EVP_PKEY* const key = key_called("authority " + std::to_string(i));
    above = test::certificate_of(form, key, above.get(), above_key);
    above_key = key;
    payloads.insert(payloads.begin(), test::payload_of(above.get()));
  }
  const auto leaf = test::certificate_of(chain.leaf, chain.leaf_key, above.get(), above_key);
  payloads.insert(payloads.begin(), test::payload_of(leaf.get()));
  return payloads;
}

TEST(Chain, is_as_long_as_the_limit_and_not_longer) {
  Chain chain;
  const auto longest = long_chain(chain, chain_depth_max);
  const auto store = chain.make_store();
  chain.payloads = longest;
  EXPECT_EQ(test::word_of(chain.verify(*store)), "trusted");
  chain.payloads = long_chain(chain, chain_depth_max + 1);
  const auto other_store = chain.make_store();
  EXPECT_EQ(test::word_of(chain.verify(*other_store)), reason(Refusal::chain_too_long));
}

TEST(Chain, with_a_path_length_exceeded_by_an_intermediate_is_refused) {
  Chain chain;
  const auto payloads = long_chain(chain, 3, "critical,CA:TRUE,pathlen:0");
  const auto store = chain.make_store();
  chain.payloads = payloads;
  EXPECT_EQ(test::word_of(chain.verify(*store)), reason(Refusal::path_length));
}

// The leaf's certificate says who issued it by name alone; several could have.
TEST(Chain, is_found_past_authorities_of_the_same_name_that_lead_nowhere) {
  Chain chain;
  set(chain.leaf, "authorityKeyIdentifier", "");
  set(chain.inter, "authorityKeyIdentifier", "");
  chain.build();
  const auto other_key = key_called("inter, another key");
  const auto same_name =
      test::certificate_of(chain.inter, other_key, chain.root_made.get(), chain.root_key);
  ossl::CertificateForm foreign_root = chain.root;
  foreign_root.subject = "O=Elsewhere, CN=Root";
  const auto foreign =
      test::certificate_of(foreign_root, key_called("foreign"), nullptr, key_called("foreign"));
  const auto cross =
      test::certificate_of(chain.inter, chain.inter_key, foreign.get(), key_called("foreign"));
  const auto leaf = chain.payloads[0];
  const auto inter = chain.payloads[1];
  const auto store = chain.make_store();
  const auto other = test::payload_of(same_name.get());
  const auto crossed = test::payload_of(cross.get());
  const auto its_root = test::payload_of(foreign.get());
  for (const auto& order : {std::vector{leaf, other, crossed, its_root, inter},
                            std::vector{leaf, its_root, crossed, other, inter},
                            std::vector{leaf, inter, other, crossed, its_root}}) {
    chain.payloads = order;
    EXPECT_EQ(test::word_of(chain.verify(*store)), "trusted");
  }
}

// Two authorities that certify each other, and no way out.
TEST(Chain, of_authorities_in_a_circle_ends) {
  Chain chain;
  chain.build();
  ossl::CertificateForm one = chain.inter;
  ossl::CertificateForm two = chain.inter;
  one.subject = "CN=One";
  two.subject = "CN=Two";
  const auto root_one = test::certificate_of(one, key_called("one"), nullptr, key_called("one"));
  const auto two_by_one =
      test::certificate_of(two, key_called("two"), root_one.get(), key_called("one"));
  const auto one_by_two =
      test::certificate_of(one, key_called("one"), two_by_one.get(), key_called("two"));
  const auto leaf =
      test::certificate_of(chain.leaf, chain.leaf_key, one_by_two.get(), key_called("one"));
  chain.payloads = {test::payload_of(leaf.get()), test::payload_of(one_by_two.get()),
                    test::payload_of(two_by_one.get())};
  const auto store = chain.make_store();
  EXPECT_EQ(test::word_of(chain.verify(*store)), reason(Refusal::unknown_authority));
}

TEST(Chain, may_use_intermediates_that_are_configured) {
  Chain chain;
  chain.send_inter = false;
  chain.build();
  const ByteVec root = test::der_of(chain.root_made.get());
  const ByteVec inter = test::der_of(chain.inter_made.get());
  const StoreFiles files{.anchors = {{"root", root}}, .intermediates = {{"inter", inter}}};
  EXPECT_EQ(test::word_of(chain.verify(**OpensslPki{}.make_store(files))), "trusted");
}

TEST(Chain, may_end_at_an_intermediate_that_is_an_anchor) {
  Chain chain;
  chain.send_inter = false;
  chain.build();
  const ByteVec inter = test::der_of(chain.inter_made.get());
  const StoreFiles files{.anchors = {{"inter", inter}}};
  EXPECT_EQ(test::word_of(chain.verify(**OpensslPki{}.make_store(files))), "trusted");
}

// A peer's own certificate as anchor: trusted for itself, and for nothing it signs.
TEST(Chain, of_a_pinned_certificate_is_that_certificate_alone) {
  Chain chain;
  chain.send_inter = false;
  chain.build();
  const ByteVec pinned = test::der_of(chain.leaf_made.get());
  const StoreFiles files{.anchors = {{"peer", pinned}}};
  const auto store = OpensslPki{}.make_store(files).value();
  chain.revocation = Revocation::strict;
  EXPECT_EQ(test::word_of(chain.verify(*store)), "trusted");
  chain.at = after(366 * day);
  EXPECT_EQ(test::word_of(chain.verify(*store)), reason(Refusal::expired));
  chain.at = now;
  const auto below =
      test::certificate_of(chain.leaf, key_called("below"), chain.leaf_made.get(), chain.leaf_key);
  chain.payloads = {test::payload_of(below.get())};
  EXPECT_EQ(test::word_of(chain.verify(*store)), reason(Refusal::not_an_authority));
}

TEST(Chain, ends_at_the_anchors_that_are_meant) {
  Chain chain;
  chain.build();
  const ByteVec root = test::der_of(chain.root_made.get());
  ossl::CertificateForm form = chain.root;
  form.subject = "CN=Other";
  const auto made = test::certificate_of(form, key_called("other"), nullptr, key_called("other"));
  const ByteVec other = test::der_of(made.get());
  const StoreFiles files{.anchors = {{"root", root}, {"other", other}}};
  const auto store = OpensslPki{}.make_store(files).value();
  chain.anchors = {"root"};
  EXPECT_EQ(test::word_of(chain.verify(*store)), "trusted");
  chain.anchors = {"other"};
  EXPECT_EQ(test::word_of(chain.verify(*store)), reason(Refusal::unknown_authority));
  EXPECT_EQ(store->authorities({}).size(), 2U);
  EXPECT_EQ(store->authorities(chain.anchors).size(), 1U);
}

}  // namespace
}  // namespace caponier::pki
