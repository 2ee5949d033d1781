#include "pg/args.hpp"

#include "pg/guard.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "utils/syscache.h"
}

namespace keypool::pg {

namespace {

// The declared name of an argument, or null. A Postgres call: only inside pg::call.
const char* argument_name(Oid function, int position) {
  HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
  if (!HeapTupleIsValid(tuple)) return nullptr;
  Oid* types = nullptr;
  char** names = nullptr;
  char* modes = nullptr;
  const int count = get_func_arg_info(tuple, &types, &names, &modes);
  ReleaseSysCache(tuple);
  return names != nullptr && position < count ? names[position] : nullptr;
}

}  // namespace

void Args::refuse_null(int position) const {
  const FmgrInfo* function = call_info_->flinfo;
  call([=] {
    const char* name = function != nullptr ? argument_name(function->fn_oid, position) : nullptr;
    if (name != nullptr) {
      ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                      errmsg("argument \"%s\" must not be null", name)));
    }
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("argument %d must not be null", position + 1)));
  });
  pg_unreachable();
}

}  // namespace keypool::pg
