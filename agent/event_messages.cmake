# SPDX-License-Identifier: Apache-2.0
#
#   km_event_messages(name table.csv)
#
# makes <name>.dll in bin: no code, only what the event viewer of Windows shows for each number of the table
# (number,message,...). The text itself comes with the event, so one pattern serves all.
find_program(WINDMC x86_64-w64-mingw32-windmc REQUIRED)

function(km_event_messages name table)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${table})
  set(text "MessageIdTypedef=DWORD\nSeverityNames=(Success=0x0)\nFacilityNames=(None=0x0)\n\n")
  file(STRINGS ${table} rows REGEX "^[0-9]+,")
  foreach(row ${rows})
    string(REGEX REPLACE "^([0-9]+),([A-Z_]+),.*" "MessageId=\\1\nSeverity=Success\nFacility=None\nSymbolicName=\\2\nLanguage=English\n%1\n.\n\n" entry ${row})
    string(APPEND text "${entry}")
  endforeach()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.mc)
  file(GENERATE OUTPUT ${source} CONTENT "${text}")
  set(made ${CMAKE_CURRENT_BINARY_DIR}/${name})
  add_custom_command(OUTPUT ${made}.rc
    COMMAND ${WINDMC} -h ${CMAKE_CURRENT_BINARY_DIR} -r ${CMAKE_CURRENT_BINARY_DIR} ${source}
    DEPENDS ${source} COMMENT "windmc ${name}")
  add_library(${name} SHARED ${made}.rc)
  set_target_properties(${name} PROPERTIES PREFIX "" LINKER_LANGUAGE C)
  target_link_options(${name} PRIVATE -nostdlib -Wl,--entry=0)
endfunction()
