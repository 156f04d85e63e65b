// [server], [client.NAME], and certificates of all peers, as far as nothing is read by OpenSSL.

#include <gtest/gtest.h>

#include "unit/config/memory_source.h"
#include "unit/gateway/fake_pki.h"

namespace caponier::config {
namespace {

const std::string nets = "local_nets = [\"10.1.0.0/16\"]\nremote_nets = [\"10.2.0.0/16\"]\n";

std::string say(const std::string& text, std::map<std::string, std::string> secrets = {}) {
  MemorySource source = source_of(text);
  for (const auto& [name, value] : secrets) source.secrets.emplace(name, value);
  return complaints(source);
}

TEST(ConfigUsers, a_client_by_password_asks_for_an_address_and_goes_everywhere) {
  MemorySource source = source_of(
      "[client.work]\nremote = \"vpn.example.org\"\nuser = \"alice\"\npassword = \"@alice\"\n"
      "psk = \"@branch\"\n");
  source.secrets.emplace("@alice", "short\n");
  const auto config = loaded(std::move(source));
  ASSERT_NE(config, nullptr);
  const PeerConfig& peer = config->peers.at(0);
  EXPECT_EQ(peer.kind, PeerKind::client);
  EXPECT_EQ(peer.exchange.auth, Auth::eap);
  EXPECT_EQ(peer.exchange.remote_auth, Auth::psk);
  EXPECT_EQ(peer.proof.user, "alice");
  EXPECT_TRUE(base::equal_constant_time(peer.proof.password->reveal(), base::as_bytes("short")));
  EXPECT_EQ(peer.local_id->to_string(), "alice");
  ASSERT_EQ(peer.remote_nets().size(), 2u);
  EXPECT_EQ(peer.remote_nets().at(0).length, 0u);
}

TEST(ConfigUsers, the_server_of_eap_tls_is_the_gateway_unless_it_is_named) {
  const auto server_with = [](const std::string& more) {
    MemorySource source = source_of(
        "[client.work]\nremote = \"192.0.2.1\"\nuser = \"alice\"\npassword = \"@branch\"\n"
        "psk = \"@branch\"\n" +
        more);
    const auto config = loaded(std::move(source));
    return config ? config->peers.at(0).proof.eap_server->to_string() : "";
  };
  EXPECT_EQ(server_with(""), "192.0.2.1");
  EXPECT_EQ(server_with("remote_id = \"vpn.example\"\n"), "vpn.example");
  EXPECT_EQ(server_with("remote_id = \"*.example\"\n"), "192.0.2.1");
  EXPECT_EQ(server_with("remote_id = \"vpn.example\"\neap_server = \"radius.example\"\n"),
            "radius.example");
}

TEST(ConfigUsers, whom_to_trust_must_be_said) {
  EXPECT_EQ(say("[site.branch]\nremote = \"b.example\"\nauth = \"null\"\n"
                "remote_auth = \"pubkey\"\n" +
                nets),
            "caponier.toml:1:1: [site.branch]: whom to trust is missing\n"
            "  fix: add ca = [\"FILE\"] with the peer's authority, or its peer_key\n");
}

TEST(ConfigUsers, a_user_needs_a_password_or_a_key) {
  EXPECT_EQ(say("[client.work]\nremote = \"b.example\"\npsk = \"@branch\"\nuser = \"alice\"\n"),
            "caponier.toml:1:1: [client.work]: the user is missing\n"
            "  fix: add user = \"NAME\", and password = \"@NAME\", or cert and key for EAP-TLS\n");
}

TEST(ConfigUsers, users_come_to_servers_alone) {
  EXPECT_NE(say("[site.branch]\nremote = \"b.example\"\npsk = \"@branch\"\n"
                "remote_auth = \"eap\"\n" +
                nets)
                .find("users that authenticate by EAP come to a [server]"),
            std::string::npos);
}

TEST(ConfigUsers, a_server_has_its_own_keys_and_none_that_name_a_peer) {
  const std::string said =
      say("[server]\nname = \"vpn.example.org\"\npool = [\"10.9.0.0/24\"]\n"
          "remote = \"any\"\n");
  EXPECT_NE(said.find("unknown key 'remote' in [server]"), std::string::npos) << said;
}

TEST(ConfigUsers, radius_needs_its_secret_and_addresses) {
  const std::string server =
      "[server]\nname = \"vpn.example.org\"\npool = [\"10.9.0.0/24\"]\n"
      "certificates = false\n";
  EXPECT_NE(say(server + "radius = [\"10.1.0.5\"]\n").find("the secret shared with the RADIUS"),
            std::string::npos);
  EXPECT_NE(say(server + "radius = [\"radius.example\"]\n").find("is no address of a RADIUS"),
            std::string::npos);
}

TEST(ConfigUsers, a_server_is_for_somebody) {
  EXPECT_NE(say("[server]\nname = \"vpn.example.org\"\npool = [\"10.9.0.0/24\"]\n"
                "certificates = false\n")
                .find("nobody can come in"),
            std::string::npos);
}

TEST(ConfigUsers, the_name_users_is_the_servers) {
  const std::string said =
      say("[site.users]\nremote = \"203.0.113.9\"\npsk = \"@branch\"\n" + nets +
          "[server]\nname = \"vpn.example.org\"\npool = [\"10.9.0.0/24\"]\n");
  EXPECT_NE(said.find("users"), std::string::npos) << said;
}

/// Every file of the pki folder is there, and every key is one.
class ServerPki final : public gateway::test::FakePki {
 public:
  Loaded<pki::Credential> load_credential(const pki::CredentialFiles&) const override {
    return pki::Credential{};
  }
};
class ServerSource final : public MemorySource {
 public:
  explicit ServerSource(std::string_view text) : MemorySource(source_of(text)) {
    secrets.emplace("@radius", "hush");
  }
  const pki::PkiProvider* pki() const override { return &pki_; }
  std::expected<base::SecretBytes, FileError> read_pki(const std::string&, bool) override {
    return base::SecretBytes{base::as_bytes("a file")};
  }

