# SPDX-License-Identifier: Apache-2.0
#
# How everything here is built: the options, the libraries of the system, and the four functions
# that the folders use.
#
#   km_library(name SOURCES ... [DEPS ...] [GRPC])   static library km_<name>
#   km_program(name SOURCES ... [DEPS ...] [GRPC] [UNITY])   program <name> in build/<preset>/bin
#   km_test(name SOURCES ... [DEPS ...] [GRPC] [SLOW] [LABELS ...])  GoogleTest program, registered with ctest
#   km_python_test(name script [ARGS ...] LABELS ... [TIMEOUT seconds])   script run by Debian's Python, registered so
#
# UNITY: its files are compiled some at a time, as each spends most of its time on the same large headers.
# GRPC: the target includes gRPC headers; it then shares one precompiled header with the others.
# SLOW: it takes up to minutes, here or under sanitizers, and begins before the others.
# LABELS: `sanitize`, its subject handles memory by hand or input from outside, and `threads`, it has
# threads of its own; the targets sanitize_tests and threads_tests build these and no others.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
# Programs are compiled as libraries are: a precompiled header serves only one of -fPIC and -fPIE.
set(CMAKE_CXX_COMPILE_OPTIONS_PIE ${CMAKE_CXX_COMPILE_OPTIONS_PIC})
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
if(WIN32)
  # Programs for Windows travel in one package: what nothing calls stays out of them.
  add_compile_options(-ffunction-sections -fdata-sections)
  add_link_options(-Wl,--gc-sections)
  # A file laid out as memory is mapped, not read; Windows maps any, Wine copies the others.
  add_link_options(-Wl,--file-alignment=4096)
  add_compile_definitions(_WIN32_WINNT=${KEYMEDIC_WINVER} UNICODE _UNICODE NOMINMAX WIN32_LEAN_AND_MEAN)
endif()

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

