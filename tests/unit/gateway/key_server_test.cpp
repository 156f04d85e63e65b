// Both ends of what lies between the process that has the keys and the one that speaks with peers.

#include "gateway/key_server.h"

#include <gtest/gtest.h>

#include "crypto/null/provider.h"
#include "gateway/key_client.h"
#include "ike/auth_methods.h"
#include "unit/config/memory_source.h"
#include "unit/gateway/fake_pki.h"

namespace caponier::gateway {
namespace {

const std::string branch =
    "[site.branch]\nremote = \"192.0.2.1\"\npsk = \"@branch\"\nlocal_nets = [\"10.1.0.0/16\"]\n"
    "remote_nets = [\"10.2.0.0/16\"]\n";

ike::AuthRequest request_for(const char* connection, std::uint64_t number = 9) {
  ike::AuthRequest request;
  request.sa = {3};
  request.request = number;
  request.connection = connection;
  request.prf = crypto::PrfId::hmac_sha2_256;
  request.signed_octets = base::to_vec(base::as_bytes("octets"));
  return request;
}

/// Each key file holds the name of its key.
struct NamedKeys final : test::FakePki {
  pki::Loaded<pki::Credential> load_credential(const pki::CredentialFiles& files) const override {
    return test::fake_credential(std::string{base::as_text(files.key.content)}, "");
  }
};

struct KeySource final : config::MemorySource {
  explicit KeySource(config::MemorySource from) : MemorySource(std::move(from)) {}
  const pki::PkiProvider* pki() const override { return &provider; }
  std::expected<base::SecretBytes, config::FileError> read_pki(const std::string& name,
                                                               bool) override {
    return base::SecretBytes{base::as_bytes(keys.at(name))};
  }
  NamedKeys provider;
  std::map<std::string, std::string> keys;
};

/// A configuration that may be edited; of which text was asked for.
struct MemoryFiles : KeyFiles {
  explicit MemoryFiles(std::string_view text) : source(config::source_of(text)) {}
  [[nodiscard]] Loaded load(bool renews) override {
    renewals.push_back(renews);
    return config::load(std::string{config::main_file}, source);
  }
  void keep() override { ++kept; }
  [[nodiscard]] std::expected<base::ByteVec, std::string> take(const LoadOrder& order) override {
    if (order.name == "nonsense") return std::unexpected{std::string{"it makes no sense"}};
    secrets.emplace_back(base::as_text(order.secret.reveal()));
    return order.message;
  }

  KeySource source;
  std::vector<bool> renewals;
  std::vector<std::string> secrets;
  unsigned kept = 0;
};

struct Ends {
  crypto::NullProvider crypto{nullptr};
  test::FakePki pki;
  MemoryFiles files{branch};
  KeyServer server{files, crypto};
  base::ByteVec salt = base::ByteVec(fingerprint_salt_size);
  bool is_silent = false;
  KeyClient client{pki, salt,
                   [this](SignRequest request) -> std::expected<base::ByteVec, pki::SignError> {
                     if (!client.ask_signature(std::move(request))) {
                       return std::unexpected{pki::SignError::key_unusable};
                     }
                     if (!is_silent) carry();
                     auto reply = client.take_signature();
                     if (!reply) return std::unexpected{pki::SignError::backend_failure};
                     return std::move(reply->signature);
                   }};

