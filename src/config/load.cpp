// From files to a Config, or to every mistake in them.

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

#include "base/event.h"
#include "config/document.h"
#include "config/errors.h"
#include "config/peer.h"
#include "config/policy_section.h"

namespace caponier::config {

namespace {

constexpr std::array<std::string_view, 8> section_names = {"site",  "host",   "client", "server",
                                                           "group", "policy", "daemon", "debug"};

constexpr std::size_t fragments_max = 1024;
constexpr std::size_t policies_max = 16384;

struct Loader {
  Source& source;
  Errors errors;
  std::vector<Node> documents;
  std::vector<std::pair<PeerKind, const Entry*>> peers;  ///< in the order of the files
  std::vector<const Entry*> groups;                      ///< likewise
  std::map<std::string, Place> tables;                   ///< defined so far, by path
  std::map<std::string, Place> peer_names;
  DaemonDraft daemon;
  std::vector<PolicyDraft> policies;  ///< in the order of the files

  void read_file(const std::string& path);
  void read_root(const Node& root);
  void read_section(const Entry& entry);
  void read_peers(PeerKind kind, const Entry& entry);
  void read_groups(const Entry& entry);
  /// The tables of [site.NAME] and its like.
  template <class Take>
  void for_each_table(const Entry& section, std::string_view noun, Take take);
  void read_policies(const Entry& section);
  /// Notes when another peer has it.
  void claim_name(const std::string& name, const std::string& title, const Place& where);
  /// False, and noted, when a table of this title stands already elsewhere.
  bool define(const std::string& title, const Place& where);
};

void Loader::read_file(const std::string& path) {
  errors.add_file(path);
  const auto text = source.read_config(path);
  if (!text) {
    const FileError& error = text.error();
    errors.add({path, 0, 0}, fmt::format("cannot read the configuration: {}", error.message),
               error.fix.empty() ? "check that the file exists and may be read" : error.fix);
    return;
  }
  auto document = parse_document(path, *text);
  if (document) {
    documents.push_back(std::move(*document));
  } else {
    errors.add(std::move(document).error());
  }
}

bool Loader::define(const std::string& title, const Place& where) {
  const auto [first, is_new] = tables.emplace(title, where);
  if (is_new) return true;
  errors.add(where, fmt::format("{} is already defined at {}", title, first->second.to_string()),
             "keep one of the two, or rename one");
  return false;
}

void Loader::read_root(const Node& root) {
  for (const Entry& entry : root.entries) read_section(entry);
}

void Loader::read_section(const Entry& entry) {
  const bool is_known = std::ranges::find(section_names, entry.key) != section_names.end();
  if (!is_known && entry.value.kind != NodeKind::table && entry.value.kind != NodeKind::array) {
    errors.add(entry.where, fmt::format("key {} stands outside any section", quoted(entry.key)),
               "put it below a header such as [site.NAME]");
    return;
  }
  if (!is_known) {
    errors.add(entry.where, fmt::format("unknown section [{}]", base::printable(entry.key)),
               suggest(entry.key, section_names,
                       "the sections are [site.NAME], [host.NAME], [client.NAME], [server], "
                       "[group.NAME], [[policy]], [daemon] and [debug]"));
    return;
  }
  if (entry.key == "policy") return read_policies(entry);
  const bool is_group = entry.key == "group";
  const bool is_peer =
      is_group || entry.key == "site" || entry.key == "host" || entry.key == "client";
  if (entry.value.kind != NodeKind::table) {
    errors.add(entry.value.where,
               fmt::format("{}: expected a table, got {}", entry.key, name_of(entry.value.kind)),
               fmt::format("write it as a header: [{}{}]", entry.key, is_peer ? ".NAME" : ""));
    return;
  }
  if (is_group) return read_groups(entry);
  if (is_peer) {
    read_peers(entry.key == "site"   ? PeerKind::site
               : entry.key == "host" ? PeerKind::host
                                     : PeerKind::client,
               entry);
    return;
  }
  if (!define(fmt::format("[{}]", entry.key), entry.value.where)) return;
  if (entry.key == "server") {
    claim_name("users", "[server]", entry.value.where);
    peers.emplace_back(PeerKind::server, &entry);
  } else if (entry.key == "daemon") {
    read_daemon(entry.value, daemon, errors);
  } else {
    read_debug(entry.value, daemon, errors);
  }
}

void Loader::read_policies(const Entry& section) {
  const bool is_list = section.value.kind == NodeKind::array &&
                       std::ranges::all_of(section.value.items, [](const Node& item) {
                         return item.kind == NodeKind::table;
                       });
  if (!is_list) {
    errors.add(
        section.value.where,
        fmt::format("policy: expected tables in a list, got {}", name_of(section.value.kind)),
        "write each policy below a header of its own with two brackets: [[policy]]");
    return;
  }
  for (const Node& item : section.value.items) policies.push_back(read_policy(item, errors));
}

template <class Take>
void Loader::for_each_table(const Entry& section, std::string_view noun, Take take) {
  for (const Entry& entry : section.value.entries) {
    const std::string title = fmt::format("[{}.{}]", section.key, base::printable(entry.key));
    if (entry.value.kind != NodeKind::table) {
      errors.add(entry.where,
                 fmt::format("{} in [{}]: expected a table, got {}", quoted(entry.key), section.key,
                             name_of(entry.value.kind)),
                 fmt::format("each {} has its own table: [{}.NAME]", noun, section.key));
      continue;
    }
    if (!is_name(entry.key)) {
      errors.add(entry.where, fmt::format("{} is not a name for a {}", quoted(entry.key), noun),
                 "use 1 to 64 of A-Z a-z 0-9 . _ -");
    }
    if (define(title, entry.value.where)) take(entry, title);
  }
}

void Loader::read_peers(PeerKind kind, const Entry& section) {
  for_each_table(section, "peer", [&](const Entry& entry, const std::string& title) {
    claim_name(entry.key, title, entry.value.where);
    peers.emplace_back(kind, &entry);
  });
}

void Loader::read_groups(const Entry& section) {
  for_each_table(section, "group",
                 [&](const Entry& entry, const std::string&) { groups.push_back(&entry); });
}

void Loader::claim_name(const std::string& name, const std::string& title, const Place& where) {
  const auto [first, is_new] = peer_names.emplace(name, where);
  if (is_new) return;
  errors.add(
      where,
      fmt::format("the name of {} is taken by the peer at {}", title, first->second.to_string()),
      "sites, hosts and clients share their names, and [server] has \"users\": rename one of "
      "them");
}

std::map<std::string, SharedSecret> read_users(Source& source, const std::vector<PeerDraft>& peers,
                                               Errors& errors) {
  std::map<std::string, SharedSecret> users;
  const auto server = std::ranges::find_if(peers, [](const PeerDraft& draft) {
    return draft.peer.server && draft.peer.server->passwords;
  });
  if (server == peers.end()) return users;
  auto read = source.read_users();
  if (!read) {
    errors.add(server->peer.where, fmt::format("passwords: {}", read.error().message),
               read.error().fix);
    return users;
  }
  for (auto& [name, password] : *read) {
    users.emplace(name, std::make_shared<const base::SecretBytes>(std::move(password)));
  }
  return users;
}

}  // namespace

std::expected<std::shared_ptr<const Config>, std::vector<ConfigError>> load(const std::string& path,
                                                                            Source& source) {
  Loader loader{source, {}, {}, {}, {}, {}, {}, {}, {}};
  loader.read_file(path);
  std::vector<std::string> fragments = source.list_fragments(path);
  std::ranges::sort(fragments);
  if (fragments.size() > fragments_max) {
    loader.errors.add(
        {path, 0, 0},
        fmt::format("conf.d holds {} files, more than {}", fragments.size(), fragments_max),
        "combine some of them");
    fragments.resize(fragments_max);
  }
  for (const std::string& fragment : fragments) loader.read_file(fragment);
  for (const Node& document : loader.documents) loader.read_root(document);

  Secrets secrets{source};
  PkiFiles files{source};
  std::vector<PeerDraft> drafts;
  for (const auto& [kind, entry] : loader.peers) {
    drafts.push_back(read_peer(kind, *entry, secrets, files, loader.errors));
  }
  std::vector<GroupDraft> groups;
  for (const Entry* entry : loader.groups) groups.push_back(read_group(*entry, loader.errors));
  join_groups(groups, drafts, loader.errors);
  check_relations(drafts, loader.daemon, loader.errors);
  check_policies(loader.policies, loader.peer_names, loader.errors);
  if (loader.policies.size() > policies_max) {
    loader.errors.add(loader.policies.back().policy.where,
                      fmt::format("there are more than {} policies", policies_max),
                      "let one policy name several addresses or ports");
  }
  auto store = files.make_store(loader.errors);
  std::map<std::string, SharedSecret> users = read_users(source, drafts, loader.errors);
  if (!loader.errors.empty()) return std::unexpected{loader.errors.take()};
  for (PeerDraft& draft : drafts) {
    ProofConfig& proof = draft.peer.proof;
    std::vector<std::string> authorities = proof.authorities;
    for (const RemoteRound& round : draft.peer.remote_rounds) {
      authorities.insert(authorities.end(), round.authorities.begin(), round.authorities.end());
    }
    if (store && !authorities.empty()) proof.authority_keys = store->authorities(authorities);
  }

  auto config = std::make_shared<Config>();
  config->daemon = std::move(loader.daemon.daemon);
  for (PeerDraft& draft : drafts) config->peers.push_back(std::move(draft.peer));
  for (PolicyDraft& draft : loader.policies) config->policies.push_back(std::move(draft.policy));
  std::ranges::sort(config->peers, {}, &PeerConfig::name);
  config->store = std::move(store);
  config->users = std::move(users);
  for (GroupDraft& draft : groups) config->groups.push_back(std::move(draft.group));
  for (PeerDraft& draft : drafts) {
    if (draft.radius) config->radius = std::move(draft.radius);
  }
  return config;
}

}  // namespace caponier::config
