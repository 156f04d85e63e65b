#include "io/store/lease_store.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

namespace caponier::io {
namespace {

constexpr int format_version = 1;
/// After a fault.
constexpr std::chrono::seconds patience{10};

constexpr const char* schema =
    "CREATE TABLE IF NOT EXISTS leases(address BLOB PRIMARY KEY, user TEXT NOT NULL,"
    " used INTEGER NOT NULL) WITHOUT ROWID;"
    "PRAGMA user_version=1;";

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

struct Close {
  void operator()(sqlite3* handle) const { sqlite3_close(handle); }
};

int octets_of(std::size_t size) { return static_cast<int>(size); }

}  // namespace

class LeaseStore::Database {
 public:
  /// A sentence when the file is not to be used.
  [[nodiscard]] std::expected<void, std::string> open(const std::string& path) {
    sqlite3* raw = nullptr;
    const int done =
        sqlite3_open_v2(path.c_str(), &raw,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    handle_.reset(raw);
    if (done != SQLITE_OK) return std::unexpected{said()};
    if (const auto version = number("PRAGMA user_version");
        !version || (*version != 0 && *version != format_version)) {
      return std::unexpected{version ? fmt::format("it is of version {}", *version) : said()};
    }
    if (text("PRAGMA quick_check(1)") != "ok") return std::unexpected{"it is damaged"};
    // With WAL, NORMAL loses at most the last batches in a power failure, and never the file.
    for (const char* sql : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", schema,
                            "SELECT address, user, used FROM leases LIMIT 1"}) {
      if (!run(sql)) return std::unexpected{said()};
    }
    insert_ = prepare("INSERT OR REPLACE INTO leases VALUES(?,?,?)");
    remove_ = prepare("DELETE FROM leases WHERE address=?");
    if (!insert_ || !remove_) return std::unexpected{said()};
    return {};
  }

  [[nodiscard]] std::vector<gateway::KeepLease> read() {
    std::vector<gateway::KeepLease> leases;
    const Statement all = prepare("SELECT address, user FROM leases ORDER BY used DESC LIMIT ?");
    if (!all) return leases;
    sqlite3_bind_int64(all.get(), 1, static_cast<sqlite3_int64>(gateway::kept_leases_max));
    while (sqlite3_step(all.get()) == SQLITE_ROW) {
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(all.get(), 0));
      const auto* const octets = static_cast<const std::byte*>(sqlite3_column_blob(all.get(), 0));
      if (octets == nullptr || (size != 4 && size != 16)) continue;
      gateway::KeepLease lease;
      lease.address = base::IpAddress::from_bytes({octets, size});
      const auto length = static_cast<std::size_t>(sqlite3_column_bytes(all.get(), 1));
      const auto* const user = static_cast<const char*>(sqlite3_column_blob(all.get(), 1));
      if (user == nullptr) continue;
      lease.user.assign(user, length);
      leases.push_back(std::move(lease));
    }
    std::ranges::reverse(leases);
    return leases;
  }

  [[nodiscard]] std::uint64_t last_used() {
    return static_cast<std::uint64_t>(number("SELECT ifnull(max(used),0) FROM leases").value_or(0));
  }

  [[nodiscard]] bool run(const char* sql) {
    return sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK;
  }

  [[nodiscard]] bool write(const gateway::KeepLease& lease, std::uint64_t used) {
    sqlite3_stmt* const statement = lease.user.empty() ? remove_.get() : insert_.get();
    const base::Bytes octets = lease.address.bytes();
    sqlite3_bind_blob(statement, 1, octets.data(), octets_of(octets.size()), SQLITE_TRANSIENT);
    if (!lease.user.empty()) {
      sqlite3_bind_text(statement, 2, lease.user.data(), octets_of(lease.user.size()),
                        SQLITE_TRANSIENT);
      sqlite3_bind_int64(statement, 3, static_cast<sqlite3_int64>(used));
    }
    const bool is_done = sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_reset(statement);
    return is_done;
  }

  [[nodiscard]] std::string said() const {
    return handle_ ? sqlite3_errmsg(handle_.get()) : "out of memory";
  }

