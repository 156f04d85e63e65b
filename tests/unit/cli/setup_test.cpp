// init, add, rm and export on a folder of their own; no daemon runs.

#include <gtest/gtest.h>

#include <filesystem>

#include "cli/setup/authority.h"
#include "cli/setup/password.h"
#include "pki/openssl/provider.h"
#include "unit/io/temporary_folder.h"

namespace caponier::cli {
namespace {

class Setups : public testing::Test {
 protected:
  const io::TemporaryFolder folder_;
  Session session{false, false, folder_ / "none.sock", folder_ / "etc/caponier.toml", {}};

  /// What a verb printed, or its failure.
  template <class Verb>
  Outcome<std::string> run(const Verb& verb) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const auto outcome = run_verb(session, verb);
    talk_ = testing::internal::GetCapturedStderr();
    std::string printed = testing::internal::GetCapturedStdout();
    if (!outcome) return std::unexpected{outcome.error()};
    return printed;
  }
  template <class Verb>
  ExitCode code(const Verb& verb) {
    const auto outcome = run(verb);
    return outcome ? ExitCode::ok : outcome.error().code;
  }
  [[nodiscard]] std::string path(const std::string& name) const {
    return folder_ / ("etc/" + name);
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    const auto content = io::read_file(path(name));
    if (!content || !*content) return "nothing";
    return std::string{base::as_text((*content)->reveal())};
  }
  [[nodiscard]] bool has(const std::string& name) const { return read(name) != "nothing"; }
  [[nodiscard]] mode_t mode(const std::string& name) const {
    struct stat info{};
    EXPECT_EQ(::stat(path(name).c_str(), &info), 0) << name;
    return info.st_mode & 0777U;
  }
  void init() {
    InitVerb verb;
    verb.server = "vpn.example.org";
    ASSERT_TRUE(run(verb));
  }
  void add(const std::string& name, bool password = false) {
    ASSERT_TRUE(run(AddUserVerb{name, password, 825}));
  }

  std::string talk_;
};

AddPeerVerb branch() {
  return {false, "branch", "203.0.113.9", {"10.1.0.0/16"}, {"10.2.0.0/16"}, "", "198.51.100.1"};
}

TEST_F(Setups, init_makes_a_server_and_the_second_time_nothing) {
  init();
  EXPECT_EQ(read("caponier.toml"),
            "[server]\nname = \"vpn.example.org\"\npool = [\"10.9.0.0/24\"]\npasswords = true\n");
  EXPECT_EQ(mode("pki/ca/ca.key"), 0600U);
  EXPECT_EQ(mode("pki/certs/vpn.example.org.key"), 0600U);
  const std::string authority = read("pki/ca/ca.pem");
  ASSERT_TRUE(run(InitVerb{}));
  EXPECT_EQ(talk_, "nothing to change\n");
  EXPECT_EQ(read("pki/ca/ca.pem"), authority);
}

TEST_F(Setups, init_keeps_what_was_in_the_file) {
  folder_.write("etc/caponier.toml", "# mine\n[daemon]\naudit = true # yes\n");
  init();
  EXPECT_TRUE(
      read("caponier.toml").starts_with("# mine\n[daemon]\naudit = true # yes\n\n[server]"));
}

TEST_F(Setups, init_refuses_what_would_not_load_and_changes_nothing) {
  InitVerb verb;
  verb.server = "vpn.example.org";
  verb.pool = {"10.9.0.0/24", "10.9.0.0/25"};
  EXPECT_EQ(code(verb), ExitCode::configuration);
  EXPECT_FALSE(has("caponier.toml"));
  EXPECT_FALSE(has("pki/ca/ca.pem"));
  EXPECT_EQ(code(InitVerb{}), ExitCode::usage);
  init();
  verb.server = "other.example.org";
  EXPECT_EQ(code(verb), ExitCode::configuration);
}

TEST_F(Setups, a_dry_run_tells_and_leaves_everything) {
  session.dry_run = true;
  InitVerb verb;
  verb.server = "vpn.example.org";
  EXPECT_EQ(run(verb).value_or("failed"), "");
  EXPECT_NE(talk_.find("would create " + path("pki/ca/ca.key")), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(path("")));
}

TEST_F(Setups, a_user_gets_a_certificate_of_the_authority_with_its_name) {
  init();
  add("alice@example.org");
  const std::string file = "pki/certs/users/alice@example.org.pem";
  const auto certificate = read_certificate(file, base::as_bytes(read(file)));
  ASSERT_TRUE(certificate);
  EXPECT_TRUE(certificate->issuer_text.ends_with("CN=vpn.example.org CA"));
  ASSERT_EQ(certificate->alternative_names.size(), 1U);
  EXPECT_EQ(certificate->alternative_names[0].to_string(), "alice@example.org");
  EXPECT_EQ(mode("pki/certs/users/alice@example.org.key"), 0600U);
  EXPECT_EQ(code(AddUserVerb{"alice@example.org", true, 825}), ExitCode::configuration);
}

TEST_F(Setups, a_password_is_kept_private_and_shown_once) {
  init();
  const auto printed = run(AddUserVerb{"bob", true, 825});
  ASSERT_TRUE(printed);
  EXPECT_NE(printed->find("password " + read("secrets/users/bob")), std::string::npos);
  EXPECT_EQ(mode("secrets/users/bob"), 0600U);
  EXPECT_EQ(mode("secrets"), 0700U);
}

TEST_F(Setups, without_an_authority_there_are_no_users) {
  const auto outcome = run(AddUserVerb{"alice", false, 825});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ExitCode::configuration);
  EXPECT_NE(outcome.error().fix.find("caponier init"), std::string::npos);
}

