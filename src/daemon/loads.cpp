#include "daemon/loads.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace caponier::daemon {

namespace {

using Change = vici::Store::Answer (vici::AssemblyStore::*)(const vici::Message&, base::Instant);

struct Command {
  std::string_view name;
  Change change;
  std::string_view secret = {};  ///< what its secret is called
};
constexpr std::array commands = {
    Command{"load-conn", &vici::AssemblyStore::load_conn},
    Command{"unload-conn", &vici::AssemblyStore::unload_conn},
    Command{"load-authority", &vici::AssemblyStore::load_authority},
    Command{"unload-authority", &vici::AssemblyStore::unload_authority},
    Command{"load-pool", &vici::AssemblyStore::load_pool},
    Command{"unload-pool", &vici::AssemblyStore::unload_pool},
    Command{"load-cert", &vici::AssemblyStore::load_cert},
    Command{"load-key", &vici::AssemblyStore::load_key, "data"},
    Command{"unload-key", &vici::AssemblyStore::unload_key},
    Command{"load-token", &vici::AssemblyStore::load_token, "pin"},
    Command{"load-shared", &vici::AssemblyStore::load_shared, "data"},
    Command{"unload-shared", &vici::AssemblyStore::unload_shared},
};

base::ByteVec octets_of(const vici::Message& message) {
  return base::to_vec(base::as_bytes(message.encode()));
}

}  // namespace

/// What stands in the way of a connection is told by the other process, which finds the same.
Loads::Loaded Loads::load(bool /*renews*/) {
  swan::Assembly::Made made = assembly_.make(nullptr);
  if (made.config) return std::move(made.config);
  return std::unexpected{std::vector{config::ConfigError{
      {}, "nothing of what was loaded can be used", "see the log for what is wrong with it"}}};
}

std::expected<base::ByteVec, std::string> Loads::take(const gateway::LoadOrder& order) {
  if (order.name == "clear-creds") return octets_of(TRY(store_.clear_creds({})));
  const auto* const command = std::ranges::find(commands, order.name, &Command::name);
  auto request = vici::Message::decode(order.message);
  if (command == commands.end() || !request) {
    return std::unexpected{std::string{"that cannot be loaded"}};
  }
  if (!order.secret.empty()) request->add(command->secret, base::as_text(order.secret.reveal()));
  auto answer = (store_.*command->change)(*request, {});
  request->wipe();
  if (!answer) return std::unexpected{std::move(answer.error())};
  if (order.name == "load-key") {
    answer->add("public", base::as_text(assembly_.public_half(answer->text("id"))));
  }
  return octets_of(*answer);
}

}  // namespace caponier::daemon
