/* Preloaded into a server, makes its wall clock run faster, so that a test sees whole hours go by.
 *
 * FAST_CLOCK is "base speed": at `base` (seconds since 1970, real) both clocks agree, and from then
 * on a second lasts 1/speed of one. Sleeps, timeouts and the monotonic clock stay as they are.
 * See FastClock.pm. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t base_ns;
static int64_t speed = 1;

__attribute__((constructor)) static void read_speed(void) {
  const char* text = getenv("FAST_CLOCK");
  char* rest;
  if (text == NULL) return;
  base_ns = strtoll(text, &rest, 10) * 1000000000;
  speed = strtoll(rest, NULL, 10);
}

static int is_wall_clock(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

int clock_gettime(clockid_t clock, struct timespec* at) {
  const int failed = (int)syscall(SYS_clock_gettime, clock, at);
  if (failed || !is_wall_clock(clock)) return failed;
  const int64_t real = at->tv_sec * 1000000000LL + at->tv_nsec;
  const int64_t fast = base_ns + (real - base_ns) * speed;
  at->tv_sec = fast / 1000000000;
  at->tv_nsec = fast % 1000000000;
  return 0;
}

int gettimeofday(struct timeval* restrict at, void* restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
