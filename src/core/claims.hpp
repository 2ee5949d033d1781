// The claims of a JSON Web Token, as PostgREST passes them on: whom do they speak of?
//
// Only that is read. The token was verified by whoever set the claims; whether he may be believed
// is for the caller to know. Pure; throws kInvalidArgument, which never quotes the claims, and
// std::bad_alloc.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace keypool::core {

inline constexpr std::size_t kMostClaimsBytes = 64 * 1024;

// The claim "sub" of a JSON object in UTF-8. Nothing: there is none, it is null or empty, or the
// text is empty. What is no object, or has a subject that cannot be a user's id, is refused.
std::optional<std::string> subject_of(std::string_view claims);

}  // namespace keypool::core
