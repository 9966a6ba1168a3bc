# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

# An installed library must link with another compiler than the one that made it: machine code beside g++'s bytecode.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(CMAKE_CXX_COMPILE_OPTIONS_IPO -flto=auto -ffat-lto-objects)
endif()

# Flags for every target of this project; none of them reach those who link the library.
function(keel_configure target)
  target_compile_features(${target} PUBLIC cxx_std_23)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
    -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast -Wcast-align
    $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety> $<$<BOOL:${KEEL_WERROR}>:-Werror>
    -ffunction-sections -fdata-sections)
  if(KEEL_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${KEEL_SANITIZE} -fno-omit-frame-pointer
      -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${KEEL_SANITIZE})
  endif()
endfunction()

# For what runs once per machine, or around system calls that cost a hundred times as much: in a release build, small
# code before fast code. A VMM's own code is most of the memory that it holds beyond its guest's.
function(keel_keep_small)
  foreach(target ${ARGN})
    target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-Os>)
  endforeach()
endfunction()

# keel_optimise(LEVEL PATTERN…): how a release build compiles files of the target made in this directory, whatever level
# the others have.
function(keel_optimise level)
  file(GLOB sources CONFIGURE_DEPENDS ${ARGN})
  set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:${level}>)
endfunction()

# keel_unit_test(NAME sources... [LIBRARIES libs...]): one GoogleTest program, labelled `unit`.
function(keel_unit_test name)
  cmake_parse_arguments(arg "" "" "LIBRARIES;LABELS" ${ARGN})
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  keel_configure(${name})
  target_link_libraries(${name} PRIVATE keel::keel ${arg_LIBRARIES} GTest::gmock_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300)
endfunction()
