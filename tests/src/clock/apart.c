/* Preloaded into a process: the time of day is off by CLOCK_APART_SECONDS. Monotonic clocks run as ever. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    const char *apart = getenv("CLOCK_APART_SECONDS");
    if (result == 0 && id == CLOCK_REALTIME && apart)
        now->tv_sec += atol(apart);
    return result;
}
