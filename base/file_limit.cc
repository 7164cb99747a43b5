// SPDX-License-Identifier: Apache-2.0
#include "base/file_limit.h"

#include <sys/resource.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace keymedic {

absl::Status RaiseFileLimit(uint64_t wanted) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return absl::OkStatus();
  // Only root may have more than the hard limit.
  const rlimit all = {wanted, std::max<rlim_t>(limit.rlim_max, wanted)};
  if (setrlimit(RLIMIT_NOFILE, &all) == 0) return absl::OkStatus();
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return absl::ResourceExhaustedError(absl::StrCat(
      wanted, " files and connections have to be open at the same time, and ", limit.rlim_max,
      " may be; raise the limit: `ulimit -Hn ", wanted, "`, or LimitNOFILE= of the service"));
}

}  // namespace keymedic