 private:
  ServerPki pki_;
};

std::string complaints_of_server(const std::string& text) {
  ServerSource source{text};
  return complaints(source);
}
std::shared_ptr<const Config> loaded_server(const std::string& text) {
  ServerSource source{text};
  const auto config = load(std::string{main_file}, source);
  return config ? *config : nullptr;
}

std::string server_with(const std::string& more) {
  return "[server]\nname = \"vpn.example.org\"\npool = [\"10.9.0.0/24\"]\n"
         "certificates = false\npasswords = true\nlocal_nets = [\"10.1.0.0/16\"]\n" +
         more;
}

TEST(ConfigUsers, addresses_of_the_server_are_within_its_networks_and_one_of_a_family) {
  const auto config = loaded_server(server_with("addresses = [\"10.1.0.1\"]\n"));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->peers.at(0).server->addresses.at(0).to_string(), "10.1.0.1");
  EXPECT_NE(complaints_of_server(server_with("addresses = [\"192.0.2.1\"]\n"))
                .find("192.0.2.1 is not within local_nets"),
            std::string::npos);
  EXPECT_NE(complaints_of_server(server_with("addresses = [\"10.1.0.1\", \"10.1.0.2\"]\n"))
                .find("there is one of this family already"),
            std::string::npos);
}

TEST(ConfigUsers, accounting_goes_to_the_same_servers_one_port_higher) {
  const auto config =
      loaded_server(server_with("radius = [\"10.1.0.5:1912\"]\nradius_secret = \"@radius\"\n"
                                "radius_accounting = true\nradius_coa = \"10.1.0.1\"\n"));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->radius->accounting.at(0).to_string(), "10.1.0.5:1913");
  EXPECT_EQ(config->radius->coa->to_string(), "10.1.0.1:3799");
  EXPECT_EQ(config->radius->coa_clients.at(0).to_string(), "10.1.0.5");
}

TEST(ConfigUsers, accounting_can_be_all_that_radius_is_for) {
  const auto config = loaded_server(
      server_with("radius_accounting = [\"10.1.0.5\"]\nradius_secret = \"@radius\"\n"));
  ASSERT_NE(config, nullptr);
  EXPECT_TRUE(config->radius->servers.empty());
  EXPECT_EQ(config->radius->accounting.at(0).to_string(), "10.1.0.5:1813");
}

