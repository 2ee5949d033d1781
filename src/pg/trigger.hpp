// What a trigger function of ours is called with.
#pragma once

#include <string>

#include "core/error.hpp"
#include "pg/args.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "commands/trigger.h"
#include "utils/rel.h"
}

namespace keypool::pg {

// `function` is its name in the schema keypool. Throws kInvalidArgument outside of a trigger.
inline const TriggerData& trigger_data(const Args& args, const char* function) {
  if (CALLED_AS_TRIGGER(args.call_info())) [[likely]]
    return *reinterpret_cast<const TriggerData*>(args.call_info()->context);
  throw core::Error(core::ErrorCode::kInvalidArgument,
                    std::string("keypool.") + function + " can only be called as a trigger");
}

}  // namespace keypool::pg
