#include "io/http/kept_crls.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/error.h"
#include "io/os/fd.h"
#include "pki/trust.h"

namespace caponier::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view suffix = ".crl";
/// The URL and a newline before the CRL.
constexpr std::size_t file_size_max = pki::crl_size_max + pki::url_size_max + 1;

/// FNV-1a: two URLs of one name would take turns, no more.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

struct KeptFile {
  std::string path;
  std::size_t size = 0;
  fs::file_time_type written;
};

std::vector<KeptFile> newest_first(const std::string& folder) {
  std::vector<KeptFile> files;
  std::error_code error;
  for (fs::directory_iterator at{folder, error}, end; !error && at != end; at.increment(error)) {
    if (at->path().extension() != suffix || !at->is_regular_file(error) || error) continue;
    const auto size = at->file_size(error);
    const auto written = at->last_write_time(error);
    if (!error) files.push_back({at->path().string(), static_cast<std::size_t>(size), written});
    error.clear();
  }
  std::ranges::sort(files, [](const KeptFile& a, const KeptFile& b) {
    return a.written != b.written ? a.written > b.written : a.path < b.path;
  });
  return files;
}

bool write_all(int fd, base::Bytes octets) {
  while (!octets.empty()) {
    const ssize_t count = ::write(fd, octets.data(), octets.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    octets = octets.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

std::optional<gateway::KeepCrl> read(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  gateway::KeepCrl crl;
  if (!std::getline(in, crl.url) || crl.url.size() > pki::url_size_max) return std::nullopt;
  const std::string octets{std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
  crl.octets = base::to_vec(base::as_bytes(octets));
  return crl;
}

}  // namespace

Io<void> KeptCrls::keep(const gateway::KeepCrl& crl) const {
  std::error_code ignored;
  fs::create_directories(folder_, ignored);
  static_cast<void>(::chmod(folder_.c_str(), S_IRWXU));
  const std::string path = fmt::format("{}/{:016x}{}", folder_, hash_of(crl.url), suffix);
  const std::string draft = path + ".new";
  const Fd fd{::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
  const bool is_written = fd.is_open() && write_all(fd.get(), base::as_bytes(crl.url + "\n")) &&
                          write_all(fd.get(), crl.octets) &&
                          ::rename(draft.c_str(), path.c_str()) == 0;
  if (!is_written) {
    const int error = errno;
    static_cast<void>(::unlink(draft.c_str()));
    return std::unexpected{error_from_errno(fmt::format("cannot keep a CRL in {}", folder_), error,
                                            "see that there is room and that it can be written")};
  }
  remove_oldest();
  return {};
}

void KeptCrls::remove_oldest() const {
  std::size_t count = 0;
  std::size_t octets = 0;
  for (const KeptFile& file : newest_first(folder_)) {
    octets += file.size;
    if (++count <= pki::cached_crls_max && octets <= pki::cached_crl_octets_max) continue;
    static_cast<void>(::unlink(file.path.c_str()));
  }
}

std::vector<gateway::KeepCrl> KeptCrls::load() const {
  std::vector<gateway::KeepCrl> crls;
  std::size_t octets = 0;
  for (const KeptFile& file : newest_first(folder_)) {
    octets += file.size;
    if (crls.size() == pki::cached_crls_max || octets > pki::cached_crl_octets_max) break;
    if (file.size > file_size_max) continue;
    if (auto crl = read(file.path)) crls.push_back(std::move(*crl));
  }
  return crls;
}

}  // namespace caponier::io
