#pragma once
// A broken setup of the catalogue, as its file has it (cases/README.md).

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace caponier::explain::test {

/// What one end must be told.
struct Expected {
  std::string code;                 ///< "CP-2001"; empty: nothing is to be said
  std::string certainty;            ///< "proven"
  std::string cause;                ///< a part of the sentence
  std::vector<std::string> values;  ///< each is somewhere among cause and values
  std::vector<std::string> fixes;   ///< each is a part of a fix
};

/// Keys of a configuration with their values as TOML.
using Keys = std::map<std::string, std::string>;

/// One gateway's half.
struct Half {
  std::string table = "site";  ///< or "host"
  Keys keys;                   ///< beside or instead of the usual ones
  std::map<std::string, Keys> children;
  std::string secret = "an excellent pre-shared key of the simulation";
  std::string certificate;  ///< what it proves itself with instead: the text of a FakePki's
  bool is_down = false;     ///< no daemon runs there
  Keys repair;              ///< what the sentence of the fix means, as keys
  std::string repair_secret;
  std::string repair_certificate;
};

struct BrokenSetup {
  std::string name;  ///< of the file
  std::string why;   ///< its first words
  Half a, b;
  std::string begins = "both";  ///< "a", "b"; "both": one run each
  bool a_behind_nat = false;
  std::vector<std::uint16_t> blocked_ports;  ///< of UDP
  bool blocks_udp = false, blocks_tcp = false, blocks_esp = false;
  std::size_t mtu = 0;   ///< larger packets are lost; 0: none are
  double seconds = 100;  ///< until somebody asks
  bool has_traffic = false;
  bool fix_is_network = false;                   ///< nothing is configured: the network is mended
  std::optional<Expected> initiator, responder;  ///< by who begins
  std::optional<Expected> at_a, at_b;            ///< or whoever begins
  std::vector<std::string> also_proven;          ///< other codes that may be proven
  bool is_golden = false;
};

/// Every file of the catalogue, by name; a sentence instead of one that cannot be read.
[[nodiscard]] std::vector<std::string> names_of_catalogue();
[[nodiscard]] BrokenSetup read_setup(const std::string& name);

}  // namespace caponier::explain::test
