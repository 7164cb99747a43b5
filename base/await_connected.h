// SPDX-License-Identifier: Apache-2.0
//
// Part of x509_fetch.cc that each system does in its own way.
#ifndef KEYMEDIC_BASE_AWAIT_CONNECTED_H_
#define KEYMEDIC_BASE_AWAIT_CONNECTED_H_

#include "absl/time/time.h"

namespace keymedic {

// Until the connection that a non-blocking `socket` has begun is there or has failed. False: not
// before the deadline.
bool AwaitConnected(int socket, absl::Time deadline);

}  // namespace keymedic

#endif  // KEYMEDIC_BASE_AWAIT_CONNECTED_H_
