# SPDX-License-Identifier: Apache-2.0
#
# The component `sdk`: what the author of a plugin needs, and nothing more.
#
#   include/keymedic/plugins/sdk/*.h        the boundary in C, and for C++
#   include/keymedic/keymedic/v1/*.pb.h     the messages that cross it
#   lib/keymedic-plugin-sdk/                libkeymedic_proto.so to link with; the agent has its own
#   lib/cmake/KeyMedicPluginSdk/            find_package(KeyMedicPluginSdk)
#   share/keymedic-plugin-sdk/proto/        the .proto files, for other languages
#   share/doc/keymedic-plugin-sdk/examples/ two plugins, in C++ and in C
include(CMakePackageConfigHelpers)
set(sdk ${PROJECT_SOURCE_DIR}/plugins/sdk)

install(FILES ${sdk}/builtin.h ${sdk}/keymedic_plugin.h ${sdk}/plugin.h
        DESTINATION include/keymedic/plugins/sdk COMPONENT sdk)
# plugin.proto and what it imports.
foreach(message command event finding plugin section)
  install(FILES ${PROJECT_BINARY_DIR}/generated/keymedic/v1/${message}.pb.h
          DESTINATION include/keymedic/keymedic/v1 COMPONENT sdk)
endforeach()
install(TARGETS km_proto LIBRARY DESTINATION lib/keymedic-plugin-sdk COMPONENT sdk)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto/keymedic/v1 DESTINATION share/keymedic-plugin-sdk/proto/keymedic COMPONENT sdk)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/proto/google/rpc DESTINATION share/keymedic-plugin-sdk/proto/google COMPONENT sdk)
install(FILES ${sdk}/README.md ${PROJECT_SOURCE_DIR}/docs/plugin-guide.md DESTINATION share/doc/keymedic-plugin-sdk COMPONENT sdk)
install(DIRECTORY ${sdk}/examples DESTINATION share/doc/keymedic-plugin-sdk COMPONENT sdk)

set(cmake_dir lib/cmake/KeyMedicPluginSdk)
configure_package_config_file(${sdk}/KeyMedicPluginSdkConfig.cmake.in KeyMedicPluginSdkConfig.cmake
  INSTALL_DESTINATION ${cmake_dir} NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/KeyMedicPluginSdkConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/KeyMedicPluginSdkConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/KeyMedicPluginSdkConfigVersion.cmake ${sdk}/plugin_module.cmake
        DESTINATION ${cmake_dir} COMPONENT sdk)
