// SPDX-License-Identifier: Apache-2.0
// Holds a precompiled header; has no code of its own.
