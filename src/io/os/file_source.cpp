#include "io/os/file_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/error.h"
#include "io/os/fd.h"
#include "io/os/io_error.h"

namespace caponier::io {
namespace {

using config::FileError;

FileError file_error(int error, std::string fix) { return {errno_text(error), std::move(fix)}; }

/// The whole file; `Buffer` is std::string or base::ByteVec.
template <class Buffer>
std::expected<void, int> read_all(int fd, Buffer& out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    const ssize_t count = ::read(fd, out.data() + filled, out.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return std::unexpected{errno};
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  out.resize(filled);
  return {};
}

std::filesystem::path folder_of(const std::string& path) {
  const auto folder = std::filesystem::path{path}.parent_path();
  return folder.empty() ? std::filesystem::path{"."} : folder;
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string_view::npos;
}

/// Others must not read a secret, nor may another user replace it.
std::expected<void, FileError> check_secret(const struct stat& info, const std::string& path) {
  if (!S_ISREG(info.st_mode)) {
    return std::unexpected{FileError{"not a regular file", "store the secret in a plain file"}};
  }
  if ((info.st_mode & 0077) != 0) {
    return std::unexpected{
        FileError{fmt::format("readable or writable by others (mode {:04o})", info.st_mode & 07777),
                  fmt::format("chmod 600 {}", path)}};
  }
  if (info.st_uid != 0 && info.st_uid != ::geteuid()) {
    return std::unexpected{FileError{fmt::format("owned by user id {}", info.st_uid),
                                     fmt::format("chown root {}", path)}};
  }
  return {};
}

std::expected<base::SecretBytes, FileError> read_secret_file(const std::string& path,
                                                             bool is_private,
                                                             std::size_t size_max) {
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!fd.is_open()) {
    return std::unexpected{FileError{fmt::format("{}: {}", path, errno_text(errno)), ""}};
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return std::unexpected{file_error(errno, "")};
  if (is_private) TRY_VOID(check_secret(info, path));
  if (!S_ISREG(info.st_mode)) return std::unexpected{FileError{"not a regular file", ""}};
  if (static_cast<std::size_t>(info.st_size) > size_max) {
    return std::unexpected{
        FileError{fmt::format("larger than {} KiB", size_max / 1024), "name the right file"}};
  }
  base::ByteVec raw(static_cast<std::size_t>(info.st_size));
  const auto read = read_all(fd.get(), raw);
  base::SecretBytes secret{raw};
  base::wipe(raw);
  if (!read) return std::unexpected{file_error(read.error(), "")};
  return secret;
}

}  // namespace

FileSource::FileSource(const std::string& config_path, std::string credentials_folder,
                       const pki::PkiProvider* pki, const config::HeldKeys* held)
    : secrets_folder_((folder_of(config_path) / "secrets").string()),
      pki_folder_((folder_of(config_path) / "pki").string()),
      pki_(pki),
      held_(held),
      credentials_folder_(std::move(credentials_folder)) {}

std::expected<std::string, FileError> FileSource::read_config(const std::string& path) {
  if (frozen_) {
    const auto known = frozen_->configs.find(path);
    if (known != frozen_->configs.end()) return read_.configs[path] = known->second;
  }
  if (path.empty()) return std::string{};
  const Fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd.is_open()) {
    return std::unexpected{file_error(errno, "create the file or name another with --config")};
  }
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return std::unexpected{file_error(errno, "")};
  if (!S_ISREG(info.st_mode)) return std::unexpected{FileError{"not a regular file", ""}};
  if (static_cast<std::size_t>(info.st_size) > config_file_size_max) {
    return std::unexpected{FileError{"larger than 1 MiB", "split it into conf.d/*.toml"}};
  }
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  if (const auto read = read_all(fd.get(), text); !read) {
    return std::unexpected{file_error(read.error(), "")};
  }
  read_.configs[path] = text;
  return text;
}

std::vector<std::string> FileSource::list_fragments(const std::string& path) {
  if (frozen_) return read_.fragments = frozen_->fragments;
  if (path.empty()) return {};
  std::vector<std::string> found;
  std::error_code error;
  const auto folder = folder_of(path) / "conf.d";
  for (std::filesystem::directory_iterator at{folder, error}, end; !error && at != end;
       at.increment(error)) {
    const auto& file = at->path();
    if (file.extension() == ".toml" && !file.filename().string().starts_with('.')) {
      found.push_back(file.string());
    }
  }
  std::sort(found.begin(), found.end());
  read_.fragments = found;
  return found;
}

std::expected<base::SecretBytes, FileError> FileSource::read_secret(std::string_view reference) {
  std::string folder = secrets_folder_;
  std::string_view name = reference;
  if (name.starts_with("cred:")) {
    name.remove_prefix(5);
    folder = credentials_folder_;
    if (folder.empty()) {
      return std::unexpected{FileError{"the service manager passed no credentials",
                                       "add LoadCredential= to the unit, or use \"@name\""}};
    }
  } else if (name.starts_with('@')) {
    name.remove_prefix(1);
  }
  if (!is_plain_name(name)) {
    return std::unexpected{
        FileError{"not a plain file name", "use letters, digits, '-' and '_' only"}};
  }
  const std::string path = fmt::format("{}/{}", folder, name);
  auto secret = read_secret_file(path, true, secret_file_size_max);
  if (!secret && secret.error().fix.empty()) {
    secret.error().fix = fmt::format("(umask 077; openssl rand -base64 32 > {})", path);
  }
  return secret;
}

std::string FileSource::pki_path(const std::string& name) const {
  return name.starts_with('/') ? name : fmt::format("{}/{}", pki_folder_, name);
}

std::expected<base::SecretBytes, FileError> FileSource::read_pki(const std::string& name,
                                                                 bool is_private) {
  const std::string path = pki_path(name);
  read_.pki.insert(path);
  return read_secret_file(path, is_private, pki::file_size_max);
}

bool FileSource::has_pki(const std::string& name) const {
  std::error_code error;
  const std::string path = pki_path(name);
  read_.pki.insert(path);
  return std::filesystem::exists(path, error);
}

std::expected<std::map<std::string, base::SecretBytes>, FileError> FileSource::read_users() {
  std::map<std::string, base::SecretBytes> users;
  std::error_code error;
  for (std::filesystem::directory_iterator at{secrets_folder_ + "/users", error}, end;
       !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (!is_plain_name(name)) continue;
    if (users.size() == users_max) {
      return std::unexpected{FileError{fmt::format("there are more than {} users", users_max),
                                       "let a RADIUS server know them"}};
    }
    auto password = read_secret_file(at->path().string(), true, secret_file_size_max);
    if (!password) return std::unexpected{password.error()};
    base::Bytes text = password->reveal();
    while (!text.empty() && (text.back() == std::byte{'\n'} || text.back() == std::byte{'\r'})) {
      text = text.first(text.size() - 1);
    }
    users.emplace(name, base::SecretBytes{text});
  }
  return users;
}

}  // namespace caponier::io
