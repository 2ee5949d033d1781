// Answers no provider means to give: broken connections, garbage, floods, redirects.
//
// Takes the honest answer and spoils it. Pure; safe from any thread.
#pragma once

#include "answer.hpp"
#include "behaviour.hpp"

namespace stand_in {

bool is_mischief(Kind kind);

// `honest` is what a well key would have got: some kinds send part of it.
Answer spoiled(const Behaviour& behaviour, Answer honest);

}  // namespace stand_in
