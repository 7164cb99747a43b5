# SPDX-License-Identifier: Apache-2.0
# @summary What a plan may name as targets; here names alone.
type Boltlib::TargetSpec = Variant[String[1], Array[String[1]]]
