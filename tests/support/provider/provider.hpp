// The stand-in's judgement: which answer a request to a provider gets, and what is noted about it.
//
// Called by the server from any thread; its parts lock themselves. It never throws for anything a
// request may contain, only std::bad_alloc.
#pragma once

#include "answer.hpp"
#include "dialect.hpp"
#include "record.hpp"
#include "request.hpp"
#include "script.hpp"

namespace stand_in {

class Provider {
 public:
  Provider(Script& script, Record& record) : script_(script), record_(record) {}

  Answer answer(const Request& request);

 private:
  Answer answer_redirected(const Request& request);
  Answer answer_call(const Call& call);
  void note_violations(const Call& call, const Sighting& sighting);

  Script& script_;
  Record& record_;
};

}  // namespace stand_in