 private:
  [[nodiscard]] Statement prepare(const char* sql) {
    sqlite3_stmt* raw = nullptr;
    sqlite3_prepare_v2(handle_.get(), sql, -1, &raw, nullptr);
    return Statement{raw};
  }
  [[nodiscard]] std::optional<std::int64_t> number(const char* sql) {
    const Statement one = prepare(sql);
    if (!one || sqlite3_step(one.get()) != SQLITE_ROW) return std::nullopt;
    return sqlite3_column_int64(one.get(), 0);
  }
  [[nodiscard]] std::string text(const char* sql) {
    const Statement one = prepare(sql);
    if (!one || sqlite3_step(one.get()) != SQLITE_ROW) return {};
    const auto* const octets = static_cast<const char*>(sqlite3_column_blob(one.get(), 0));
    return octets == nullptr
               ? std::string{}
               : std::string{octets, static_cast<std::size_t>(sqlite3_column_bytes(one.get(), 0))};
  }

  std::unique_ptr<sqlite3, Close> handle_;  // closed after the statements
  Statement insert_, remove_;
};

struct LeaseStore::Shared {
  struct Waiting {
    std::string user;
    std::uint64_t used = 0;
  };
  using Batch = std::map<base::IpAddress, Waiting>;

  std::unique_ptr<Database> database;  // the thread's, once it runs
  std::mutex mutex;
  std::condition_variable wake;
  Batch waiting;
  std::uint64_t next = 0;
  bool is_ending = false;
  bool is_faulty = false;
  std::optional<std::string> fault;
  std::thread thread;

  void work();
  [[nodiscard]] bool write(const Batch& batch);
};

void LeaseStore::Shared::work() {
  std::unique_lock lock{mutex};
  for (;;) {
    wake.wait(lock, [this] { return is_ending || !waiting.empty(); });
    if (waiting.empty()) return;
    Batch batch = std::exchange(waiting, {});
    lock.unlock();
    const bool is_done = write(batch);
    std::string said = is_done ? std::string{} : database->said();
    if (!is_done) static_cast<void>(database->run("ROLLBACK"));
    lock.lock();
    if (is_done) {
      is_faulty = false;
      continue;
    }
    if (!std::exchange(is_faulty, true)) fault = std::move(said);
    // What has come meanwhile is newer.
    waiting.merge(batch);
    if (is_ending) return;
    wake.wait_for(lock, patience, [this] { return is_ending; });
  }
}

bool LeaseStore::Shared::write(const Batch& batch) {
  if (!database->run("BEGIN")) return false;
  for (const auto& [address, lease] : batch) {
    if (!database->write({address, lease.user}, lease.used)) return false;
  }
  return database->run("COMMIT");
}

Io<LeaseStore::Opened> LeaseStore::open(const std::string& path) {
  std::string notice;
  auto database = std::make_unique<Database>();
  auto opened = database->open(path);
  if (!opened) {
    const std::string aside = path + ".broken";
    database = std::make_unique<Database>();
    for (const char* part : {"", "-wal", "-shm"}) {
      static_cast<void>(std::rename((path + part).c_str(), (aside + part).c_str()));
    }
    notice = fmt::format(
        "the addresses kept for users cannot be read: {} ({}); it is set aside as {}, and users "
        "may "
        "get other addresses",
        path, opened.error(), aside);
    opened = database->open(path);
  }
  if (!opened) {
    return std::unexpected{IoError{IoFault::other,
                                   fmt::format("cannot open {}: {}", path, opened.error()),
                                   "see that the state folder may be written and has room"}};
  }
  Opened result;
  result.leases = database->read();
  const std::uint64_t next = database->last_used() + 1;
  result.notice = std::move(notice);
  result.store.reset(new LeaseStore{std::move(database), next});
  return result;
}

LeaseStore::LeaseStore(std::unique_ptr<Database> database, std::uint64_t next)
    : shared_(std::make_unique<Shared>()) {
  shared_->database = std::move(database);
  shared_->next = next;
  shared_->thread = std::thread{[shared = shared_.get()] { shared->work(); }};
}

LeaseStore::~LeaseStore() {
  {
    const std::lock_guard lock{shared_->mutex};
    shared_->is_ending = true;
  }
  shared_->wake.notify_one();
  shared_->thread.join();
}

void LeaseStore::write(const gateway::KeepLease& lease) {
  {
    const std::lock_guard lock{shared_->mutex};
    shared_->waiting[lease.address] = {lease.user, shared_->next++};
  }
  shared_->wake.notify_one();
}

std::optional<std::string> LeaseStore::poll_fault() {
  const std::lock_guard lock{shared_->mutex};
  return std::exchange(shared_->fault, std::nullopt);
}

}  // namespace caponier::io
