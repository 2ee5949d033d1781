// The control API: a test tells the stand-in how to behave and reads what it saw.
//
// Paths under /control/ on the providers' own port; tests/support/README.md is its description.
// A request it does not understand gets 400 with the reason. Safe from any thread.
#pragma once

#include "answer.hpp"
#include "receiver.hpp"
#include "record.hpp"
#include "request.hpp"
#include "script.hpp"

namespace stand_in {

class Control {
 public:
  Control(Script& script, Record& record, Receiver& receiver)
      : script_(script), record_(record), receiver_(receiver) {}

  static bool owns(std::string_view path) { return path.starts_with("/control/"); }

  Answer answer(const Request& request);

 private:
  Answer answer_keys(const Request& request);
  Answer answer_record(const Request& request);
  Answer answer_hooks(const Request& request);
  void write_script(const nlohmann::json& order);

  Script& script_;
  Record& record_;
  Receiver& receiver_;
};

}  // namespace stand_in