set(KEYMEDIC_SANITIZE "" CACHE STRING "sanitizers, as for -fsanitize=: address,undefined or thread; with
fuzzer-no-link, for which clang is needed, the fuzz targets are built too")
if(KEYMEDIC_SANITIZE)
  # clang takes three times as long to optimise what it instruments, and gains the tests less.
  set(sanitized_options -g1)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    list(APPEND sanitized_options -O1)
  endif()
  # Without recovery: a test in which undefined behaviour is seen fails.
  add_compile_options(-fsanitize=${KEYMEDIC_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer ${sanitized_options})
  add_link_options(-fsanitize=${KEYMEDIC_SANITIZE})
  if(KEYMEDIC_SANITIZE MATCHES thread)
    # Protocol Buffers lay out a map with two members more where they see this macro: their library,
    # built without, would then read another map than ours wrote.
    add_compile_options(-U__SANITIZE_THREAD__ -DKEYMEDIC_THREAD_SANITIZER)
  endif()
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # The precompiled header changes with each build; ccache must look past its time stamp.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
endif()

include(${CMAKE_CURRENT_LIST_DIR}/dependencies.cmake)

add_library(km_options INTERFACE)
target_include_directories(km_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_options(km_options INTERFACE -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers)
target_compile_definitions(km_options INTERFACE BOOST_DLL_USE_STD_FS KEYMEDIC_VERSION="${PROJECT_VERSION}")
target_link_libraries(km_options INTERFACE Threads::Threads)

# What nearly every file includes is compiled once: without it each takes two seconds more, one that
# knows our messages four, a test with gMock four, what includes gRPC seven. A file still includes what
# it uses; a build with -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON shows whether it does.
set(common_headers
    <absl/container/btree_map.h> <absl/container/flat_hash_map.h> <absl/status/statusor.h> <absl/strings/str_cat.h>
    <absl/strings/str_join.h> <absl/strings/str_split.h> <absl/time/time.h> <algorithm> <functional> <map> <memory>
    <optional> <set> <string> <vector>)
file(GLOB messages RELATIVE ${PROJECT_SOURCE_DIR}/proto CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/proto/keymedic/v1/*.proto)
list(TRANSFORM messages REPLACE "(.*)\\.proto$" "<\\1.pb.h>")
set(services ${messages})
list(FILTER services INCLUDE REGEX "_service\\.pb\\.h>$")
list(FILTER messages EXCLUDE REGEX "_service\\.pb\\.h>$")
list(TRANSFORM services REPLACE "\\.pb\\.h>$" ".grpc.pb.h>")
function(km_precompiled name)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "" "HEADERS;DEPS;OPTIONS")
  add_library(km_${name}_pch STATIC ${PROJECT_SOURCE_DIR}/cmake/precompiled.cc)
  target_link_libraries(km_${name}_pch PUBLIC km_options km_proto absl::statusor absl::strings absl::time ${A_DEPS})
  target_compile_options(km_${name}_pch PRIVATE ${A_OPTIONS})
  target_precompile_headers(km_${name}_pch PRIVATE ${A_HEADERS} ${common_headers} ${messages})
endfunction()
# What tests do themselves need not be fast: a third of their time to compile goes.
set(test_options)
if(NOT KEYMEDIC_SANITIZE)
  set(test_options -Og)
endif()
set(test_headers <gmock/gmock.h> <gtest/gtest.h>)
set(grpc_libraries km_proto_grpc PkgConfig::GRPCPP)
km_precompiled(plain)
km_precompiled(test HEADERS ${test_headers} DEPS GTest::gmock OPTIONS ${test_options})
km_precompiled(grpc HEADERS <grpcpp/grpcpp.h> ${services} DEPS ${grpc_libraries})
km_precompiled(test_grpc HEADERS ${test_headers} <grpcpp/grpcpp.h> ${services} DEPS GTest::gmock ${grpc_libraries} OPTIONS ${test_options})

add_custom_target(sanitize_tests)
add_custom_target(threads_tests)
set(sanitizer_environment "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp:second_deadlock_stack=1"
    "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1" "UBSAN_OPTIONS=print_stacktrace=1")
# What tests know of this build.
set(test_environment KEYMEDIC_SOURCE_DIR=${PROJECT_SOURCE_DIR} KEYMEDIC_BIN_DIR=${CMAKE_BINARY_DIR}/bin
    ${sanitizer_environment})
# Debian's own: it has Debian's modules, the first on the PATH may have none.
find_program(DEBIAN_PYTHON python3 PATHS /usr/bin REQUIRED NO_DEFAULT_PATH)
# What each program is linked with beside its own.
set(program_parts)
if(KEYMEDIC_SANITIZE MATCHES thread)
  add_library(km_abseil_under_tsan OBJECT ${PROJECT_SOURCE_DIR}/cmake/abseil_under_tsan.cc)
  set_target_properties(km_abseil_under_tsan PROPERTIES CXX_VISIBILITY_PRESET default)
  set(program_parts $<TARGET_OBJECTS:km_abseil_under_tsan>)
endif()

function(_km_setup target)
  cmake_parse_arguments(PARSE_ARGV 1 A "GRPC;GTEST;SLOW;UNITY" "" "SOURCES;DEPS;LABELS")
  target_link_libraries(${target} PUBLIC km_options ${A_DEPS})
  if(A_GTEST)
    target_compile_options(${target} PRIVATE ${test_options})
  endif()
  if(A_GRPC)
    target_link_libraries(${target} PUBLIC PkgConfig::GRPCPP)
  endif()
  if(A_GTEST AND A_GRPC)
    target_precompile_headers(${target} REUSE_FROM km_test_grpc_pch)
  elseif(A_GTEST)
    target_precompile_headers(${target} REUSE_FROM km_test_pch)
  elseif(A_GRPC)
    target_precompile_headers(${target} REUSE_FROM km_grpc_pch)
  else()
    target_precompile_headers(${target} REUSE_FROM km_plain_pch)
  endif()
endfunction()

function(km_library name)
  cmake_parse_arguments(PARSE_ARGV 1 A "GRPC" "" "SOURCES;DEPS")
  add_library(km_${name} STATIC ${A_SOURCES})
  _km_setup(km_${name} ${ARGN})
endfunction()

function(km_program name)
  cmake_parse_arguments(PARSE_ARGV 1 A "GRPC;UNITY" "" "SOURCES;DEPS")
  add_executable(${name} ${A_SOURCES} ${program_parts})
  _km_setup(${name} ${ARGN})
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${A_UNITY} UNITY_BUILD_BATCH_SIZE 5)
endfunction()

function(km_test name)
  cmake_parse_arguments(PARSE_ARGV 1 A "GRPC;SLOW" "" "SOURCES;DEPS;LABELS")
  add_executable(${name} ${A_SOURCES} ${program_parts})
  _km_setup(${name} GTEST ${ARGN})
  target_link_libraries(${name} PRIVATE GTest::gmock_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 LABELS "${A_LABELS}" ENVIRONMENT
    "${test_environment};WINEPREFIX=${CMAKE_BINARY_DIR}/wine")
  if(A_SLOW)
    set_tests_properties(${name} PROPERTIES COST 100)
  endif()
  if(WIN32)
    set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED wine)
  endif()
  if(A_GRPC)
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp")
  endif()
  foreach(label sanitize threads)
    if(label IN_LIST A_LABELS)
      add_dependencies(${label}_tests ${name})
    endif()
  endforeach()
endfunction()

function(km_python_test name script)
  cmake_parse_arguments(PARSE_ARGV 2 A "" "TIMEOUT" "ARGS;LABELS")
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND ${DEBIAN_PYTHON} -B ${CMAKE_CURRENT_SOURCE_DIR}/${script} ${A_ARGS})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${A_TIMEOUT} LABELS "${A_LABELS}" ENVIRONMENT "${test_environment}")
endfunction()
