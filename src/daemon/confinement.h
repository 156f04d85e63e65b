#pragma once
// What a process gives up for good.

namespace caponier::daemon {

/// No capabilities, no new privileges, no other programs, no memory of other processes, no sockets
/// but those of this host (Unix), which tokens need: their modules are code of others, so that what
/// is forbidden is listed, and not what is allowed. What the kernel does not know is left out.
void confine_key_process();

}  // namespace caponier::daemon
