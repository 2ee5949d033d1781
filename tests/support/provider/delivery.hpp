// Turns an Answer into a response of the HTTP library.
//
// Called in a request's callback. Bodies that are made while they are sent keep their own small
// state, which the library frees with the response. Memory per answer is bounded by its block.
#pragma once

#include <memory>

#include <microhttpd.h>

#include "answer.hpp"
#include "waiting_room.hpp"

namespace stand_in {

struct ResponseDeleter {
  void operator()(MHD_Response* response) const { MHD_destroy_response(response); }
};
using Response = std::unique_ptr<MHD_Response, ResponseDeleter>;

// For kWhole, kDrop, kStream and kTrickle; the other deliveries send no response. The room must
// outlive the response. Null when the library is out of memory.
Response make_response(const Answer& answer, MHD_Connection* connection, WaitingRoom& room);

}  // namespace stand_in