  void carry() {
    while (const auto message = client.poll_message()) {
      std::vector<base::ByteVec> answers;
      ASSERT_TRUE(server.handle(*message, answers));
      for (const auto& answer : answers) ASSERT_TRUE(client.handle_message(answer));
    }
  }
  std::optional<KeyClient::Loaded> load() {
    client.load();
    carry();
    return client.take_loaded();
  }
  ike::AuthReply ask(const ike::AuthRequest& request) {
    client.handle(request);
    carry();
    return client.poll_reply().value_or(ike::AuthReply{});
  }
};

TEST(KeyProcess, makes_an_auth_value_from_a_key_that_never_comes_over) {
  Ends ends;
  const auto loaded = ends.load();
  ASSERT_TRUE(loaded && *loaded);
  EXPECT_EQ((*loaded)->find("branch").psk_fingerprint.size(), 32u);
  ends.client.commit();
  const ike::AuthReply reply = ends.ask(request_for("branch"));
  EXPECT_EQ(reply.outcome, ike::AuthOutcome::made);
  const auto expected = ike::answer_by_shared_key(request_for("branch"), ends.crypto,
                                                  base::as_bytes(config::strong_secret));
  EXPECT_EQ(reply.auth, expected.auth);
}

TEST(KeyProcess, what_is_renewed_keeps_the_text_that_is_in_force) {
  Ends ends;
  ASSERT_TRUE(ends.load().value().has_value());
  EXPECT_EQ(ends.files.kept, 0u);
  ends.client.commit();
  ends.carry();
  EXPECT_EQ(ends.files.kept, 1u);
  ends.client.load(true);
  ends.carry();
  EXPECT_EQ(ends.files.renewals, (std::vector{false, true}));
  EXPECT_EQ(ends.files.kept, 1u) << "it is not in force yet";
}

TEST(KeyProcess, what_a_client_loads_goes_over_with_its_secret_and_is_answered) {
  Ends ends;
  const base::SecretBytes secret{base::as_bytes("a password")};
  ASSERT_TRUE(ends.client.order("load-shared", base::as_bytes("message"), secret.duplicate()));
  ends.carry();
  const auto answer = ends.client.take_answer();
  ASSERT_TRUE(answer && answer->answer);
  EXPECT_EQ(base::as_text(*answer->answer), "message");
  EXPECT_EQ(ends.files.secrets, std::vector<std::string>{"a password"});
  ASSERT_TRUE(ends.client.order("nonsense", {}, {}));
  ends.carry();
  const auto refused = ends.client.take_answer();
  ASSERT_TRUE(refused && !refused->answer);
  EXPECT_EQ(refused->answer.error(), "it makes no sense");
}

TEST(KeyProcess, nothing_is_loaded_that_is_larger_than_a_message) {
  Ends ends;
  const base::ByteVec large(key_message_size_max / 2);
  EXPECT_FALSE(ends.client.order("load-cert", large, base::SecretBytes{large}));
  EXPECT_FALSE(ends.client.poll_message().has_value());
}

TEST(KeyProcess, nothing_it_says_holds_the_key) {
  Ends ends;
  ends.client.load();
  ends.client.commit();
  ends.client.handle(request_for("branch"));
  while (const auto message = ends.client.poll_message()) {
    std::vector<base::ByteVec> answers;
    ASSERT_TRUE(ends.server.handle(*message, answers));
    for (const auto& answer : answers) {
      EXPECT_EQ(base::as_text(answer).find(config::strong_secret), std::string_view::npos);
    }
  }
}

TEST(KeyProcess, what_was_loaded_counts_when_it_is_said) {
  Ends ends;
  ends.client.commit();  // of nothing
  EXPECT_EQ(ends.ask(request_for("branch")).outcome, ike::AuthOutcome::unavailable);
  ASSERT_TRUE(ends.load());
  EXPECT_EQ(ends.ask(request_for("branch")).outcome, ike::AuthOutcome::unavailable);
  ends.client.commit();
  EXPECT_EQ(ends.ask(request_for("branch")).outcome, ike::AuthOutcome::made);
  // A load that fails, or that nobody wants, changes nothing.
  ends.files.source.secrets.clear();
  const auto failed = ends.load();
  ASSERT_TRUE(failed && !*failed);
  EXPECT_NE(failed->error().front().to_string().find("cannot read secret '@branch'"),
            std::string::npos);
  EXPECT_EQ(ends.ask(request_for("branch")).outcome, ike::AuthOutcome::made);
}

TEST(KeyProcess, the_same_key_has_the_same_fingerprint_and_another_has_another) {
  Ends ends;
  const auto first = (*ends.load())->find("branch").psk_fingerprint;
  EXPECT_EQ((*ends.load())->find("branch").psk_fingerprint, first);
  ends.files.source.secrets["@branch"] = "b5Zr0qPz6uVt1wXy3aBc4dEf7gHi8jKl9mNo2pQr+Ss=";
  EXPECT_NE((*ends.load())->find("branch").psk_fingerprint, first);
}

TEST(KeyProcess, who_was_asking_when_it_ends_is_told_so) {
  Ends ends;
  ends.client.commit();
  ends.client.handle(request_for("branch"));
  ends.client.handle_lost();
  const auto reply = ends.client.poll_reply();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->outcome, ike::AuthOutcome::unavailable);
  EXPECT_EQ(reply->request, 9u);
  EXPECT_NE(reply->why.find("has ended and is started again"), std::string::npos);
  // Until it is back and has read its keys, at once.
  ends.client.handle(request_for("branch"));
  EXPECT_TRUE(ends.client.poll_reply());
  EXPECT_TRUE(ends.load());
  ends.client.handle(request_for("branch"));
  EXPECT_TRUE(ends.client.poll_reply());
  ends.client.commit();
  EXPECT_EQ(ends.ask(request_for("branch")).outcome, ike::AuthOutcome::made);
}

TEST(KeyProcess, so_many_wait_and_no_more) {
  Ends ends;
  ends.client.commit();
  for (std::uint64_t i = 0; i < KeyClient::waiting_max; ++i) {
    ends.client.handle(request_for("branch", i));
  }
  EXPECT_FALSE(ends.client.poll_reply());
  ends.client.handle(request_for("branch", KeyClient::waiting_max));
  EXPECT_EQ(ends.client.poll_reply()->outcome, ike::AuthOutcome::unavailable);
  EXPECT_EQ(ends.client.waiting(), KeyClient::waiting_max);
}

TEST(KeyProcess, answers_that_nobody_asked_for_are_dropped) {
  Ends ends;
  ike::AuthReply reply;
  reply.sa = {3};
  reply.request = 9;
  reply.outcome = ike::AuthOutcome::right;
  EXPECT_TRUE(ends.client.handle_message(*encode(KeyNews{reply})));
  EXPECT_FALSE(ends.client.poll_reply());
}

const std::string laptop =
    "[client.office]\nremote = \"192.0.2.1\"\nremote_id = \"vpn.example\"\nuser = \"alice\"\n"
    "auth = \"eap\"\nkey = \"alice.key\"\ncert = \"alice.pem\"\nca = [\"ca.pem\"]\n";

/// The credential of `laptop`, as the process that speaks with peers has it.
std::shared_ptr<const pki::Credential> credential_in(Ends& ends) {
  ends.files.source.files[std::string{config::main_file}] = laptop;
  ends.files.source.keys = {{"alice.key", "alice"}, {"alice.pem", "alice"}, {"ca.pem", "ca"}};
  const auto loaded = ends.load();
  if (!loaded || !*loaded) {
    ADD_FAILURE() << (loaded ? loaded->error().front().to_string() : "nothing");
    return nullptr;
  }
  ends.client.commit();
  ends.carry();
  return (*loaded)->find("office").credential;
}

TEST(KeyProcess, signs_for_tls_while_the_other_waits) {
  Ends ends;
  const auto credential = credential_in(ends);
  ASSERT_TRUE(credential);
  const auto octets = base::as_bytes("a handshake");
  const auto signature = credential->signer->sign(pki::SignatureScheme::ed25519, octets);
  ASSERT_TRUE(signature);
  EXPECT_EQ(*signature, test::fake_signature("alice", octets));
  EXPECT_FALSE(credential->signer->can(pki::SignatureScheme::rsa_pss_sha2_256));
}

TEST(KeyProcess, does_not_sign_with_another_key_than_the_one_shown) {
  Ends ends;
  const auto before = credential_in(ends);
  ASSERT_TRUE(before);
  ends.files.source.keys["alice.key"] = "alice2";
  ASSERT_TRUE(ends.load());
  ends.client.commit();
  const auto signature =
      before->signer->sign(pki::SignatureScheme::ed25519, base::as_bytes("a handshake"));
  ASSERT_FALSE(signature);
  EXPECT_EQ(signature.error(), pki::SignError::key_unusable);
}

TEST(KeyProcess, a_signature_that_comes_too_late_is_nobodys) {
  Ends ends;
  const auto credential = credential_in(ends);
  ASSERT_TRUE(credential);
  ends.is_silent = true;
  const auto sign = [&](std::string_view text) {
    return credential->signer->sign(pki::SignatureScheme::ed25519, base::as_bytes(text));
  };
  EXPECT_FALSE(sign("first"));
  ends.is_silent = false;
  const auto second = sign("second");
  ASSERT_TRUE(second);
  EXPECT_EQ(*second, test::fake_signature("alice", base::as_bytes("second")));
  EXPECT_FALSE(ends.client.take_signature());
}

TEST(KeyProcess, signs_for_nobody_when_it_has_ended) {
  std::shared_ptr<const pki::Credential> credential;
  {
    Ends ends;
    credential = credential_in(ends);
    ASSERT_TRUE(credential);
    ends.client.handle_lost();
    EXPECT_FALSE(credential->signer->sign(pki::SignatureScheme::ed25519, {}));
  }
  EXPECT_FALSE(credential->signer->sign(pki::SignatureScheme::ed25519, {}));
}

TEST(KeyProcess, nonsense_ends_the_conversation) {
  Ends ends;
  std::vector<base::ByteVec> answers;
  EXPECT_FALSE(ends.server.handle(base::as_bytes("nonsense"), answers));
  EXPECT_FALSE(ends.server.handle({}, answers));
  EXPECT_FALSE(ends.client.handle_message(base::as_bytes("nonsense")));
}

TEST(KeyProcess, a_configuration_without_keys_reads_none) {
  Ends ends;
  const auto held = ends.load();
  ASSERT_TRUE(held && *held);
  class Source final : public config::Source {
   public:
    explicit Source(const config::HeldKeys& keys) : keys_(keys) {}
    std::expected<std::string, config::FileError> read_config(const std::string&) override {
      return branch;
    }
    std::vector<std::string> list_fragments(const std::string&) override { return {}; }
    std::expected<base::SecretBytes, config::FileError> read_secret(std::string_view) override {
      ADD_FAILURE() << "a secret was read";
      return base::SecretBytes{};
    }
    [[nodiscard]] const config::HeldKeys* held_keys() const override { return &keys_; }

   private:
    const config::HeldKeys& keys_;
  };
  Source source{**held};
  const auto config = config::load("caponier.toml", source);
  ASSERT_TRUE(config);
  EXPECT_EQ((*config)->peers.front().psk, nullptr);
  EXPECT_EQ((*config)->peers.front().psk_fingerprint, (*held)->find("branch").psk_fingerprint);

  const config::HeldKeys none;
  Source changed{none};
  const auto refused = config::load("caponier.toml", changed);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().front().to_string().find("changed while the configuration was read"),
            std::string::npos);
}

}  // namespace
}  // namespace caponier::gateway
