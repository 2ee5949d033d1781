#include "worker/transport.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>

#include <curl/curl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

namespace keypool::worker {

namespace {

constexpr std::size_t kMostPlaces = 2048;
constexpr rlim_t kDescriptorsElsewhere = 256;  // Postgres's files, the resolver's, idle connections
constexpr std::size_t kMostIdleHandles = 256;
constexpr std::size_t kCrowd = 64;
constexpr long kMostIdleConnections = 128;
constexpr long kConnectTimeoutMs = 10'000;
constexpr std::size_t kMostHeaderLines = 8;

// A thread inherits the mask of the one that makes it.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

// libcurl copies the credential into its send buffers and frees them as they are; so every block of
// its memory is wiped on the way back.
void wipe_and_free(void* block) noexcept {
  if (block == nullptr) return;
  explicit_bzero(block, malloc_usable_size(block));
  std::free(block);
}

void* grow_and_wipe(void* block, std::size_t size) noexcept {
  void* grown = std::malloc(size);
  if (block == nullptr || grown == nullptr) return grown;
  std::memcpy(grown, block, std::min(size, malloc_usable_size(block)));
  wipe_and_free(block);
  return grown;
}

void start_library() {
  const SignalsBlocked blocked;
  if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, std::malloc, wipe_and_free, grow_and_wipe, strdup,
                           std::calloc) != CURLE_OK) {
    throw std::runtime_error("could not initialize libcurl");
  }
}

// A thousand checks at once are a thousand sockets: uses what the administrator allows, the hard
// limit, as the soft one is only for programs that still call select().
std::size_t count_places() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kMostPlaces / 8;
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, kMostPlaces + kDescriptorsElsewhere);
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) getrlimit(RLIMIT_NOFILE, &limit);
  }
  const rlim_t spare = std::min<rlim_t>(kDescriptorsElsewhere, limit.rlim_cur / 2);
  return static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur - spare, kMostPlaces));
}

std::string_view failure_word(CURLcode result, bool too_large, long system_error) {
  using namespace transport_failure;
  if (too_large) return kTooLarge;
  switch (result) {
    case CURLE_OK:
      return {};
    case CURLE_OPERATION_TIMEDOUT:
      return kTimeout;
    case CURLE_COULDNT_RESOLVE_HOST:
      return kDns;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_SSL_SHUTDOWN_FAILED:
      return kTls;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return kBadUrl;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      return kBadProtocol;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
    case CURLE_WRITE_ERROR:
    case CURLE_ABORTED_BY_CALLBACK:
      return kLocal;
    default:
      break;
  }
  const bool exhausted = system_error == EMFILE || system_error == ENFILE ||
                         system_error == ENOBUFS || system_error == ENOMEM;
  return exhausted ? kLocal : kConnection;
}

}  // namespace

struct Transport::Transfer {
  Transport* owner = nullptr;
  std::uint64_t ticket = 0;
  void* easy = nullptr;
  HttpRequest request;
  std::array<curl_slist, kMostHeaderLines> lines = {};
  std::string headers;
  std::string body;
  std::size_t header_bytes = 0;
  std::size_t body_bytes = 0;
  bool too_large = false;

  // libcurl reads the lines where they are, so the credential is in no list of its own making.
  curl_slist* link_lines() noexcept {
    std::size_t count = 0;
    const auto add = [&](char* text) {
      if (count < lines.size()) lines[count++] = {text, nullptr};
    };
    for (std::string& header : request.headers) add(header.data());
    if (request.credential.size() != 0) add(reinterpret_cast<char*>(request.credential.data()));
    for (std::size_t i = 1; i < count; ++i) lines[i - 1].next = &lines[i];
    return count == 0 ? nullptr : lines.data();
  }

  // Keeps what fits. False, which ends the transfer, beyond the longest or without memory.
  bool keep(std::string& kept, std::size_t& seen, std::string_view part, std::size_t most_kept,
            std::size_t longest) noexcept {
    seen += part.size();
    too_large = too_large || seen > longest;
    if (too_large) return false;
    try {
      kept.append(part.substr(0, most_kept - std::min(most_kept, kept.size())));
    } catch (const std::bad_alloc&) {
      return false;
    }
    return true;
  }

  static std::size_t take_header(char* data, std::size_t size, std::size_t count,
                                 void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::string_view line(data, size * count);
    // Every answer starts with a status line: those of 1xx are not what is waited for.
    if (line.starts_with("HTTP/")) transfer.headers.clear();
    const bool kept =
        transfer.keep(transfer.headers, transfer.header_bytes, line, kKeptHeaders, kLongestHeaders);
    return kept ? line.size() : 0;
  }

  static std::size_t take_body(char* data, std::size_t size, std::size_t count,
                               void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::string_view part(data, size * count);
    const bool kept =
        transfer.keep(transfer.body, transfer.body_bytes, part, kKeptBody, kLongestBody);
    return kept ? part.size() : 0;
  }

  static int note_connected(void* self, char*, char*, int, int) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    try {
      transfer.owner->connected_.push_back(transfer.ticket);
    } catch (const std::bad_alloc&) {
      return CURL_PREREQFUNC_ABORT;
    }
    return CURL_PREREQFUNC_OK;
  }
};

