// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>

#include "absl/base/config.h"
#include "agent/plugin_host/limits.h"

namespace keymedic::agent {
namespace {

void SetLimit(decltype(RLIMIT_AS) resource, rlim_t soft) {
  rlimit limit{};
  getrlimit(resource, &limit);
  limit.rlim_cur = std::min(soft, limit.rlim_max);
  setrlimit(resource, &limit);
}

}  // namespace

void LimitMemory(uint64_t megabytes) {
  SetLimit(RLIMIT_CORE, 0);
  if (megabytes == 0) return;
#if defined(ABSL_HAVE_ADDRESS_SANITIZER) || defined(KEYMEDIC_THREAD_SANITIZER)
  std::fprintf(stderr, "keymedic-plugin-host: no memory limit in a build with sanitizers\n");
#else
  SetLimit(RLIMIT_AS, megabytes << 20);
#endif
}

void LimitCpuOfNextCall(uint64_t seconds) {
  if (seconds == 0) return;
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  SetLimit(RLIMIT_CPU, used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1 + seconds);
}

}  // namespace keymedic::agent
