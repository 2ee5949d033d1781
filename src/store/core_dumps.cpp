#include "store/core_dumps.hpp"

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "pg/settings.hpp"

namespace keypool::store {

void keep_out_of_core_dumps() noexcept {
  if (pg::settings().core_dumps) return;
#ifdef __linux__
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

}  // namespace keypool::store
