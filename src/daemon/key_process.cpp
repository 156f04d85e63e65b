#include "daemon/key_process.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <utility>

#include "crypto/choice/choice.h"
#include "daemon/confinement.h"
#include "daemon/loads.h"
#include "daemon/service.h"
#include "gateway/key_server.h"
#include "io/os/file_source.h"
#include "io/os/swanctl_source.h"
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

class Files final : public gateway::KeyFiles {
 public:
  Files(std::string config_path, const pki::PkiProvider& pki)
      : config_path_(std::move(config_path)), pki_(&pki) {
    const char* const folder = std::getenv("CREDENTIALS_DIRECTORY");
    if (folder != nullptr) credentials_folder_ = folder;
  }
  [[nodiscard]] Loaded load(bool renews) override {
    return config::load(config_path_, open(renews));
  }
  void keep() override { in_force_ = swanctl_ ? swanctl_->files_read() : source_->files_read(); }
  [[nodiscard]] std::expected<base::ByteVec, std::string> take(const gateway::LoadOrder&) override {
    return std::unexpected{std::string{"a file says here what there is"}};
  }

 private:
  [[nodiscard]] config::Source& open(bool renews) {
    if (io::is_swanctl(config_path_)) {
      io::SwanctlSource& source = swanctl_.emplace(config_path_, pki_);
      if (renews && in_force_) source.use_configs_of(*in_force_);
      return source;
    }
    io::FileSource& source = source_.emplace(config_path_, credentials_folder_, pki_);
    if (renews && in_force_) source.use_configs_of(*in_force_);
    return source;
  }

  std::string config_path_;
  std::string credentials_folder_;
  const pki::PkiProvider* pki_;
  std::optional<io::FileSource> source_;
  std::optional<io::SwanctlSource> swanctl_;
  std::optional<io::FilesRead> in_force_;
};

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
  Files files{config_path, pki};
  Loads loads{pki};
  gateway::KeyFiles& source = config_path.empty() ? static_cast<gateway::KeyFiles&>(loads) : files;
  gateway::KeyServer server{source, crypto->provider()};
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
