// The masked form of a secret, for people: `sk-proj-…aB3d`.
//
// Meant for tables, views and messages; anyone may call it. It keeps a provider's public prefix and
// up to four characters of the end, never more than a third of the secret, and at least twelve
// characters stay hidden. Throws only std::bad_alloc.
#pragma once

#include <string>
#include <string_view>

namespace keypool::core {

std::string hint_of(std::string_view secret);

}  // namespace keypool::core
