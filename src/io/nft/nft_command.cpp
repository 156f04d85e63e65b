#include "io/nft/nft_command.h"

#include <array>

#include "io/os/program.h"

namespace caponier::io {

std::expected<void, std::string> run_nft(const std::string& commands) {
  constexpr std::array places{"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"};
  return run_program(places, {"nft", "-f", "-"}, commands);
}

}  // namespace caponier::io
