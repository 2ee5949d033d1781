// For a scope, a request to stop cancels what runs. For a duty's work that cannot be done in steps,
// and that nobody shall wait for: it is undone, or done by the next worker.
#pragma once

namespace keypool::worker {

class [[nodiscard]] Interruptible {
 public:
  Interruptible() noexcept;
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
  ~Interruptible();
};

}  // namespace keypool::worker
