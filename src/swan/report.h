#pragma once
// What there is to say about a foreign configuration: errors, for which a connection is refused,
// warnings, where something is not done, and notes, where it is done another way.

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/errors.h"

namespace caponier::swan {

enum class Gravity : std::uint8_t { note, warning, error };

struct Remark {
  Gravity gravity = Gravity::note;
  config::Place where;   ///< without a file in messages
  std::string path;      ///< "connections.gw.children.net.mode"
  std::string message;   ///< what is wrong, or what becomes of it
  std::string fix;       ///< empty where there is nothing to do
  bool is_lack = false;  ///< an error that goes away with what is loaded later
  /// "swanctl.conf:3:5: connections.gw.version: IKEv1 is not spoken here\n  fix: ..."
  [[nodiscard]] std::string to_string() const;
};

inline constexpr std::size_t remarks_max = 4096;

class Report {
 public:
  void add(Gravity gravity, const config::Place& where, std::string path, std::string message,
           std::string fix);
  void error(const config::Place& where, std::string path, const config::Fault& fault) {
    add(Gravity::error, where, std::move(path), fault.message, fault.fix);
  }
  /// Something is not there yet.
  void lack(const config::Place& where, std::string path, const config::Fault& fault);
  void warn(const config::Place& where, std::string path, std::string message,
            std::string fix = {}) {
    add(Gravity::warning, where, std::move(path), std::move(message), std::move(fix));
  }
  void note(const config::Place& where, std::string path, std::string message) {
    add(Gravity::note, where, std::move(path), std::move(message), {});
  }
  [[nodiscard]] const std::vector<Remark>& remarks() const { return remarks_; }
  /// So far; more of them after a step mean that it has failed.
  [[nodiscard]] std::size_t error_count() const { return error_count_; }
  [[nodiscard]] std::size_t warning_count() const { return warning_count_; }
  void append(const Report& other);

 private:
  std::vector<Remark> remarks_;
  std::size_t error_count_ = 0;
  std::size_t warning_count_ = 0;
};

}  // namespace caponier::swan
