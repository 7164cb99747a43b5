# SPDX-License-Identifier: Apache-2.0
# `keymedic diagnose`: included by cli/CMakeLists.txt.
find_package(nlohmann_json REQUIRED)
set(cli_dir ${CMAKE_CURRENT_LIST_DIR})
if(NOT TARGET km_cli_terminal)
  km_library(cli_terminal SOURCES ${cli_dir}/terminal.cc DEPS km_proto absl::strings)
endif()
km_library(cli_diagnose SOURCES ${cli_dir}/diagnose.cc
  DEPS km_cli_terminal km_kms nlohmann_json::nlohmann_json)
km_test(cli_diagnose_test SOURCES ${cli_dir}/diagnose_test.cc DEPS km_cli_diagnose)
