#include "dialect/dialect.h"

#include <gtest/gtest.h>

#include <fstream>

#include "config/memory_source.h"

namespace caponier::dialect {
namespace {

constexpr std::string_view letters = "kVq3ZrT8mWx2LpN7sYb4Hd9JcF6gQe5A";

std::shared_ptr<const config::Config> config_of(std::string_view text) {
  config::MemorySource source = config::source_of(text);
  source.secrets.insert_or_assign("@letters", std::string{letters} + "\n");
  const auto loaded = config::load(std::string{config::main_file}, source);
  EXPECT_TRUE(loaded) << (loaded ? std::string{} : loaded.error().front().to_string());
  return loaded ? *loaded : nullptr;
}

Situation situation() {
  Situation out;
  out.reached_at = "198.51.100.1";
  out.own_address = *base::IpAddress::parse("198.51.100.1");
  out.secret_place = "/etc/caponier/secrets/branch";
  return out;
}

/// One pair of networks, all else by default.
constexpr std::string_view plain = R"([site.branch]
remote = "203.0.113.9"
psk = "@letters"
local_nets = ["10.1.0.0/16"]
remote_nets = ["10.2.0.0/16"]
)";
/// Two children, names as identities, algorithms without an AEAD, other times.
constexpr std::string_view rich = R"([site."branch.two"]
remote = ["203.0.113.9", "203.0.113.10"]
psk = "@letters"
local_id = "gw.example.org"
remote_id = "two@example.org"
ike = ["aes256-sha256-prfsha256-modp2048"]
esp = ["aes128-sha256-modp2048"]
lifetime = "30m"
ike_lifetime = "4h"
dpd = "20s"
encap = "always"
start = false
local_nets = ["10.1.0.0/16"]
[site."branch.two".children.voice]
remote_nets = ["10.2.0.0/24"]
[site."branch.two".children.data]
remote_nets = ["10.2.1.0/24"]
)";
/// Everything goes to the peer, without PFS.
constexpr std::string_view everything = R"([site.all]
remote = "203.0.113.9"
psk = "@letters"
esp = ["aes256gcm16"]
local_nets = ["10.1.0.0/16"]
remote_nets = ["0.0.0.0/0"]
)";

std::expected<std::string, Refusal> exported(std::string_view text, Target target,
                                             const Situation& where = situation()) {
  const auto config = config_of(text);
  if (!config) return std::unexpected{Refusal{}};
  return export_peer(config->peers.front(), target, where);
}

void expect_stored(std::string_view text, Target target, const std::string& name) {
  const auto made = exported(text, target);
  const std::string said = made ? *made : made.error().key + ": " + made.error().message + "\n";
  std::ifstream file{CAPONIER_SOURCE_DIR "/tests/unit/dialect/stored/" + name};
  const std::string stored{std::istreambuf_iterator<char>{file}, {}};
  if (stored == said) return;
  const std::string place = testing::TempDir() + name;
  std::ofstream{place} << said;
  ADD_FAILURE() << "If the change is meant, store " << place << " in tests/unit/dialect/stored.";
}

TEST(Dialect, of_a_plain_site_is_as_stored_for_every_product) {
  for (const TargetName& target : all_targets()) {
    expect_stored(plain, target.target, "plain." + std::string{target.word});
  }
}

TEST(Dialect, of_a_site_with_two_children_names_and_cbc_is_as_stored_for_every_product) {
  for (const TargetName& target : all_targets()) {
    expect_stored(rich, target.target, "rich." + std::string{target.word});
  }
}

TEST(Dialect, of_a_site_that_carries_everything_is_as_stored_for_every_product) {
  for (const TargetName& target : all_targets()) {
    expect_stored(everything, target.target, "everything." + std::string{target.word});
  }
}

TEST(Dialect, says_of_every_product_but_the_two_that_were_run_that_it_is_unverified) {
  for (const TargetName& target : all_targets()) {
    const auto made = exported(plain, target.target);
    ASSERT_TRUE(made) << target.word << made.error().message;
    const bool was_run = target.target == Target::swanctl || target.target == Target::libreswan;
    EXPECT_EQ(made->find("unverified") == std::string::npos, was_run) << *made;
  }
}

TEST(Dialect, holds_the_secret_only_where_it_is_asked_for) {
  for (const TargetName& target : all_targets()) {
    Situation asked = situation();
    const auto without = exported(plain, target.target, asked);
    asked.with_secret = true;
    const auto with = exported(plain, target.target, asked);
    ASSERT_TRUE(without && with) << target.word;
    EXPECT_EQ(without->find(letters), std::string::npos) << *without;
    EXPECT_NE(without->find("PRE-SHARED-KEY: what stands in /etc/caponier/secrets/branch"),
              std::string::npos)
        << *without;
    EXPECT_NE(with->find(letters), std::string::npos) << *with;
    EXPECT_EQ(with->find("PRE-SHARED-KEY"), std::string::npos) << *with;
  }
}

std::string refusal(std::string_view text, Target target) {
  const auto made = exported(text, target);
  return made ? "exported" : made.error().key + ": " + made.error().message;
}

std::string with(std::string_view more) { return std::string{plain} + std::string{more}; }

