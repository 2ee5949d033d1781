// What a trigger function is called with that takes the rows of one of our tables apart.
//
// Whoever may execute such a function may put it on a table of his own, whose columns are not what
// the function takes them for: an int read as a text brings the server down. So it is refused
// there. Throws kInvalidArgument, also outside of a trigger.
#pragma once

#include <string>

#include "core/error.hpp"
#include "pg/args.hpp"
#include "pg/trigger.hpp"
#include "store/catalog.hpp"

#include "pg/postgres.hpp"

namespace keypool::api {

// `function` is its name in the schema keypool, where only the owner of our tables can make any.
inline const TriggerData& own_trigger(const pg::Args& args, const char* function) {
  const TriggerData& trigger = pg::trigger_data(args, function);
  if (RelationGetNamespace(trigger.tg_relation) == store::catalog().schema) [[likely]]
    return trigger;
  throw core::Error(
      core::ErrorCode::kInvalidArgument,
      std::string("keypool.") + function + " can only be a trigger of the table it was made for");
}

}  // namespace keypool::api
