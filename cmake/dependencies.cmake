# SPDX-License-Identifier: Apache-2.0
#
# The libraries of others, by the same target names on each system.
find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(absl REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(GTest REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

if(WIN32)
  # The sysroot of packaging/windows/sysroot: static libraries with CMake packages, and headers.
  find_package(Protobuf 3.21 CONFIG REQUIRED)
  find_package(gRPC CONFIG REQUIRED)
  # protoc runs here, not there.
  find_program(PROTOC protoc REQUIRED)
  add_executable(protobuf::protoc IMPORTED)
  set_target_properties(protobuf::protoc PROPERTIES IMPORTED_LOCATION ${PROTOC})
  foreach(library Boost::headers CLI11::CLI11 nlohmann_json::nlohmann_json PkgConfig::TOMLPP spdlog::spdlog
          PkgConfig::GRPCPP PkgConfig::CARES PkgConfig::LIBARCHIVE)
    add_library(${library} INTERFACE IMPORTED)
  endforeach()
  target_compile_definitions(spdlog::spdlog INTERFACE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY)
  target_link_libraries(PkgConfig::GRPCPP INTERFACE gRPC::grpc++)
  target_link_libraries(PkgConfig::CARES INTERFACE c-ares::cares_static)
  find_library(LIBARCHIVE archive REQUIRED)
  find_package(ZLIB REQUIRED)
  target_link_libraries(PkgConfig::LIBARCHIVE INTERFACE ${LIBARCHIVE} ZLIB::ZLIB)
  target_compile_definitions(PkgConfig::LIBARCHIVE INTERFACE LIBARCHIVE_STATIC)
  include_directories(SYSTEM ${KEYMEDIC_SYSROOT}/include)
  return()
endif()

find_package(PkgConfig REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(GRPCPP REQUIRED IMPORTED_TARGET grpc++>=1.51)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(TOMLPP REQUIRED IMPORTED_TARGET tomlplusplus)
pkg_check_modules(LIBARCHIVE REQUIRED IMPORTED_TARGET libarchive)
find_library(GRPCPP_REFLECTION grpc++_reflection REQUIRED)
