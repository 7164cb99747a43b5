# SPDX-License-Identifier: Apache-2.0
#
# cmake -DINPUT=table.csv -DOUTPUT=table.inc -P embed_csv.cmake
#
# Turns a table into a C++ raw string literal. Long tables become several adjacent literals, cut at
# line ends: compilers limit the length of one literal, not of what adjacent ones add up to.
file(READ "${INPUT}" rest)
set(piece_limit 15000)
set(literal "")
string(LENGTH "${rest}" length)
while(length GREATER piece_limit)
  string(SUBSTRING "${rest}" 0 ${piece_limit} piece)
  string(FIND "${piece}" "\n" cut REVERSE)
  if(cut EQUAL -1)
    message(FATAL_ERROR "${INPUT}: a line is longer than ${piece_limit} bytes; shorten it")
  endif()
  math(EXPR cut "${cut} + 1")
  string(SUBSTRING "${rest}" 0 ${cut} piece)
  string(SUBSTRING "${rest}" ${cut} -1 rest)
  string(APPEND literal "R\"km_csv(${piece})km_csv\"\n")
  string(LENGTH "${rest}" length)
endwhile()
string(APPEND literal "R\"km_csv(${rest})km_csv\"\n")
file(WRITE "${OUTPUT}" "${literal}")
