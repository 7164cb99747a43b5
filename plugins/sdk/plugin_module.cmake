# SPDX-License-Identifier: Apache-2.0
#
# What makes a library a loadable plugin, here and for those who have only the SDK's package.

# Nothing but the entry points leaves a module, and it asks only for libraries that it uses.
function(km_plugin_module target)
  set_target_properties(${target} PROPERTIES PREFIX "")
  if(WIN32)
    # A DLL exports what is declared so. Each has runtimes of its own, and what none of it needs stays out.
    target_link_options(${target} PRIVATE -Wl,--exclude-all-symbols)
  else()
    target_link_options(${target} PRIVATE -Wl,--exclude-libs,ALL -Wl,--as-needed)
  endif()
endfunction()
