# SPDX-License-Identifier: Apache-2.0
#
# Programs for 64-bit Windows, made on Linux. `-DKEYMEDIC_SYSROOT=DIR` names what packaging/windows/sysroot made.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
# Windows 8.1 and Server 2012 R2: what every call here must find there.
set(KEYMEDIC_WINVER 0x0603)

set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)

list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES KEYMEDIC_SYSROOT)
set(CMAKE_FIND_ROOT_PATH ${KEYMEDIC_SYSROOT} /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# Beside it lies the import library of a DLL, which would be found first.
set(ZLIB_LIBRARY /usr/x86_64-w64-mingw32/lib/libz.a CACHE FILEPATH "")
# One file is one program: no DLL of a compiler lies beside it.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")
set(CMAKE_MODULE_LINKER_FLAGS_INIT "-static")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-static")
# Static archives name what they need of the system only by symbols, so these come last.
set(system_libraries "-lws2_32 -lcrypt32 -ldbghelp -lbcrypt -liphlpapi -ladvapi32 -lole32 -loleaut32 -luuid -luser32")
set(CMAKE_C_STANDARD_LIBRARIES "${system_libraries}" CACHE STRING "")
set(CMAKE_CXX_STANDARD_LIBRARIES "${system_libraries}" CACHE STRING "")

# Tests are run where they are built.
set(CMAKE_CROSSCOMPILING_EMULATOR ${CMAKE_CURRENT_LIST_DIR}/../../tests/windows/wine)
