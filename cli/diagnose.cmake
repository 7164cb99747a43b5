# SPDX-License-Identifier: Apache-2.0
# `keymedic diagnose`: included by cli/CMakeLists.txt.
find_package(nlohmann_json REQUIRED)
km_library(cli_diagnose SOURCES ${CMAKE_CURRENT_LIST_DIR}/diagnose.cc
  DEPS km_cli_view km_kms nlohmann_json::nlohmann_json)
km_test(cli_diagnose_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/diagnose_test.cc DEPS km_cli_diagnose)
