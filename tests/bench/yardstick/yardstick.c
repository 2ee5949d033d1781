// What script/bench holds pick_key against: a C function that returns a constant text, and the CPU
// time of this server process. Not installed: bench.sql names the library by its path.
#include "postgres.h"

#include <time.h>

#include "fmgr.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(constant_text);
PG_FUNCTION_INFO_V1(cpu_ns);

// constant_text(text) → text: as long as an API key, and nothing is done to get it.
Datum constant_text(PG_FUNCTION_ARGS) {
  PG_RETURN_TEXT_P(cstring_to_text("sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLaB3d"));
}

// cpu_ns() → bigint: nanoseconds of CPU that this process has used. Unlike the clock on the wall it
// stands still while somebody else has the processor.
Datum cpu_ns(PG_FUNCTION_ARGS) {
  struct timespec used;
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0) {
    ereport(ERROR, (errmsg("could not read the CPU time of this process: %m")));
  }
  PG_RETURN_INT64((int64)used.tv_sec * 1000000000 + used.tv_nsec);
}
