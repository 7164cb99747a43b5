# SPDX-License-Identifier: Apache-2.0
# `keymedic diagnose`: included by cli/CMakeLists.txt.
km_library(cli_archive SOURCES archive.cc bundle.cc
  DEPS km_kms PkgConfig::LIBARCHIVE nlohmann_json::nlohmann_json)
km_library(cli_diagnose SOURCES ${CMAKE_CURRENT_LIST_DIR}/diagnose.cc inputs.cc
  DEPS km_cli_view km_cli_archive km_kms nlohmann_json::nlohmann_json)
km_test(cli_archive_test SOURCES archive_test.cc bundle_test.cc inputs_test.cc DEPS km_cli_diagnose
  LABELS sanitize)   # archives are what strangers packed
km_test(cli_diagnose_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/diagnose_test.cc DEPS km_cli_diagnose)
