// The HTTP server: takes requests from loopback, asks Control, Provider or Receiver, sends the
// answer.
//
// The only file, with delivery and waiting_room, that knows libmicrohttpd. Its threads call
// answer() of all three, so those lock for themselves. The constructor throws std::runtime_error
// when the port cannot be had; stop() returns promptly whatever the clients do.
#pragma once

#include <cstdint>
#include <memory>

#include "control.hpp"
#include "provider.hpp"
#include "receiver.hpp"
#include "record.hpp"
#include "request.hpp"
#include "waiting_room.hpp"

struct MHD_Daemon;

namespace stand_in {

struct Exchange;

class Server {
 public:
  // Port 0 means any free one.
  Server(std::uint16_t port, bool verbose, Control& control, Provider& provider, Receiver& receiver,
         Record& record);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  void stop();

  // Called for the library's callbacks. False closes the connection.
  bool handle(MHD_Connection* connection, const Request& request, Exchange& exchange);
  Record& record() { return record_; }

 private:
  void decide(const Request& request, Exchange& exchange);
  bool deliver(MHD_Connection* connection, Exchange& exchange);

  bool verbose_;
  Control& control_;
  Provider& provider_;
  Receiver& receiver_;
  Record& record_;
  WaitingRoom room_;
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace stand_in
