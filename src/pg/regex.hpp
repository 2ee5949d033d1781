// Postgres's own regular expressions, over text that must leave no copy behind.
//
// What `text ~ pattern` does, but the wide characters the engine needs are made here and wiped
// here. `text` is ASCII. Throws PgError: 2201B for a pattern that is none.
#pragma once

#include <string_view>

namespace keypool::pg {

bool regex_matches(std::string_view pattern, std::string_view text);

}  // namespace keypool::pg
