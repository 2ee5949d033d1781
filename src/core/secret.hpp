// A buffer for bytes that must not outlive their use: API keys, data keys, the root key.
//
// Move-only, fixed size, wiped when destroyed or overwritten. Anyone may own one; it does no
// locking and is meant for one thread. It throws only std::bad_alloc. It does not lock its page:
// a secret may reach swap, as the caller's own result may, so encrypt swap where that matters.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <string.h>  // explicit_bzero, which <cstring> need not declare

namespace keypool::core {

// Overwrites bytes in a way that the compiler may not drop, unlike memset before a free.
inline void wipe(std::span<std::byte> bytes) noexcept {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

inline std::span<const std::byte> bytes_of(std::string_view text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class Secret {
 public:
  Secret() noexcept = default;

  // `size` zero bytes, to be filled through bytes().
  explicit Secret(std::size_t size) : data_(std::make_unique<std::byte[]>(size)), size_(size) {}

  explicit Secret(std::span<const std::byte> bytes) : Secret(bytes.size()) {
    if (size_ != 0) std::memcpy(data_.get(), bytes.data(), size_);
  }

  explicit Secret(std::string_view text) : Secret(bytes_of(text)) {}

  Secret(Secret&& other) noexcept
      : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}

  Secret& operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    wipe(bytes());
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  ~Secret() { wipe(bytes()); }

  std::size_t size() const noexcept { return size_; }
  std::byte* data() noexcept { return data_.get(); }
  const std::byte* data() const noexcept { return data_.get(); }

  std::span<std::byte> bytes() noexcept { return {data_.get(), size_}; }
  std::span<const std::byte> bytes() const noexcept { return {data_.get(), size_}; }

  // Valid while the Secret lives; copying it makes a copy that nobody wipes.
  std::string_view view() const noexcept {
    return {reinterpret_cast<const char*>(data_.get()), size_};
  }

 private:
  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
};

}  // namespace keypool::core