namespace {

int watch_socket(CURL*, curl_socket_t socket, int what, void* poller, void*) noexcept {
  auto& self = *static_cast<Poller*>(poller);
  if (what == CURL_POLL_REMOVE) {
    self.forget(socket);
    return 0;
  }
  const bool read = what == CURL_POLL_IN || what == CURL_POLL_INOUT;
  const bool write = what == CURL_POLL_OUT || what == CURL_POLL_INOUT;
  return self.watch(socket, read, write) ? 0 : -1;
}

int set_timer(CURLM*, long milliseconds, void* poller) noexcept {
  static_cast<Poller*>(poller)->set_clock(milliseconds);
  return 0;
}

// What is the same for every transfer.
void configure(CURL* easy) {
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // An abandoned look-up is left to its thread; to wait for it would hold up everybody else.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "pg_keypool/0.1");
}

// A handle is used again, so each request says all of it.
void set_method(CURL* easy, const std::optional<std::string>& body) {
  if (!body) {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    return;
  }
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body->data());  // which it reads where it is
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
}

}  // namespace

Transport::Transport() : places_(count_places()) {
  idle_.reserve(kMostIdleHandles);
  start_library();
  multi_ = curl_multi_init();
  if (multi_ == nullptr) throw std::runtime_error("could not initialize libcurl");
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, watch_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, &poller_);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, set_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, &poller_);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kMostIdleConnections);
}

// The library itself stays initialized: look-ups that nobody waits for may still be running.
Transport::~Transport() {
  const SignalsBlocked blocked;
  for (const auto& [ticket, transfer] : transfers_) {
    curl_multi_remove_handle(multi_, transfer->easy);
    curl_easy_cleanup(transfer->easy);
  }
  for (void* easy : idle_) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi_);
}

void* Transport::take_handle() {
  if (!idle_.empty()) {
    void* easy = idle_.back();
    idle_.pop_back();
    return easy;
  }
  CURL* easy = curl_easy_init();
  if (easy == nullptr) throw std::bad_alloc();
  configure(easy);
  return easy;
}

void Transport::give_back(void* easy) noexcept {
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, nullptr);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, nullptr);
  if (idle_.size() < kMostIdleHandles) {
    idle_.push_back(easy);
  } else {
    curl_easy_cleanup(easy);
  }
}

void Transport::send(std::uint64_t ticket, HttpRequest request) {
  const SignalsBlocked blocked;
  Transfer& self = *transfers_.emplace(ticket, std::make_unique<Transfer>()).first->second;
  self.owner = this;
  self.ticket = ticket;
  self.request = std::move(request);
  crowded_ = crowded_ || transfers_.size() >= kCrowd;
  CURL* easy = self.easy = take_handle();

  const bool over_tls = self.request.url.starts_with("https:");
  const long timeout = self.request.timeout_ms;
  curl_easy_setopt(easy, CURLOPT_URL, self.request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, self.link_lines());
  set_method(easy, self.request.body);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, std::min(timeout, kConnectTimeoutMs));
  // Whether the connection being made can be shared is known as soon as TLS stands; without TLS
  // only after a first answer, which nobody should have to wait for.
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, over_tls ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &self);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, Transfer::take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &self);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, Transfer::take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &self);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, Transfer::note_connected);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, &self);
  curl_multi_add_handle(multi_, easy);
}

Transport::Progress Transport::advance() {
  Progress progress;
  const SignalsBlocked blocked;
  act_on_events();
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode result = message->data.result;
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    progress.answers.push_back(finish(*transfer, result));
    transfers_.erase(progress.answers.back().ticket);
  }
  progress.connected = std::exchange(connected_, {});
  give_memory_back();
  return progress;
}

// A thousand transfers at once take a hundred megabytes, which this process, idle for most of its
// life, should not sit on.
void Transport::give_memory_back() noexcept {
  if (!crowded_ || !transfers_.empty()) return;
  crowded_ = false;
  malloc_trim(0);
}

// Bounded, so that a flood cannot keep the caller from its other work: what is left stays ready.
void Transport::act_on_events() noexcept {
  constexpr int kMostBatches = 32;
  std::array<Poller::Event, 64> events;
  int running = 0;
  for (int batch = 0; batch < kMostBatches; ++batch) {
    const std::size_t count = poller_.collect(events);
    for (const Poller::Event& event : std::span(events).first(count)) {
      const bool is_clock = event.descriptor == Poller::kClock;
      const int what = (event.readable ? CURL_CSELECT_IN : 0) |
                       (event.writable ? CURL_CSELECT_OUT : 0) |
                       (event.failed ? CURL_CSELECT_ERR : 0);
      curl_multi_socket_action(multi_, is_clock ? CURL_SOCKET_TIMEOUT : event.descriptor,
                               is_clock ? 0 : what, &running);
    }
    if (count < events.size()) return;
  }
}

HttpAnswer Transport::finish(Transfer& transfer, int result) {
  long status = 0;
  long system_error = 0;
  curl_off_t microseconds = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(transfer.easy, CURLINFO_OS_ERRNO, &system_error);
  curl_easy_getinfo(transfer.easy, CURLINFO_TOTAL_TIME_T, &microseconds);
  curl_multi_remove_handle(multi_, transfer.easy);
  give_back(transfer.easy);
  return {.ticket = transfer.ticket,
          .status = static_cast<int>(status),
          .failure = failure_word(static_cast<CURLcode>(result), transfer.too_large, system_error),
          .headers = std::move(transfer.headers),
          .body = std::move(transfer.body),
          .latency_ms = static_cast<double>(microseconds) / 1000};
}

}  // namespace keypool::worker
