// Reads a list of arguments, as text, for the secrets in it.
//
// The quoting is found out by trying: a call may stand in a literal, where its own quotes are
// doubled, or in a literal of that, and what is around it may be cut off.
// Pure: any thread, no lock; throws nothing but std::bad_alloc.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "core/secret_call.hpp"

namespace keypool::core {

// Adds what the arguments tell, from `at`, behind the opening parenthesis, to the closing one.
void read_secret_arguments(std::string_view text, std::size_t at,
                           std::span<const SecretPlace> places, bool backslash_escapes,
                           SecretCalls& found);

// The same for the rest of the statement at `at`: every literal and parameter in it is secret.
void read_secret_statement(std::string_view text, std::size_t at, bool backslash_escapes,
                           SecretCalls& found);

}  // namespace keypool::core
