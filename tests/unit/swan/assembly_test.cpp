#include "swan/assembly.h"

#include <gtest/gtest.h>

#include "pki/openssl/provider.h"
#include "unit/swan/memory_files.h"
#include "unit/swan/swanctl_folder.h"

namespace caponier::swan {
namespace {

constexpr std::string_view psk = "mJ2vQe8sWbX4nTyR6uKd9cLzA5hGf3Po";

std::string credential(const std::string& name) {
  return content_of(swanctl_folder() / "credentials" / name);
}

/// As load-conn carries it: lists are lists.
Section conn(const std::string& name, const std::string& remote) {
  Section section{name, {}, {}, {}};
  section.set("version", "2");
  section.set_list("local_addrs", {"192.0.2.1"});
  section.set_list("remote_addrs", {remote});
  section.open("local-1").set("auth", "psk");
  section.open("local-1").set("id", "a.example.org");
  section.open("remote-1").set("auth", "psk");
  section.open("remote-1").set("id", name + ".example.org");
  Section& child = section.open("children").open("net");
  child.set_list("local_ts", {"10.1.0.0/16"});
  child.set_list("remote_ts", {"10.2.0.0/16"});
  return section;
}

struct Assembling : testing::Test {
  pki::OpensslPki pki;
  MemoryFiles disk;
  Assembly assembly{&pki, disk};

