// `caponier debug capture`: the outer packets as pcapng, and the keys as a Wireshark profile.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "cli/verbs.h"

namespace caponier::cli {
namespace {

Failure file_failure(const std::string& path) {
  const int error = errno;
  return {error == EACCES ? ExitCode::permission : ExitCode::generic,
          fmt::format("cannot write {}: {}", path, std::generic_category().message(error)),
          "choose another folder with -o",
          {}};
}

/// A new file that only we can read: it may hold keys, or what they open.
class OutputFile {
 public:
  explicit OutputFile(std::string path)
      : path_(std::move(path)),
        fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] Outcome<void> write(std::string_view bytes) {
    if (fd_ < 0) return std::unexpected{file_failure(path_)};
    while (!bytes.empty()) {
      const ssize_t size = ::write(fd_, bytes.data(), bytes.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return std::unexpected{file_failure(path_)};
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return {};
  }

 private:
  std::string path_;
  int fd_;
};

Outcome<void> make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return std::unexpected{file_failure(path)};
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

std::string from_base64(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  unsigned filled = 0;
  for (const char c : text) {
    const int value = base64_value(c);
    if (value < 0) continue;
    bits = bits << 6 | static_cast<unsigned>(value);
    filled += 6;
    if (filled >= 8) {
      filled -= 8;
      out += static_cast<char>(bits >> filled & 0xffU);
    }
  }
  return out;
}

Outcome<void> write_profile(const std::string& folder, const Json& keys) {
  TRY_VOID(make_folder(folder));
  TRY_VOID(
      OutputFile{folder + "/ikev2_decryption_table"}.write(text(keys, "ikev2_decryption_table")));
  TRY_VOID(OutputFile{folder + "/esp_sa"}.write(text(keys, "esp_sa")));
  TRY_VOID(OutputFile{folder + "/preferences"}.write(
      "esp.enable_encryption_decode: TRUE\nesp.enable_authentication_check: FALSE\n"));
  return {};
}

struct Recorded {
  std::size_t bytes = 0;
  Json keys;
};

Outcome<Recorded> record(const Session& session, const CaptureVerb& verb, const std::string& path) {
  auto connection = TRY(Connection::open(session.socket));
  static_cast<void>(TRY(connection.ask("capture", Json{{"seconds", verb.seconds}})));
  OutputFile file{path};
  TRY_VOID(file.write(""));
  if (verb.seconds == 0) remark("recording; Ctrl-C ends it\n");
  Recorded recorded;
  bool stopping = false;
  for (;;) {
    if (is_interrupted() && !std::exchange(stopping, true)) TRY_VOID(connection.send("stop"));
    const std::optional<Json> next = TRY(connection.receive());
    if (!next) continue;
    if (flag(*next, "end")) {
      recorded.keys = at(*next, "keys");
      return recorded;
    }
    const std::string bytes = from_base64(text(*next, "capture"));
    recorded.bytes += bytes.size();
    TRY_VOID(file.write(bytes));
  }
}

std::string tshark_command(const std::string& folder, bool keys_only) {
  return fmt::format("WIRESHARK_CONFIG_DIR={0}/wireshark-profile tshark -r {1}", folder,
                     keys_only ? "FILE" : folder + "/capture.pcapng");
}

}  // namespace

Outcome<ExitCode> run_capture(const Session& session, const CaptureVerb& verb) {
  Recorded recorded;
  if (verb.keys_only) {
    auto connection = TRY(Connection::open(session.socket));
    const Json answer = TRY(connection.ask("keys"));
    recorded.keys = at(answer, "result");
    TRY_VOID(make_folder(verb.folder));
  } else {
    TRY_VOID(make_folder(verb.folder));
    recorded = TRY(record(session, verb, verb.folder + "/capture.pcapng"));
  }
  const bool has_keys = recorded.keys.is_object();
  if (has_keys) TRY_VOID(write_profile(verb.folder + "/wireshark-profile", recorded.keys));
  const std::string command = has_keys ? tshark_command(verb.folder, verb.keys_only) : "";
  if (session.json) {
    print(dump(Json{{"v", control::protocol_version},
                    {"folder", verb.folder},
                    {"capture_bytes", recorded.bytes},
                    {"keys", has_keys},
                    {"command", command}},
               2) +
          "\n");
    return ExitCode::ok;
  }
  if (!verb.keys_only) {
    print(fmt::format("{}/capture.pcapng: {}\n", verb.folder,
                      human_bytes(static_cast<double>(recorded.bytes))));
  }
  if (has_keys) {
    print(fmt::format("{}/wireshark-profile: the keys\n{}\n", verb.folder, command));
  } else {
    remark(
        "without keys: the configuration does not allow to export them\n"
        "fix: set allow_key_export = true under [debug] and reload\n");
  }
  return ExitCode::ok;
}

}  // namespace caponier::cli
