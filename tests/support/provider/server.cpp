#include "server.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/resource.h>

#include "credential.hpp"
#include "delivery.hpp"

namespace stand_in {

// What is kept of one request from its first byte to the end of its answer.
struct Exchange {
  explicit Exchange(Record& record) : presence(record) {}

  std::string body;
  bool body_too_long = false;
  std::optional<Answer> answer;
  bool has_waited = false;    // the answer's delay is over
  bool has_finished = false;  // hung or flooded until the client left
  Record::Presence presence;
};

namespace {

constexpr unsigned kThreads = 2;
constexpr unsigned kMostConnections = 8192;
constexpr unsigned kSpareDescriptors = 64;
constexpr std::size_t kConnectionMemory = 16 * 1024;  // holds one request's line and headers
constexpr std::size_t kLongestBody = 16 << 20;        // a control order may list 100,000 keys

// Raises the soft limit of open files to the hard one and says how many connections that allows.
unsigned connection_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kMostConnections / 8;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t usable = limit.rlim_cur - std::min<rlim_t>(limit.rlim_cur / 2, kSpareDescriptors);
  return static_cast<unsigned>(std::min<rlim_t>(usable, kMostConnections));
}

MHD_Result read_header(void* target, MHD_ValueKind, const char* name, const char* value) {
  Request& request = *static_cast<Request*>(target);
  if (value == nullptr) return MHD_YES;
  const auto take = [&](const char* wanted, std::string_view& field) {
    if (strcasecmp(name, wanted) == 0) field = value;
  };
  request.headers.emplace_back(name, value);
  take("authorization", request.authorization);
  take("x-api-key", request.x_api_key);
  take("x-goog-api-key", request.x_goog_api_key);
  take("api-key", request.api_key);
  take("anthropic-version", request.anthropic_version);
  return MHD_YES;
}

MHD_Result read_argument(void* target, MHD_ValueKind, const char* name, const char* value) {
  static_cast<Request*>(target)->arguments.emplace_back(name, value == nullptr ? "" : value);
  return MHD_YES;
}

Request request_of(MHD_Connection* connection, const char* url, const char* method,
                   const Exchange& exchange) {
  Request request;
  request.method = method;
  request.path = url;
  request.body = exchange.body;
  MHD_get_connection_values(connection, MHD_HEADER_KIND, read_header, &request);
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, read_argument, &request);
  return request;
}

// The library calls this once when the headers are in, for each part of the body, at the body's
// end, and again whenever the waiting room has woken the connection.
MHD_Result on_request(void* server, MHD_Connection* connection, const char* url, const char* method,
                      const char*, const char* upload, std::size_t* size, void** state) noexcept {
  try {
    Server& self = *static_cast<Server*>(server);
    if (*state == nullptr) {
      *state = new Exchange(self.record());
      return MHD_YES;
    }
    Exchange& exchange = *static_cast<Exchange*>(*state);
    if (*size != 0) {
      if (exchange.body.size() + *size > kLongestBody) exchange.body_too_long = true;
      if (!exchange.body_too_long) exchange.body.append(upload, *size);
      *size = 0;
      return MHD_YES;
    }
    const Request request = request_of(connection, url, method, exchange);
    return self.handle(connection, request, exchange) ? MHD_YES : MHD_NO;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stand_in_provider: %s\n", error.what());
    return MHD_NO;
  }
}

void on_completed(void*, MHD_Connection*, void** state, MHD_RequestTerminationCode) noexcept {
  delete static_cast<Exchange*>(*state);
  *state = nullptr;
}

}  // namespace

Server::Server(std::uint16_t port, bool verbose, Control& control, Provider& provider,
               Receiver& receiver, Record& record)
    : verbose_(verbose),
      control_(control),
      provider_(provider),
      receiver_(receiver),
      record_(record) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, port, nullptr, nullptr, on_request,
      this, MHD_OPTION_SOCK_ADDR, reinterpret_cast<sockaddr*>(&address),
      MHD_OPTION_THREAD_POOL_SIZE, kThreads, MHD_OPTION_CONNECTION_LIMIT, connection_limit(),
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory, MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096U,
      MHD_OPTION_NOTIFY_COMPLETED, on_completed, nullptr, MHD_OPTION_END);
  if (daemon_ == nullptr) {
    throw std::runtime_error("could not listen on 127.0.0.1:" + std::to_string(port));
  }
}

Server::~Server() { stop(); }

std::uint16_t Server::port() const {
  return MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_BIND_PORT)->port;
}

void Server::stop() {
  // The library may not be stopped while connections are suspended.
  room_.close();
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
  daemon_ = nullptr;
}

bool Server::handle(MHD_Connection* connection, const Request& request, Exchange& exchange) {
  if (!exchange.answer) decide(request, exchange);
  return deliver(connection, exchange);
}

void Server::decide(const Request& request, Exchange& exchange) {
  if (exchange.body_too_long) {
    exchange.answer = json_answer(413, {{"error", {{"message", "Request body too large"}}}});
  } else if (Control::owns(request.path)) {
    exchange.answer = control_.answer(request);
  } else if (Receiver::owns(request.path)) {
    exchange.answer = receiver_.answer(request);
  } else {
    exchange.answer = provider_.answer(request);
  }
  if (verbose_) {
    const std::string path(key_is_in_url(request) ? "(holds a key)" : request.path);
    std::fprintf(stderr, "%s %s %d\n", std::string(request.method).c_str(), path.c_str(),
                 exchange.answer->status);
  }
}

bool Server::deliver(MHD_Connection* connection, Exchange& exchange) {
  const Answer& answer = *exchange.answer;
  if (answer.delay_ms > 0 && !exchange.has_waited) {
    exchange.has_waited = true;
    const auto until = WaitingRoom::Clock::now() + std::chrono::milliseconds(answer.delay_ms);
    return room_.wait(connection, until);
  }
  if (exchange.has_finished) return false;
  if (answer.delivery == Delivery::kHang) {
    exchange.has_finished = true;
    return room_.wait(connection, WaitingRoom::kForever);
  }
  if (answer.delivery == Delivery::kEndlessHeaders) {
    exchange.has_finished = true;
    return room_.wait_while_flooding(connection, answer.bytes);
  }
  const Response response = make_response(answer, connection, room_);
  return response && MHD_queue_response(connection, static_cast<unsigned>(answer.status),
                                        response.get()) == MHD_YES;
}

}  // namespace stand_in
