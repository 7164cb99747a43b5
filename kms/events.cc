// SPDX-License-Identifier: Apache-2.0
#include "kms/events.h"
