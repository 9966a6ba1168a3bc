# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

# Fails unless the example, less its licence lines, stands in README.md.
file(READ ${EXAMPLE} example)
file(READ ${README} readme)
string(REGEX REPLACE "^(//[^\n]*\n)+\n" "" example "${example}")
string(FIND "${readme}" "${example}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "README.md does not show ${EXAMPLE} as it is")
endif()
