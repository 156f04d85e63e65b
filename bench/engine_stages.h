#pragma once
// Where the time of a packet goes.

namespace caponier::bench {

void engine_stages();

}  // namespace caponier::bench
