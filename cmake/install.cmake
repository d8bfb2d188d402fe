# What `cmake --install` lays down: headers, both libraries, efme.pc, the package files of find_package(efme), examples and
# models. Nothing holds the prefix, so that the tree may be moved.
include(CMakePackageConfigHelpers)
set(_cmakedir ${CMAKE_INSTALL_LIBDIR}/cmake/efme)

install(TARGETS efme_shared EXPORT efme-shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS efme_static EXPORT efme-static ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/efme DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

string(REPLACE ";" " " EFME_PC_REQUIRES "${EFME_REQUIRES}") # for efmeConfig.cmake and efme.pc

# Two export sets: a program that links the shared library needs nothing of the static one's.
install(EXPORT efme-shared NAMESPACE efme:: DESTINATION ${_cmakedir})
install(EXPORT efme-static NAMESPACE efme:: DESTINATION ${_cmakedir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/efmeConfig.cmake.in efmeConfig.cmake INSTALL_DESTINATION ${_cmakedir}
  PATH_VARS EFME_MODULE_SUBDIR EFME_MODEL_SUBDIR NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Until 1.0 a minor version may break, so 0.2 does not satisfy a wish for 0.1.
write_basic_package_version_file(efmeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/efmeConfig.cmake ${PROJECT_BINARY_DIR}/efmeConfigVersion.cmake DESTINATION ${_cmakedir})

# efme.pc finds its prefix from where it lies itself.
file(RELATIVE_PATH EFME_PC_PREFIX /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
string(REGEX REPLACE "/$" "" EFME_PC_PREFIX "${EFME_PC_PREFIX}")
set(EFME_PC_LIBS "-lm")
foreach(_lib ${CMAKE_DL_LIBS} ${CMAKE_THREAD_LIBS_INIT})
  if(NOT _lib MATCHES "^-")
    set(_lib -l${_lib})
  endif()
  string(APPEND EFME_PC_LIBS " ${_lib}")
endforeach()
configure_file(${PROJECT_SOURCE_DIR}/pkgconfig/efme.pc.in efme.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/efme.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Both folders exist even when empty: efme.pc and the package name them.
install(DIRECTORY DESTINATION ${EFME_MODULE_SUBDIR})
install(DIRECTORY DESTINATION ${EFME_MODEL_SUBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

# Programs find the library relative to themselves.
file(RELATIVE_PATH _lib_from_bin /p/${CMAKE_INSTALL_BINDIR} /p/${CMAKE_INSTALL_LIBDIR})
foreach(_program efme-pretrain efme-loso efme-predict efme-release efme-prepare efme-lint)
  if(TARGET ${_program})
    set_target_properties(${_program} PROPERTIES INSTALL_RPATH "$ORIGIN/${_lib_from_bin}")
    install(TARGETS ${_program} DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
if(EXISTS ${PROJECT_SOURCE_DIR}/examples)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING
    PATTERN "*.c" PATTERN "*.h" PATTERN "*.cpp" PATTERN "CMakeLists.txt" PATTERN "Makefile")
endif()
