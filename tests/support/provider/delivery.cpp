#include "delivery.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>

namespace stand_in {

namespace {

constexpr std::size_t kBlock = 32 * 1024;

// Half of a body, then the end of the connection, although the length promised more.
struct Drop {
  std::string body;

  static ssize_t read(void* state, std::uint64_t position, char* buffer, std::size_t room) {
    const std::string& body = static_cast<Drop*>(state)->body;
    const std::size_t half = body.size() / 2;
    if (position >= half) return MHD_CONTENT_READER_END_WITH_ERROR;
    const std::size_t part = std::min(room, half - static_cast<std::size_t>(position));
    std::memcpy(buffer, body.data() + position, part);
    return static_cast<ssize_t>(part);
  }
};

// Valid JSON of any size, of which no more than a block exists at a time.
struct Stream {
  std::uint64_t padding;

  static constexpr std::string_view kHead = R"({"object":"list","data":[],"padding":")";
  static constexpr std::string_view kTail = R"("})";

  static ssize_t read(void* state, std::uint64_t position, char* buffer, std::size_t room) {
    const std::uint64_t tail_start = kHead.size() + static_cast<Stream*>(state)->padding;
    if (position >= tail_start + kTail.size()) return MHD_CONTENT_READER_END_OF_STREAM;
    std::size_t part = 0;
    if (position < kHead.size()) {
      part = kHead.copy(buffer, room, static_cast<std::size_t>(position));
    } else if (position < tail_start) {
      part = static_cast<std::size_t>(std::min<std::uint64_t>(room, tail_start - position));
      std::memset(buffer, 'x', part);
    } else {
      part = kTail.copy(buffer, room, static_cast<std::size_t>(position - tail_start));
    }
    return static_cast<ssize_t>(part);
  }
};

// A body at so many bytes a second: a small part, a wait, the next part.
struct Trickle {
  using Clock = WaitingRoom::Clock;

  std::string body;
  std::uint64_t bytes_per_second;
  MHD_Connection* connection;
  WaitingRoom& waiting_room;
  Clock::time_point next = Clock::now();

  static ssize_t read(void* state, std::uint64_t position, char* buffer, std::size_t room) {
    return static_cast<Trickle*>(state)->read_part(position, buffer, room);
  }

  ssize_t read_part(std::uint64_t position, char* buffer, std::size_t room) {
    if (Clock::now() < next) {
      // Zero bytes and a suspended connection: the library asks again when it is woken.
      return waiting_room.wait(connection, next) ? 0 : MHD_CONTENT_READER_END_WITH_ERROR;
    }
    constexpr std::uint64_t kPartsPerSecond = 10;
    const std::uint64_t wanted = std::max<std::uint64_t>(1, bytes_per_second / kPartsPerSecond);
    const std::size_t part =
        std::min({room, static_cast<std::size_t>(wanted), body.size() - position});
    std::memcpy(buffer, body.data() + position, part);
    next = Clock::now() + std::chrono::microseconds(part * 1'000'000 / bytes_per_second);
    return static_cast<ssize_t>(part);
  }
};

template <typename Reader>
MHD_Response* response_from(std::unique_ptr<Reader> reader, std::uint64_t size) {
  constexpr auto kFree = [](void* state) { delete static_cast<Reader*>(state); };
  MHD_Response* response =
      MHD_create_response_from_callback(size, kBlock, &Reader::read, reader.get(), kFree);
  if (response != nullptr) reader.release();
  return response;
}

MHD_Response* bare_response(const Answer& answer, MHD_Connection* connection, WaitingRoom& room) {
  switch (answer.delivery) {
    case Delivery::kDrop:
      return response_from(std::make_unique<Drop>(Drop{answer.body}), answer.body.size());
    case Delivery::kStream:
      return response_from(std::make_unique<Stream>(Stream{answer.bytes}), MHD_SIZE_UNKNOWN);
    case Delivery::kTrickle:
      return response_from(
          std::make_unique<Trickle>(Trickle{answer.body, answer.bytes, connection, room}),
          answer.body.size());
    default:
      return MHD_create_response_from_buffer(
          answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  }
}

}  // namespace

Response make_response(const Answer& answer, MHD_Connection* connection, WaitingRoom& room) {
  Response response(bare_response(answer, connection, room));
  if (!response) return response;
  for (const auto& [name, value] : answer.headers) {
    MHD_add_response_header(response.get(), name.c_str(), value.c_str());
  }
  return response;
}

}  // namespace stand_in
