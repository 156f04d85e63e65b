#include "daemon/key_process.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "crypto/choice/choice.h"
#include "daemon/confinement.h"
#include "daemon/service.h"
#include "gateway/key_server.h"
#include "io/os/file_source.h"
#include "pki/openssl/provider.h"
#include "pki/pkcs11/tokens.h"

namespace caponier::daemon {

namespace {

bool send_all(int socket, const std::vector<base::ByteVec>& messages) {
  for (const base::ByteVec& message : messages) {
    ssize_t size = 0;
    do {
      size = ::send(socket, message.data(), message.size(), MSG_NOSIGNAL);
    } while (size < 0 && errno == EINTR);
    if (size != static_cast<ssize_t>(message.size())) return false;
  }
  return true;
}

}  // namespace

int run_key_process(int socket, const std::string& config_path) {
  forbid_core_files();
  ::close_range(static_cast<unsigned>(socket) + 1, ~0U, 0);
  static_cast<void>(::chdir("/") == 0);
  confine_key_process();
  const auto crypto = crypto::choose_crypto();
  if (!crypto) return EXIT_FAILURE;
  const pki::pkcs11::Tokens tokens;
  const pki::OpensslPki pki{&tokens};
  const char* const credentials = std::getenv("CREDENTIALS_DIRECTORY");
  io::FileSource source{config_path, credentials == nullptr ? "" : credentials, &pki};
  gateway::KeyServer server{config_path, source, crypto->provider()};
  base::ByteVec buffer(gateway::key_message_size_max + 1);
  for (;;) {
    const ssize_t size = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return size == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    std::vector<base::ByteVec> answers;
    const auto message = base::Bytes{buffer}.first(static_cast<std::size_t>(size));
    if (!server.handle(message, answers) || !send_all(socket, answers)) return EXIT_FAILURE;
  }
}

}  // namespace caponier::daemon
