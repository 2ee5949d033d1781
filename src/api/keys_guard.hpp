// Who may change the parts of a key that belong together: its secret and what it is sealed to.
//
// The trigger keypool_guard_api_key refuses an UPDATE of these columns whoever asks, the table's
// owner included, since an envelope opens only with the identity it was sealed with. rotate_key and
// revoke_key hold an Unguarded around their one UPDATE; SQL has no way to make one.
#pragma once

#include <cstdint>

namespace keypool::api {

class [[nodiscard]] Unguarded {
 public:
  explicit Unguarded(std::int64_t key_id) noexcept;
  Unguarded(const Unguarded&) = delete;
  Unguarded& operator=(const Unguarded&) = delete;
  ~Unguarded();

  // Whether there is one.
  static bool any() noexcept;
};

}  // namespace keypool::api
