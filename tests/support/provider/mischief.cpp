#include "mischief.hpp"

#include <random>
#include <string>
#include <utility>

namespace stand_in {

namespace {

// Bytes that are no JSON and no UTF-8, with the odd NUL among them.
Answer garbage(int status) {
  constexpr std::size_t kLength = 4096;
  thread_local std::minstd_rand random(20'250'501);
  Answer answer;
  answer.status = status;
  answer.body.resize(kLength);
  for (char& byte : answer.body) byte = static_cast<char>(random() >> 8);
  answer.body.front() = '\xff';
  answer.add("content-type", "application/json");  // a lie, which is the point
  return answer;
}

Answer redirect(const Behaviour& behaviour) {
  Answer answer;
  answer.status = behaviour.status;
  answer.add("location", behaviour.to);
  return answer;
}

}  // namespace

bool is_mischief(Kind kind) { return kind >= Kind::kHang; }

Answer spoiled(const Behaviour& behaviour, Answer honest) {
  Answer answer = std::move(honest);
  answer.bytes = behaviour.bytes;
  switch (behaviour.kind) {
    case Kind::kGarbage:
      return garbage(behaviour.status);
    case Kind::kRedirect:
      return redirect(behaviour);
    case Kind::kDrop:
      answer.delivery = Delivery::kDrop;
      return answer;
    case Kind::kHuge:
      answer.delivery = Delivery::kStream;
      return answer;
    case Kind::kSlowBody:
      answer.delivery = Delivery::kTrickle;
      return answer;
    case Kind::kEndlessHeaders:
      answer.delivery = Delivery::kEndlessHeaders;
      return answer;
    default:
      answer.status = 0;  // the record's sign for "never answered"
      answer.delivery = Delivery::kHang;
      return answer;
  }
}

}  // namespace stand_in
