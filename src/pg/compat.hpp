// Where servers 15 to 18 differ. The only file that may look at PG_VERSION_NUM.
//
// A difference that can be tested as a feature (a header that exists, a macro that is defined) is
// tested as one: a shim keyed on the major version breaks when a minor release backports.
// Included by postgres.hpp alone, right after postgres.h.
#pragma once

#if PG_VERSION_NUM < 150000
#error "pg_keypool needs PostgreSQL 15 or newer"
#endif

// Since 16 the varlena macros live in a header of their own, which postgres.h no longer includes.
#if __has_include("varatt.h")
#include "varatt.h"
#endif

// Up to 15 PGDLLEXPORT is empty outside Windows, which under -fvisibility=hidden hides the magic
// block and every SQL function. Later servers define it exactly so.
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))

// Since 16 an update of a row says which indexes are to follow it, not only whether they are.
#if PG_VERSION_NUM >= 160000
#define KEYPOOL_UPDATED_INDEXES TU_UpdateIndexes
#else
#define KEYPOOL_UPDATED_INDEXES bool
#endif

// A number for each process that may run SQL, from 0 to below MaxBackends. Since 17 processes are
// numbered from 0, before that backends from 1.
#if __has_include("storage/procnumber.h")
extern "C" {
#include "storage/procnumber.h"
}
namespace keypool::pg {
inline int process_number() noexcept { return MyProcNumber; }
}  // namespace keypool::pg
#else
extern "C" {
#include "storage/backendid.h"
}
namespace keypool::pg {
inline int process_number() noexcept { return MyBackendId - 1; }
}  // namespace keypool::pg
#endif