  std::vector<std::string> peers() {
    const Assembly::Made made = assembly.make(nullptr);
    std::vector<std::string> names;
    if (!made.config) return names;
    for (const config::PeerConfig& peer : made.config->peers) names.push_back(peer.name);
    return names;
  }
  std::string complaints() {
    std::string text;
    const Assembly::Made made = assembly.make(nullptr);
    for (const Remark& remark : made.report.remarks()) {
      text += remark.to_string() + "\n";
    }
    return text;
  }
};
using Names = std::vector<std::string>;

TEST_F(Assembling, a_connection_waits_for_its_secret) {
  ASSERT_TRUE(assembly.load_conn(conn("b", "192.0.2.2")));
  EXPECT_EQ(peers(), Names{});
  EXPECT_NE(complaints().find("there is no pre-shared key for a.example.org and b.example.org"),
            std::string::npos);
  ASSERT_TRUE(assembly.load_shared("ike", "IKE", base::as_bytes(psk), {"b.example.org"}));
  EXPECT_EQ(peers(), Names{"b"});
  ASSERT_TRUE(assembly.unload_shared("ike"));
  EXPECT_EQ(peers(), Names{});
}

TEST_F(Assembling, a_connection_of_the_same_name_replaces_the_one_before) {
  ASSERT_TRUE(assembly.load_shared("", "IKE", base::as_bytes(psk), {}));
  ASSERT_TRUE(assembly.load_conn(conn("b", "192.0.2.2")));
  ASSERT_TRUE(assembly.load_conn(conn("b", "192.0.2.3")));
  const Assembly::Made made = assembly.make(nullptr);
  ASSERT_EQ(made.config->peers.size(), 1u);
  EXPECT_EQ(made.config->peers[0].remote, "192.0.2.3");
  ASSERT_TRUE(assembly.unload_conn("b"));
  EXPECT_FALSE(assembly.unload_conn("b"));
}

TEST_F(Assembling, what_cannot_be_had_is_refused_by_name) {
  Section old = conn("b", "192.0.2.2");
  old.set("version", "1");
  EXPECT_EQ(assembly.load_conn(old).error(),
            "connections.b.version: IKEv1 is not spoken here: it is obsolete (RFC 9395) (write "
            "version = 2 on both sides; all else may stay)");
  Section unknown = conn("b", "192.0.2.2");
  unknown.set("propsals", "aes256-sha256-modp2048");
  EXPECT_EQ(assembly.load_conn(unknown).error(),
            "connections.b.propsals: connections have no key 'propsals' (did you mean "
            "'proposals'?)");
  Section marked = conn("b", "192.0.2.2");
  marked.open("children").open("net").set("mark_in", "42");
  EXPECT_NE(assembly.load_conn(marked).error().find("connections.b.children.net.mark_in: "),
            std::string::npos);
  EXPECT_TRUE(assembly.connections().empty());
}

TEST_F(Assembling, one_that_stands_in_the_way_leaves_the_others) {
  ASSERT_TRUE(assembly.load_shared("", "IKE", base::as_bytes(psk), {}));
  ASSERT_TRUE(assembly.load_conn(conn("b", "192.0.2.2")));
  ASSERT_TRUE(assembly.load_conn(conn("c", "192.0.2.3")));  // the same networks
  EXPECT_EQ(peers(), Names{"b"});
  EXPECT_NE(complaints().find("connections.c"), std::string::npos);
}

TEST_F(Assembling, certificates_and_keys_come_as_octets) {
  Section section = conn("b", "192.0.2.2");
  section.open("local-1").set("auth", "pubkey");
  section.open("local-1").set_list("certs", {credential("a.pem")});
  section.open("remote-1").set("auth", "pubkey");
  section.open("remote-1").set_list("cacerts", {credential("ca.pem")});
  ASSERT_TRUE(assembly.load_conn(section));
  EXPECT_EQ(peers(), Names{});
  const auto id = assembly.load_key(base::as_bytes(credential("a.key")));
  ASSERT_TRUE(id);
  EXPECT_EQ(id->size(), 40u);
  EXPECT_EQ(assembly.keys(), Names{*id});
  EXPECT_EQ(peers(), Names{"b"}) << complaints();
  ASSERT_TRUE(assembly.unload_key(*id));
  EXPECT_EQ(peers(), Names{});
}

TEST_F(Assembling, with_keys_in_another_process_it_makes_the_same_connections) {
  Section by_key = conn("b", "192.0.2.2");
  by_key.open("local-1").set("auth", "pubkey");
  by_key.open("local-1").set_list("certs", {credential("a.pem")});
  by_key.open("remote-1").set("auth", "pubkey");
  by_key.open("remote-1").set_list("cacerts", {credential("ca.pem")});
  Section by_psk = conn("c", "192.0.2.3");
  by_psk.open("children").open("net").set_list("remote_ts", {"10.3.0.0/16"});
  Assembly other{&pki, disk};
  for (Assembly* one : {&assembly, &other}) {
    ASSERT_TRUE(one->load_conn(by_key));
    ASSERT_TRUE(one->load_conn(by_psk));
  }
  const auto id = other.load_key(base::as_bytes(credential("a.key")));
  ASSERT_TRUE(id);
  ASSERT_TRUE(other.load_shared("one", "IKE", base::as_bytes(psk), {}));
  const Assembly::Made theirs = other.make(nullptr);
  ASSERT_TRUE(theirs.config && theirs.config->peers.size() == 2);
  config::HeldKeys held;
  held.peers["b"].credential = theirs.config->peers[0].proof.credential;
  held.peers["c"].psk_fingerprint = base::to_vec(base::as_bytes("print"));

  ASSERT_TRUE(assembly.note_key(*id, other.public_half(*id)));
  ASSERT_TRUE(assembly.note_shared("one", "IKE", 128, {}));
  EXPECT_EQ(assembly.keys(), other.keys());
  EXPECT_EQ(assembly.shared(), other.shared());
  const Assembly::Made made = assembly.make(&held);
  ASSERT_TRUE(made.config);
  ASSERT_EQ(made.config->peers.size(), 2u) << complaints();
  EXPECT_EQ(made.config->peers[1].psk, nullptr);
  EXPECT_TRUE(made.document.secrets.empty());

  assembly.forget_held();
  EXPECT_EQ(assembly.keys(), Names{});
  EXPECT_EQ(assembly.shared(), Names{});
  EXPECT_EQ(peers(), Names{});
}

TEST_F(Assembling, octets_that_end_in_a_blank_stay_whole) {
  Section section = conn("b", "192.0.2.2");
  section.open("remote-1").set("auth", "pubkey");
  section.open("remote-1").set_list("certs", {std::string{"\x30\x02\x05 "}});
  ASSERT_TRUE(assembly.load_conn(section));
  EXPECT_EQ(assembly.content_of(assembly.connections()[0].remote[0].certs[0]), "\x30\x02\x05 ");
}

TEST_F(Assembling, a_pool_may_go_before_the_connection_that_names_it) {
  Section pool{"inner", {}, {}, {}};
  pool.set("addrs", "10.9.0.0/24");
  ASSERT_TRUE(assembly.load_pool(pool));
  Section section = conn("b", "%any");
  section.open("local-1").set("auth", "pubkey");
  section.open("remote-1").set("auth", "eap-mschapv2");
  section.set_list("pools", {"inner"});
  section.open("children").open("net").set_list("remote_ts", {"dynamic"});
  const auto done = assembly.load_conn(section);
  ASSERT_TRUE(done) << done.error();
  EXPECT_TRUE(assembly.unload_pool("inner"));
  EXPECT_FALSE(assembly.unload_pool("inner"));
  EXPECT_NE(complaints().find("there is no pool 'inner'"), std::string::npos);
}

TEST_F(Assembling, clearing_forgets_secrets_and_keys) {
  ASSERT_TRUE(assembly.load_shared("one", "IKE", base::as_bytes(psk), {}));
  ASSERT_TRUE(assembly.load_key(base::as_bytes(credential("a.key"))));
  EXPECT_EQ(assembly.shared(), Names{"one"});
  assembly.clear_credentials();
  EXPECT_EQ(assembly.shared(), Names{});
  EXPECT_EQ(assembly.keys(), Names{});
}

TEST_F(Assembling, clearing_takes_trust_away_from_authorities_that_no_connection_names) {
  const auto load = [&](std::string_view name, std::string_view type, std::string_view flag) {
    return assembly.load_cert(type, flag, base::as_bytes(credential(std::string{name})));
  };
  ASSERT_TRUE(load("ca.pem", "X509", "CA"));
  ASSERT_TRUE(load("b.pem", "X509", "NONE"));
  ASSERT_TRUE(load("a.pub", "PUBKEY", "NONE"));
  Section section = conn("b", "192.0.2.2");
  section.open("remote-1").set_list("certs", {credential("b.pem")});
  ASSERT_TRUE(assembly.load_conn(section));
  EXPECT_EQ(assembly.certificates().size(), 2u);
  assembly.clear_credentials();
  EXPECT_EQ(assembly.certificates().size(), 1u);
  EXPECT_FALSE(load("a.pub", "X509_AC", "NONE"));
}

TEST_F(Assembling, connections_and_children_keep_the_names_that_they_were_given) {
  ASSERT_TRUE(assembly.load_shared("", "IKE", base::as_bytes(psk), {}));
  ASSERT_TRUE(assembly.load_conn(conn("peer-192.0.2.2-tunnel", "192.0.2.2")));
  Section two = conn("two", "192.0.2.3");
  two.open("children").open("net").set_list("remote_ts", {"10.3.0.0/16"});
  Section& more = two.open("children").open("more nets");
  more.set_list("local_ts", {"10.1.0.0/16"});
  more.set_list("remote_ts", {"10.4.0.0/16"});
  Section& lan = two.open("children").open("lan");
  lan.set("mode", "pass");
  lan.set("start_action", "trap");
  lan.set_list("local_ts", {"10.1.0.0/16"});
  lan.set_list("remote_ts", {"10.1.0.0/16"});
  const auto done = assembly.load_conn(two);
  ASSERT_TRUE(done) << done.error();
  EXPECT_EQ(peers(), (Names{"peer-192.0.2.2-tunnel", "two"})) << complaints();
  const Assembly::Made made = assembly.make(nullptr);
  const auto& all = made.config->peers;
  EXPECT_EQ(all[0].child().name, "net");
  ASSERT_EQ(all[1].children.size(), 2u);
  EXPECT_TRUE(all[1].find_child("net"));
  EXPECT_TRUE(all[1].find_child("more nets"));
  ASSERT_EQ(made.config->policies.size(), 1u);
  EXPECT_EQ(made.config->policies[0].name, "two/lan");
}

}  // namespace
}  // namespace caponier::swan