TEST_F(Setups, a_server_without_passwords_gives_none) {
  init();
  folder_.write("etc/caponier.toml", "[server]\nname = \"vpn\"\npool = [\"10.9.0.0/24\"]\n", 0644);
  EXPECT_EQ(code(AddUserVerb{"bob", true, 825}), ExitCode::configuration);
  EXPECT_FALSE(has("secrets/users/bob"));
}

TEST_F(Setups, names_that_are_paths_are_refused) {
  init();
  for (const std::string name : {"", ".", "../alice", "a/b", "-x", "a b", "\n"}) {
    EXPECT_EQ(code(AddUserVerb{name, true, 825}), ExitCode::usage) << name;
  }
}

TEST_F(Setups, nobody_is_called_like_the_server_or_like_another_in_capitals) {
  init();
  for (const std::string name : {"vpn.example.org", "Alice"}) {
    EXPECT_EQ(code(AddUserVerb{name, false, 825}), ExitCode::usage) << name;
  }
}

TEST_F(Setups, a_removed_user_is_revoked_and_stays_so) {
  init();
  add("alice");
  add("carol");
  add("bob", true);
  const auto serial = [&](const std::string& name) {
    const auto pem = read("pki/certs/users/" + name + ".pem");
    return read_certificate(name, base::as_bytes(pem)).value().serial;
  };
  const std::string first = serial("alice");
  const std::string second = serial("carol");
  for (const std::string name : {"alice", "carol", "bob"}) {
    ASSERT_TRUE(run(RemoveVerb{RemoveVerb::What::user, name})) << name;
  }
  const std::string revoked = read("pki/crl/revoked");
  EXPECT_TRUE(revoked.starts_with(first + " "));
  EXPECT_NE(revoked.find("\n" + second + " "), std::string::npos);
  EXPECT_FALSE(has("pki/certs/users/alice.pem"));
  EXPECT_FALSE(has("pki/certs/users/alice.key"));
  EXPECT_FALSE(has("secrets/users/bob"));
  EXPECT_EQ(code(RemoveVerb{RemoveVerb::What::user, "alice"}), ExitCode::not_found);
}

TEST_F(Setups, a_damaged_list_of_the_revoked_is_not_shortened) {
  init();
  add("alice");
  folder_.write("etc/pki/crl/revoked", "12ab\n", 0644);
  EXPECT_EQ(code(RemoveVerb{RemoveVerb::What::user, "alice"}), ExitCode::configuration);
  EXPECT_TRUE(has("pki/certs/users/alice.pem"));
}

TEST_F(Setups, a_site_is_added_with_a_key_and_a_line_for_the_other_side) {
  const auto line = run(branch());
  ASSERT_TRUE(line);
  const std::string key = read("secrets/branch");
  EXPECT_NE(line->find(" 198.51.100.1 --local 10.2.0.0/16 --remote 10.1.0.0/16 --psk " + key),
            std::string::npos);
  EXPECT_EQ(read("caponier.toml"),
            "[site.branch]\nremote = \"203.0.113.9\"\npsk = \"@branch\"\n"
            "local_nets = [\"10.1.0.0/16\"]\nremote_nets = [\"10.2.0.0/16\"]\n");
}

TEST_F(Setups, the_other_side_takes_the_key_and_prints_no_line) {
  AddPeerVerb verb = branch();
  verb.psk = "Zk3vQ0mY8s1RrT6uXw9bNc2LhJ5pGdEaKiOyUfWtSx4=";
  EXPECT_EQ(run(verb).value_or("failed"), "");
  EXPECT_EQ(read("secrets/branch"), verb.psk + "\n");
  verb.name = "weak";
  verb.psk = "hunter2";
  EXPECT_EQ(code(verb), ExitCode::configuration);
}

TEST_F(Setups, a_removed_site_leaves_nothing_of_itself) {
  folder_.write("etc/caponier.toml", "# mine\n[daemon]\naudit = true\n");
  ASSERT_TRUE(run(branch()));
  ASSERT_TRUE(run(RemoveVerb{RemoveVerb::What::site, "branch"}));
  EXPECT_EQ(read("caponier.toml"), "# mine\n[daemon]\naudit = true\n");
  EXPECT_FALSE(has("secrets/branch"));
  EXPECT_EQ(code(RemoveVerb{RemoveVerb::What::site, "branch"}), ExitCode::not_found);
}

