# SPDX-License-Identifier: Apache-2.0
#
# The plugin host and what runs it. Neither may link gRPC: the host is one process more on every
# machine, and is kept small.
km_library(plugin_facade SOURCES ${CMAKE_CURRENT_LIST_DIR}/plugin_host/plugin_handle.cc
  DEPS km_base km_proto km_plugin_sdk)
if(WIN32)
  set(of_this_system windows)
else()
  set(of_this_system posix)
endif()
km_library(plugin_host
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/plugin_host/plugin_file.cc ${CMAKE_CURRENT_LIST_DIR}/plugin_host/server.cc
  DEPS km_plugin_facade Boost::headers ${CMAKE_DL_LIBS})
km_program(keymedic-plugin-host SOURCES ${CMAKE_CURRENT_LIST_DIR}/plugin_host/main.cc
  ${CMAKE_CURRENT_LIST_DIR}/plugin_host/channel_${of_this_system}.cc ${CMAKE_CURRENT_LIST_DIR}/plugin_host/limits_${of_this_system}.cc
  DEPS km_plugin_host CLI11::CLI11)
if(NOT WIN32)
  target_link_options(keymedic-plugin-host PRIVATE -Wl,--as-needed)
endif()
km_library(plugin_runner
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/builtin_plugins.cc ${CMAKE_CURRENT_LIST_DIR}/child_process.cc
          ${CMAKE_CURRENT_LIST_DIR}/child_system_${of_this_system}.cc ${CMAKE_CURRENT_LIST_DIR}/windows_process.cc
          ${CMAKE_CURRENT_LIST_DIR}/plugin_process.cc ${CMAKE_CURRENT_LIST_DIR}/plugin_strikes.cc
  DEPS km_plugin_facade)

add_subdirectory(${PROJECT_SOURCE_DIR}/tests/fixtures/plugins ${PROJECT_BINARY_DIR}/tests/fixtures/plugins)
if(WIN32)
  set(root Z:)  # where Wine, which runs these, shows this system
endif()
foreach(test plugin_host plugin_process)
  km_test(${test}_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/${test}_test.cc
    DEPS km_plugin_runner km_plugin_host km_fixture_echo_builtin km_rights_testing LABELS sanitize threads)
  target_compile_definitions(${test}_test PRIVATE
    PLUGIN_HOST="${root}$<TARGET_FILE:keymedic-plugin-host>" PLUGIN_FIXTURES="${root}${PROJECT_BINARY_DIR}/tests/plugins")
  add_dependencies(${test}_test keymedic-plugin-host plugin_fixtures)
endforeach()
km_test(plugin_strikes_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/child_process_test.cc ${CMAKE_CURRENT_LIST_DIR}/plugin_strikes_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/windows_process_test.cc
  DEPS km_plugin_runner
  LABELS sanitize)