TEST(Dialect, refuses_with_the_key_what_the_product_cannot_do) {
  EXPECT_EQ(refusal(with("ike = [\"chacha20poly1305-prfsha256-x25519\"]\n"), Target::junos),
            "ike: none of our proposals for IKE is one that Juniper SRX (Junos) knows");
  EXPECT_EQ(refusal(with("esp = [\"chacha20poly1305\"]\n"), Target::aws),
            "esp: none of our proposals for Child SAs is one that AWS Site-to-Site VPN knows");
  EXPECT_EQ(refusal(with("ah = [\"sha256\"]\nencap = \"never\"\ntcp = \"never\"\n"), Target::iosxe),
            "ah: AH is not exported for Cisco IOS XE");
  EXPECT_EQ(refusal(with("local_id = \"gw.example.org\"\n"), Target::azure),
            "local_id: Azure VPN gateway knows its peer by the address 198.51.100.1 alone, our "
            "identity is gw.example.org");
  EXPECT_EQ(refusal(with("remote_id = \"*.example.org\"\n"), Target::swanctl),
            "remote_id: '*.example.org' is many identities, a peer has one");
  EXPECT_EQ(refusal(with("tcp = \"always\"\n"), Target::fortios),
            "tcp: FortiGate (FortiOS) is not known to carry IKE in TCP as we do");
  EXPECT_EQ(refusal(with("remote_port = 5000\n"), Target::panos),
            "remote_port: Palo Alto Networks (PAN-OS) has IKE on UDP port 500 alone");
  EXPECT_EQ(refusal("[host.db]\nremote = \"203.0.113.9\"\npsk = \"@letters\"\n", Target::aws),
            "mode: transport mode is not exported for AWS Site-to-Site VPN");
  EXPECT_EQ(refusal(rich, Target::gcp), "children: Google Cloud VPN has one Child SA a tunnel");
}

constexpr std::string_view two_networks = R"([site.branch]
remote = "203.0.113.9"
psk = "@letters"
local_nets = ["10.1.0.0/16"]
remote_nets = ["10.2.0.0/24", "10.3.0.0/24"]
)";

TEST(Dialect, of_several_networks_in_one_child_only_where_the_product_can) {
  for (const TargetName& target : all_targets()) {
    const bool can = target.target == Target::swanctl || target.target == Target::gcp;
    const std::string said = refusal(two_networks, target.target);
    EXPECT_EQ(said == "exported", can) << target.word << ": " << said;
    if (!can) {
      EXPECT_TRUE(said.starts_with("remote_nets: ")) << said;
    }
  }
}

TEST(Dialect, refuses_secrets_that_aws_does_not_take) {
  const std::string text =
      "[site.branch]\nremote = \"203.0.113.9\"\npsk = \"@branch\"\n"
      "local_nets = [\"10.1.0.0/16\"]\nremote_nets = [\"10.2.0.0/16\"]\n";
  EXPECT_TRUE(refusal(text, Target::aws).starts_with("psk: AWS takes"))
      << refusal(text, Target::aws);
  EXPECT_EQ(refusal(text, Target::azure), "exported");
}

TEST(Dialect, chooses_the_first_of_our_offers_that_the_product_knows) {
  const std::string text = with(
      "ike = [\"chacha20poly1305-prfsha256-x25519\", \"aes128gcm16-prfsha256-ecp256\"]\n"
      "esp = [\"chacha20poly1305\", \"aes128gcm16-ecp256\"]\n");
  EXPECT_NE(exported(text, Target::swanctl)->find("proposals = chacha20poly1305-prfsha256-x25519"),
            std::string::npos);
  EXPECT_NE(exported(text, Target::iosxe)->find("encryption aes-gcm-128"), std::string::npos);
  EXPECT_NE(exported(text, Target::panos)->find("dh-group group19"), std::string::npos);
}

TEST(Dialect, takes_from_pan_os_the_prf_that_belongs_to_the_group) {
  EXPECT_EQ(refusal(with("ike = [\"aes256gcm16-prfsha512-ecp384\"]\n"), Target::panos),
            "ike: none of our proposals for IKE is one that Palo Alto Networks (PAN-OS) knows");
  EXPECT_EQ(refusal(with("ike = [\"aes256gcm16-prfsha384-ecp384\"]\n"), Target::panos), "exported");
}

TEST(Dialect, names_our_identity_where_a_nat_hides_our_address) {
  Situation behind = situation();
  behind.own_address = *base::IpAddress::parse("192.168.1.2");
  const auto made = exported(plain, Target::swanctl, behind);
  ASSERT_TRUE(made);
  EXPECT_NE(made->find("remote_addrs = 198.51.100.1"), std::string::npos);
  EXPECT_NE(made->find("id = 192.168.1.2"), std::string::npos);
  EXPECT_EQ(exported(plain, Target::aws, behind).error().key, "local_id");
}

TEST(Dialect, lets_the_peer_begin_where_we_wait) {
  const auto any = exported(
      "[site.branch]\nremote = \"any\"\npsk = \"@letters\"\nlocal_nets = [\"10.1.0.0/16\"]\n"
      "remote_nets = [\"10.2.0.0/16\"]\n",
      Target::swanctl);
  ASSERT_TRUE(any);
  EXPECT_NE(any->find("start_action = start"), std::string::npos);
  EXPECT_NE(exported(plain, Target::swanctl)->find("start_action = trap"), std::string::npos);
}

TEST(Dialect, writes_a_secret_that_looks_encoded_so_that_it_is_read_as_it_is) {
  config::MemorySource source = config::source_of(plain);
  source.secrets.insert_or_assign("@letters", "0sVq3ZrT8mWx2LpN7sYb4Hd9JcF6gQe5A");
  const auto loaded = config::load(std::string{config::main_file}, source);
  ASSERT_TRUE(loaded);
  Situation asked = situation();
  asked.with_secret = true;
  const auto made = export_peer((*loaded)->peers.front(), Target::swanctl, asked);
  ASSERT_TRUE(made);
  EXPECT_NE(made->find("secret = \"0x307356713"), std::string::npos) << *made;
}

}  // namespace
}  // namespace caponier::dialect
