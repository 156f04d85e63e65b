#pragma once
// One conn of ipsec.conf on its way into swanctl.conf's words. Not for use outside of this room.

#include <set>
#include <string>

#include "swan/ipsec_conf.h"

namespace caponier::swan {

class IpsecConn {
 public:
  IpsecConn(const Section& conn, const Section& setup, Dialect dialect, const IpsecOptions& options,
            Report& report)
      : conn_(conn), setup_(setup), dialect_(dialect), options_(options), report_(report) {}

  /// Into `connections` and `pools` of `root`; nothing for conns that are never loaded.
  void write(Section& root);

 private:
  [[nodiscard]] bool is_libreswan() const { return dialect_ == Dialect::libreswan; }
  /// What has been looked at is understood. Empty when there is none.
  const Value* take(std::string_view key);
  const Value* take(std::initializer_list<std::string_view> keys);
  [[nodiscard]] std::string text(std::string_view key);
  /// "left" or "right", whichever is here, with `key` behind it.
  const Value* own(std::string_view key) { return take(own_ + std::string{key}); }
  const Value* peers(std::string_view key) { return take(other_ + std::string{key}); }
  void set(Section& to, std::string key, std::string text, const Value& from);
  void copy(Section& to, std::string_view ours, std::initializer_list<std::string_view> theirs);
  void warn(const Value& value, std::string message, std::string fix = {});
  void refuse(const Value& value, config::Fault fault);

  void choose_sides();
  void write_ends(Section& to);
  void write_version(Section& to);
  void write_round(Section& to, bool is_local, const std::string& auth);
  void write_rounds(Section& to);
  [[nodiscard]] std::string auth_of(bool is_local);
  void write_ike(Section& to);
  void write_lifetimes(Section& to, Section& child);
  void write_limits(Section& child);
  void write_child(Section& to, Section& child);
  void write_selectors(Section& child, bool is_local);
  void write_proposals(Section& to, Section& child);
  void write_actions(Section& child);
  void write_addresses(Section& root, Section& to);
  void tell_rest();
  [[nodiscard]] base::Duration time_of(std::initializer_list<std::string_view> keys,
                                       base::Duration otherwise);

  const Section& conn_;
  const Section& setup_;
  Dialect dialect_;
  const IpsecOptions& options_;
  Report& report_;
  std::string own_ = "left";
  std::string other_ = "right";
  std::set<std::string, std::less<>> taken_;
};

}  // namespace caponier::swan
