# SPDX-License-Identifier: Apache-2.0
#
#   km_windows_resources(target DESCRIPTION "what it is")
#
# gives a program or DLL for Windows its version, and a program its manifest: text is UTF-8, paths are long, the
# Windows that it knows. The target may be of another folder. CMake enables the language RC itself for MinGW.
set(KM_WINDOWS_RESOURCES ${CMAKE_CURRENT_LIST_DIR})

function(km_windows_resources target)
  cmake_parse_arguments(PARSE_ARGV 1 A "" "DESCRIPTION" "")
  get_target_property(type ${target} TYPE)
  if(type STREQUAL EXECUTABLE)
    set(suffix .exe)
    set(file_type VFT_APP)
    set(manifest "CREATEPROCESS_MANIFEST_RESOURCE_ID RT_MANIFEST \"${KM_WINDOWS_RESOURCES}/program.manifest\"")
  else()
    set(suffix .dll)
    set(file_type VFT_DLL)
    set(manifest "")
  endif()
  string(REPLACE . , numbers ${PROJECT_VERSION}.0)
  set(name ${target})
  set(description ${A_DESCRIPTION})
  set(made ${CMAKE_CURRENT_BINARY_DIR}/${target}_version.rc)
  configure_file(${KM_WINDOWS_RESOURCES}/version.rc.in ${made} @ONLY)
  set_source_files_properties(${made} PROPERTIES OBJECT_DEPENDS ${KM_WINDOWS_RESOURCES}/program.manifest)
  # Apart from the target, whose definitions have quotation marks that windres cannot pass on.
  add_library(${target}_version OBJECT ${made})
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_version>)
endfunction()
