// One HTTP answer before it is sent: status, headers, body, and the manner of sending it.
//
// Made by the dialects and by mischief.cpp, sent by delivery.cpp and server.cpp. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stand_in {

enum class Delivery {
  kWhole,           // as every honest server does
  kHang,            // nothing is ever sent
  kDrop,            // half of the body, then the connection is closed
  kStream,          // `bytes` of padding, chunked, made while it is sent
  kTrickle,         // the body at `bytes` a second
  kEndlessHeaders,  // `bytes` of header lines that never come to an end
};

struct Answer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  Delivery delivery = Delivery::kWhole;
  std::uint64_t bytes = 0;    // meaning depends on the delivery
  std::int64_t delay_ms = 0;  // wait before anything is sent

  void add(std::string_view name, std::string_view value) { headers.emplace_back(name, value); }
};

}  // namespace stand_in
