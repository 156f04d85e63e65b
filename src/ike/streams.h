#pragma once
// TCP streams under an IKE SA (RFC 9329): their names, and who needs them. The SA that initiated is
// the TCP originator for its whole life, rekeys included: it alone opens streams.

#include <map>
#include <optional>

#include "base/address.h"
#include "base/rng.h"

namespace caponier::ike {

class Shared;

/// The name of a new stream: a port of ours from the dynamic range (RFC 6335 s6).
[[nodiscard]] base::Path make_stream_path(const base::IpAddress& local,
                                          const base::Endpoint& remote, base::Rng& rng);

/// How many IKE SAs of ours use each stream that we opened: a rekey has two on one (s6.1).
using StreamUsers = std::map<base::Path, unsigned>;

/// One use. Whoever gives up the last one asks for CloseStream.
class StreamUse {
 public:
  StreamUse() = default;
  StreamUse(const StreamUse&) = delete;
  StreamUse& operator=(const StreamUse&) = delete;
  ~StreamUse() { release(); }
  /// Of the stream that `path` names; of none when it is not TCP.
  void take(Shared& shared, const base::Path& path);
  void release();

 private:
  Shared* shared_ = nullptr;
  base::Path path_;
};

}  // namespace caponier::ike