TEST(ConfigUsers, what_radius_is_told_and_asks_needs_both_sides) {
  EXPECT_NE(complaints_of_server(server_with("radius_accounting = true\n"))
                .find("there are no RADIUS servers"),
            std::string::npos);
  EXPECT_NE(
      complaints_of_server(server_with("radius_coa = \"10.1.0.1\"\n")).find("nobody may ask there"),
      std::string::npos);
  EXPECT_NE(complaints_of_server(server_with("radius_coa_clients = [\"10.1.0.5\"]\n"))
                .find("nobody listens"),
            std::string::npos);
}

TEST(ConfigUsers, groups_stay_in_their_order_and_their_pools_are_the_servers_too) {
  const auto config =
      loaded_server(server_with("others = \"refuse\"\n[group.staff]\nmembers = [\"alice\"]\n"
                                "networks = [\"10.1.2.0/24\"]\npool = [\"10.9.1.0/24\"]\n"
                                "[group.all]\nfilters = [\"x\"]\n"));
  ASSERT_NE(config, nullptr);
  ASSERT_EQ(config->groups.size(), 2u);
  EXPECT_EQ(config->groups[0].name, "staff");
  EXPECT_EQ(config->peers.at(0).server->all_pools.size(), 2u);
  EXPECT_EQ(config->peers.at(0).server->pools.size(), 1u);
  EXPECT_TRUE(config->peers.at(0).server->refuses_others);
}

TEST(ConfigUsers, a_group_needs_a_server_members_and_networks_that_are_there) {
  EXPECT_NE(say("[group.staff]\nmembers = [\"alice\"]\n").find("add a [server]"),
            std::string::npos);
  EXPECT_NE(complaints_of_server(server_with("[group.staff]\n")).find("nobody is in it"),
            std::string::npos);
  EXPECT_NE(complaints_of_server(server_with("[group.staff]\nmembers = [\"a\"]\n"
                                             "networks = [\"10.2.0.0/24\"]\n"))
                .find("10.2.0.0/24 is not within local_nets of [server]"),
            std::string::npos);
  EXPECT_NE(complaints_of_server(
                server_with("[group.staff]\nmembers = [\"a\"]\npool = [\"10.9.0.0/25\"]\n"))
                .find("overlaps 10.9.0.0/24"),
            std::string::npos);
  EXPECT_NE(complaints_of_server(server_with("[group.staff]\npolicies = [\"1..2\"]\n"))
                .find("no object identifier"),
            std::string::npos);
}

TEST(ConfigUsers, encrypted_dns_is_written_as_a_url) {
  const auto config = loaded_server(
      server_with("dns = [\"10.1.0.53\"]\ndns_encrypted = [\"tls://dns.example.org\", "
                  "\"https://dns.example.org:444/q\"]\n"));
  ASSERT_NE(config, nullptr);
  const auto& dns = config->peers.at(0).server->dns_encrypted;
  ASSERT_EQ(dns.size(), 2u);
  EXPECT_EQ(dns[0].name, "dns.example.org");
  EXPECT_EQ(dns[0].protocols, std::vector<std::string>{"dot"});
  EXPECT_EQ(dns[1].port, 444);
  EXPECT_EQ(dns[1].doh_path, "/q{?dns}");
  EXPECT_EQ(dns[1].priority, 2);
  EXPECT_NE(complaints_of_server(
                server_with("dns = [\"10.1.0.53\"]\ndns_encrypted = [\"dns.example.org\"]\n"))
                .find("names no encrypted DNS"),
            std::string::npos);
  EXPECT_NE(complaints_of_server(server_with("dns_encrypted = [\"tls://dns.example.org\"]\n"))
                .find("not said where these servers are"),
            std::string::npos);
}

TEST(ConfigUsers, eap_methods_need_what_they_prove_users_by) {
  const auto config = loaded_server(server_with("eap = [\"ttls\", \"mschapv2\"]\n"));
  ASSERT_NE(config, nullptr);
  EXPECT_EQ(config->peers.at(0).server->eap, (std::vector{EapMethod::ttls, EapMethod::mschapv2}));
  EXPECT_NE(complaints_of_server(server_with("eap = [\"tls\"]\n"))
                .find("certificates, which are switched off"),
            std::string::npos);
  EXPECT_NE(complaints_of_server(server_with("eap = [\"leap\"]\n")).find("no EAP method of ours"),
            std::string::npos);
}

}  // namespace
}  // namespace caponier::config
