#include "pg/regex.hpp"

#include "core/secret.hpp"
#include "pg/guard.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "catalog/pg_collation_d.h"
#include "mb/pg_wchar.h"
#include "regex/regex.h"
}

namespace keypool::pg {

bool regex_matches(std::string_view pattern, std::string_view text) {
  core::Secret wide(text.size() * sizeof(pg_wchar));
  auto* letters = reinterpret_cast<pg_wchar*>(wide.data());
  for (std::size_t i = 0; i < text.size(); ++i) {
    letters[i] = static_cast<unsigned char>(text[i]);
  }
  const std::size_t size = text.size();
  return call([=] {
    auto* source = cstring_to_text_with_len(pattern.data(), static_cast<int>(pattern.size()));
    // The C collation: a class like [a-z] means the same in every database.
    regex_t* compiled = RE_compile_and_cache(source, REG_ADVANCED, C_COLLATION_OID);
    const int outcome = pg_regexec(compiled, letters, size, 0, nullptr, 0, nullptr, 0);
    if (outcome == REG_OKAY || outcome == REG_NOMATCH) return outcome == REG_OKAY;
    CHECK_FOR_INTERRUPTS();
    char reason[100];
    pg_regerror(outcome, compiled, reason, sizeof(reason));
    ereport(ERROR, (errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
                    errmsg("regular expression failed: %s", reason)));
    pg_unreachable();
  });
}

}  // namespace keypool::pg
