// SPDX-License-Identifier: Apache-2.0
// Holds the precompiled header of everything that includes gRPC; has no code of its own.
