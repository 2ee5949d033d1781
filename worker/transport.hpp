// HTTP GETs and POSTs, many at once, on one descriptor. The only file that knows libcurl.
//
// Connections are kept per host and shared by whoever comes next; over TLS many requests share one
// by HTTP/2. No redirect is followed (a credential goes where it was meant to go or nowhere), no
// cookie, no netrc, and no proxy: the environment of a server process is an accident of how it was
// started, and must not lead credentials astray. Where a proxy is needed it is the provider's
// base_url.
//
// One thread, and no Postgres call: libcurl's callbacks touch nothing but bounded C++ buffers. The
// resolver has threads of its own, which are made with all signals blocked, since Postgres's
// handlers belong to the main thread. The constructor throws std::runtime_error; send() and
// advance() throw only std::bad_alloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/secret.hpp"
#include "worker/poller.hpp"

namespace keypool::worker {

inline constexpr std::size_t kKeptBody = 64 * 1024;       // what follows is read and dropped …
inline constexpr std::size_t kLongestBody = 1024 * 1024;  // … up to here, then the transfer ends
inline constexpr std::size_t kKeptHeaders = 8 * 1024;
inline constexpr std::size_t kLongestHeaders = 64 * 1024;

struct HttpRequest {
  std::string url;                   // http or https; never holds a credential
  std::vector<std::string> headers;  // "name: value"
  // To be posted; with none it is a GET.
  std::optional<std::string> body;
  core::Secret credential;  // the header line that is secret, NUL-terminated; wiped at the end
  int timeout_ms = 0;       // for all of it, from name to last byte
};

// Why there is no whole answer: words that core::classify understands, or blames nobody for.
namespace transport_failure {
inline constexpr std::string_view kTimeout = "timeout";
inline constexpr std::string_view kConnection = "connection_error";
inline constexpr std::string_view kTls = "tls_error";
inline constexpr std::string_view kDns = "dns_error";
inline constexpr std::string_view kTooLarge = "too_large";
inline constexpr std::string_view kBadUrl = "bad_url";
inline constexpr std::string_view kBadProtocol = "bad_protocol";  // what answers is not HTTP
inline constexpr std::string_view kLocal = "local_error";  // this machine's fault: out of memory …
}  // namespace transport_failure

struct HttpAnswer {
  std::uint64_t ticket = 0;
  int status = 0;            // 0: none
  std::string_view failure;  // empty: it is all there, or as much as is kept
  std::string headers;       // "name: value" lines
  std::string body;
  double latency_ms = 0;
};

class Transport {
 public:
  Transport();
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Readable when advance() has something to do.
  int descriptor() const noexcept { return poller_.descriptor(); }

  // How many transfers may be under way: what the limit of open files allows.
  std::size_t places() const noexcept { return places_; }
  std::size_t in_flight() const noexcept { return transfers_.size(); }

  // Starts a transfer. `ticket` is the caller's name for it, unique among those in flight.
  void send(std::uint64_t ticket, HttpRequest request);

  struct Progress {
    std::vector<std::uint64_t> connected;  // tickets whose host was reached
    std::vector<HttpAnswer> answers;
  };
  // Moves everything that can move, without waiting.
  Progress advance();

 private:
  struct Transfer;

  void* take_handle();
  void give_back(void* easy) noexcept;
  void act_on_events() noexcept;
  void give_memory_back() noexcept;
  HttpAnswer finish(Transfer& transfer, int result);

  Poller poller_;
  void* multi_;
  std::size_t places_;
  std::vector<void*> idle_;  // easy handles: making one anew costs as much as a seventh of a check
  std::unordered_map<std::uint64_t, std::unique_ptr<Transfer>> transfers_;
  std::vector<std::uint64_t> connected_;
  bool crowded_ = false;  // since memory was last given back
};

}  // namespace keypool::worker