TEST_F(Setups, a_key_that_another_section_uses_stays) {
  ASSERT_TRUE(run(branch()));
  folder_.write("etc/conf.d/more.toml",
                "[site.more]\nremote = \"203.0.113.10\"\npsk = \"@branch\"\n"
                "local_nets = [\"10.5.0.0/16\"]\nremote_nets = [\"10.6.0.0/16\"]\n",
                0644);
  ASSERT_TRUE(run(RemoveVerb{RemoveVerb::What::site, "branch"}));
  EXPECT_TRUE(has("secrets/branch"));
}

TEST_F(Setups, an_export_is_written_for_its_owner_only) {
  init();
  add("alice");
  ExportVerb verb{"alice", profile::Kind::android, folder_ / "alice.sswan", false};
  ASSERT_TRUE(run(verb));
  const auto file = io::read_file(folder_ / "alice.sswan");
  ASSERT_TRUE(file && *file);
  const Json profile = Json::parse(base::as_text((*file)->reveal()), nullptr, false);
  EXPECT_EQ(text(profile, "type"), "ikev2-cert");
  struct stat info{};
  ASSERT_EQ(::stat((folder_ / "alice.sswan").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_NE(talk_.find("imported with the password"), std::string::npos);

  verb.name = "nobody";
  EXPECT_EQ(code(verb), ExitCode::not_found);
  verb = {"alice", profile::Kind::apple, "", true};
  EXPECT_EQ(code(verb), ExitCode::usage);  // too much for a QR code
}

TEST_F(Setups, a_line_to_paste_logs_in_with_what_the_server_knows) {
  init();
  add("bob", true);
  const auto line = run(ExportVerb{"bob", profile::Kind::caponier, "", false});
  ASSERT_TRUE(line);
  const auto join = profile::read_join(line->substr(14, line->size() - 15));
  ASSERT_TRUE(join);
  EXPECT_EQ(join->server, "vpn.example.org");
  EXPECT_EQ(std::string{base::as_text(join->secret.reveal())} + "\n", read("secrets/users/bob"));
}

class Joining : public Setups {
 protected:
  /// What the server's export prints behind "caponier join ".
  std::string word_for(bool password) {
    init();
    add("alice", password);
    const auto line = run(ExportVerb{"alice", profile::Kind::caponier, "", false});
    session.config = folder_ / "client/caponier.toml";
    return line.value_or("caponier join failed\n").substr(14);
  }
  [[nodiscard]] std::string client_file(const std::string& name) const {
    const auto content = io::read_file(folder_ / ("client/" + name));
    if (!content || !*content) return "nothing";
    return std::string{base::as_text((*content)->reveal())};
  }
};

TEST_F(Joining, with_a_certificate_leaves_a_client_that_loads_and_can_be_removed) {
  std::string word = word_for(false);
  word.pop_back();
  ASSERT_TRUE(run(JoinVerb{word, "vpn"}));
  EXPECT_EQ(client_file("caponier.toml"),
            "[client.vpn]\nremote = \"vpn.example.org\"\nca = [\"clients/vpn.ca.pem\"]\n"
            "cert = \"clients/vpn.pem\"\nkey = \"clients/vpn.key\"\n");
  EXPECT_EQ(client_file("pki/clients/vpn.key"), read("pki/certs/users/alice.key"));
  EXPECT_EQ(code(JoinVerb{word, "vpn"}), ExitCode::configuration);  // is there already
  ASSERT_TRUE(run(RemoveVerb{RemoveVerb::What::client, "vpn"}));
  EXPECT_EQ(client_file("pki/clients/vpn.key"), "nothing");
  EXPECT_EQ(client_file("caponier.toml"), "");
}

TEST_F(Joining, with_a_password_keeps_it_among_the_secrets) {
  std::string word = word_for(true);
  word.pop_back();
  ASSERT_TRUE(run(JoinVerb{word, "office"}));
  EXPECT_NE(client_file("caponier.toml").find("user = \"alice\"\npassword = \"@office\"\n"),
            std::string::npos);
  EXPECT_EQ(client_file("secrets/office") + "\n", read("secrets/users/alice"));
}

TEST_F(Joining, by_a_damaged_word_changes_nothing) {
  const std::string word = word_for(false);
  EXPECT_EQ(code(JoinVerb{word.substr(0, 100), "vpn"}), ExitCode::usage);
  EXPECT_EQ(client_file("caponier.toml"), "nothing");
}

TEST(Password, is_long_and_of_characters_that_are_not_mixed_up) {
  base::SeededRng rng{1};
  const auto password = make_password(rng);
  const auto words = base::as_text(password.reveal());
  EXPECT_EQ(words.size(), 23U);
  EXPECT_EQ(words.find_first_of("lo01ABC"), std::string_view::npos);
  EXPECT_EQ(words[5], '-');
  EXPECT_FALSE(base::equal(password.reveal(), make_password(rng).reveal()));
}

}  // namespace
}  // namespace caponier::cli
