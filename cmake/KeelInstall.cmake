# SPDX-FileCopyrightText: The Keel authors
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
include(CMakePackageConfigHelpers)

set(keel_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/keel)
set(keel_installed keel keel_x86_64)
# Headers without a target that implements them stay at home.
set(keel_headers_left_out PATTERN vmm EXCLUDE)
set_target_properties(keel_x86_64 PROPERTIES EXPORT_NAME x86_64)
if(KEEL_BACKENDS)
  # Exported by themselves, since what they need is needed by nothing else.
  set_target_properties(keel_backends PROPERTIES EXPORT_NAME backends)
  install(TARGETS keel_backends EXPORT keel-backends-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT keel-backends-targets NAMESPACE keel:: DESTINATION ${keel_cmake_dir})
else()
  list(APPEND keel_headers_left_out PATTERN backends EXCLUDE)
endif()
if(KEEL_VMM)
  list(APPEND keel_installed keel_kvm)
  set_target_properties(keel_kvm PROPERTIES EXPORT_NAME kvm)
else()
  list(APPEND keel_headers_left_out PATTERN kvm EXCLUDE)
endif()
install(TARGETS ${keel_installed} EXPORT keel-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/keel DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} ${keel_headers_left_out})
install(EXPORT keel-targets NAMESPACE keel:: DESTINATION ${keel_cmake_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/keel-config.cmake.in ${PROJECT_BINARY_DIR}/keel-config.cmake
  INSTALL_DESTINATION ${keel_cmake_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/keel-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/keel-config.cmake ${PROJECT_BINARY_DIR}/keel-config-version.cmake
  DESTINATION ${keel_cmake_dir})
# Relative, so that the installed tree can be moved.
file(RELATIVE_PATH KEEL_LIBDIR_TO_INCLUDEDIR ${CMAKE_INSTALL_FULL_LIBDIR} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(${PROJECT_SOURCE_DIR}/cmake/keel.pc.in ${PROJECT_BINARY_DIR}/keel.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/keel.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
