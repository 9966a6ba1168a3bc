# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

# Fails unless the example, less its licence lines, stands in README.md, and is short.
file(READ ${EXAMPLE} example)
file(READ ${README} readme)
string(REGEX REPLACE "^(//[^\n]*\n)+\n" "" example "${example}")
string(FIND "${readme}" "${example}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "README.md does not show ${EXAMPLE} as it is")
endif()
string(REPLACE ";" "" example "${example}")  # which would part a list
string(REGEX MATCHALL "[^\n]*[a-z][^\n]*\n" lines "${example}")
list(LENGTH lines count)
if(count GREATER 12)
  message(FATAL_ERROR "${EXAMPLE} has ${count} lines of code; README.md is to show about ten")
endif()
