#include "swan/report.h"

#include <utility>

#include <fmt/format.h>

namespace caponier::swan {

std::string Remark::to_string() const {
  std::string text;
  if (!where.file.empty()) text += where.to_string() + ": ";
  if (!path.empty()) text += path + ": ";
  text += message;
  if (!fix.empty()) text += "\n  fix: " + fix;
  return text;
}

void Report::add(Gravity gravity, const config::Place& where, std::string path, std::string message,
                 std::string fix) {
  if (gravity == Gravity::error) ++error_count_;
  if (gravity == Gravity::warning) ++warning_count_;
  if (remarks_.size() >= remarks_max) return;
  if (remarks_.size() + 1 == remarks_max) {
    remarks_.push_back({gravity, {}, {}, "there is more to say than is shown", "", false});
    return;
  }
  remarks_.push_back({gravity, where, std::move(path), std::move(message), std::move(fix), false});
}

void Report::lack(const config::Place& where, std::string path, const config::Fault& fault) {
  error(where, std::move(path), fault);
  if (remarks_.size() < remarks_max) remarks_.back().is_lack = true;
}

void Report::append(const Report& other) {
  for (const Remark& remark : other.remarks_) {
    add(remark.gravity, remark.where, remark.path, remark.message, remark.fix);
  }
}

}  // namespace caponier::swan
